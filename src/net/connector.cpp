#include "net/connector.hpp"

#include "net/loop.hpp"
#include "net/name_cache.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fmt/format.h>

namespace pgweir::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using local = asio::local::stream_protocol;

std::string local_path(const target& where) {
    return fmt::format("{}/.s.PGSQL.{}", where.host, where.port);
}

bool is_local(const target& where) noexcept {
    return !where.host.empty() && (where.host[0] == '/' || where.host[0] == '@');
}

bool is_name(const target& where) {
    error_code not_numeric;
    asio::ip::make_address(where.host, not_numeric);
    return !is_local(where) && not_numeric;
}

std::string to_string(const target& where) {
    return is_local(where) ? local_path(where) : fmt::format("{}:{}", where.host, where.port);
}

class connector::attempt : public std::enable_shared_from_this<attempt> {
public:
    attempt(loop& owner, const target& where, const socket_options& options, callback done)
        : owner_(owner),
          where_(where),
          options_(options),
          done_(std::move(done)),
          timer_(owner.context()),
          tcp_(owner.context()),
          local_(owner.context()) {}

    void start(std::chrono::microseconds timeout) {
        if (timeout.count() > 0) {
            timer_.expires_after(timeout);
            timer_.async_wait([self = shared_from_this()](error_code ec) {
                if (!ec) {
                    self->finish(-1, std::make_error_code(std::errc::timed_out));
                }
            });
        }
        if (is_local(where_)) {
            return connect_local();
        }
        if (is_name(where_)) {
            return resolve();
        }
        connect_tcp({where_.host});
    }

    void abandon() noexcept {
        done_ = nullptr;
        stop();
    }

private:
    void resolve() {
        const auto resolved = [self = weak_from_this()](const name_cache::answer& found) {
            if (const auto alive = self.lock()) {
                alive->use(found);
            }
        };
        if (const auto known = owner_.names().find(where_.host, loop::now())) {
            return asio::post(timer_.get_executor(), [resolved, known = *known] {
                resolved(known);
            });
        }
        owner_.names().look_up(owner_, where_.host, resolved);
    }

    void use(const name_cache::answer& found) {
        if (!done_ || found.why) {
            return finish(-1, found.why);
        }
        connect_tcp(found.addresses);
    }

    void connect_local() {
        std::string path = local_path(where_);
        if (path[0] == '@') {
            path[0] = '\0';
        }
        error_code bad;
        local::endpoint endpoint;
        try {
            endpoint = local::endpoint(path);
        } catch (const boost::system::system_error& e) {
            // A path that does not fit into a socket's address.
            return asio::post(timer_.get_executor(), [self = shared_from_this(), e] {
                self->finish(-1, e.code());
            });
        }
        local_.async_connect(endpoint, [self = shared_from_this()](error_code ec) {
            self->connected(self->local_, ec);
        });
    }

    void connect_tcp(const std::vector<std::string>& addresses) {
        endpoints_.clear();
        for (const std::string& one : addresses) {
            endpoints_.emplace_back(
                asio::ip::make_address(one), static_cast<unsigned short>(where_.port)
            );
        }
        asio::async_connect(
            tcp_,
            endpoints_,
            [self = shared_from_this()](error_code ec, const tcp::endpoint& there) {
                if (!ec && self->done_ && self->is_gone(there)) {
                    self->tcp_.close(ec);
                    return self->resolve();
                }
                self->connected(self->tcp_, ec);
            }
        );
    }

    /// The name has lost this address while the connection was opened.
    bool is_gone(const tcp::endpoint& there) const {
        return !owner_.names().may_mean(where_.host, there.address().to_string());
    }

    template <typename Socket>
    void connected(Socket& socket, error_code ec) {
        // The attempt may have been abandoned between the kernel's answer and this call.
        const int descriptor = ec ? -1 : socket.release(ec);
        finish(ec ? -1 : descriptor, ec);
    }

    void finish(int socket, std::error_code why) {
        stop();
        if (!done_) {
            if (socket >= 0) {
                ::close(socket);
            }
            return;
        }
        if (socket >= 0) {
            make_blocking(socket);  // Asio's are not
            apply(options_, socket);
        }
        const callback done = std::move(done_);
        done_ = nullptr;
        done(socket, why);
    }

    void stop() noexcept {
        error_code ignored;
        timer_.cancel();
        tcp_.close(ignored);
        local_.close(ignored);
    }

    loop& owner_;
    const target where_;
    socket_options options_;
    callback done_;
    asio::steady_timer timer_;
    tcp::socket tcp_;
    local::socket local_;
    std::vector<tcp::endpoint> endpoints_;
};

connector::connector(
    loop& owner,
    const target& where,
    const socket_options& options,
    std::chrono::microseconds timeout,
    callback done
)
    : attempt_(std::make_shared<attempt>(owner, where, options, std::move(done))) {
    attempt_->start(timeout);
}

connector::~connector() {
    attempt_->abandon();
}

}  // namespace pgweir::net
