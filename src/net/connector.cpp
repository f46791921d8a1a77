#include "net/connector.hpp"

#include "net/loop.hpp"

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

std::string to_string(const target& where) {
    return is_local(where) ? local_path(where) : fmt::format("{}:{}", where.host, where.port);
}

class connector::attempt : public std::enable_shared_from_this<attempt> {
public:
    attempt(loop& owner, const socket_options& options, callback done)
        : options_(options),
          done_(std::move(done)),
          timer_(owner.context()),
          resolver_(owner.context()),
          tcp_(owner.context()),
          local_(owner.context()) {}

    void start(const target& where, std::chrono::microseconds timeout) {
        if (timeout.count() > 0) {
            timer_.expires_after(timeout);
            timer_.async_wait([self = shared_from_this()](error_code ec) {
                if (!ec) {
                    self->finish(-1, std::make_error_code(std::errc::timed_out));
                }
            });
        }
        if (is_local(where)) {
            return connect_local(where);
        }
        error_code not_numeric;
        const auto ip = asio::ip::make_address(where.host, not_numeric);
        if (!not_numeric) {
            return connect_tcp({tcp::endpoint(ip, static_cast<unsigned short>(where.port))});
        }
        resolve(where);
    }

    void abandon() noexcept {
        done_ = nullptr;
        stop();
    }

private:
    void fail_soon(error_code why) {
        asio::post(timer_.get_executor(), [self = shared_from_this(), why] {
            self->finish(-1, why);
        });
    }

    void resolve(const target& where) {
        const auto resolved =
            [self = shared_from_this()](error_code ec, const tcp::resolver::results_type& found) {
                if (ec) {
                    return self->finish(-1, ec);
                }
                self->connect_tcp({found.begin(), found.end()});
            };
        try {
            resolver_.async_resolve(where.host, std::to_string(where.port), resolved);
        } catch (const boost::system::system_error& e) {
            // The resolver has a thread, which the system may refuse.
            fail_soon(e.code());
        }
    }

    void connect_local(const target& where) {
        std::string path = local_path(where);
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

    void connect_tcp(std::vector<tcp::endpoint> endpoints) {
        endpoints_ = std::move(endpoints);
        asio::async_connect(
            tcp_,
            endpoints_,
            [self = shared_from_this()](error_code ec, const tcp::endpoint&) {
                self->connected(self->tcp_, ec);
            }
        );
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
        resolver_.cancel();
        tcp_.close(ignored);
        local_.close(ignored);
    }

    socket_options options_;
    callback done_;
    asio::steady_timer timer_;
    tcp::resolver resolver_;
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
    : attempt_(std::make_shared<attempt>(owner, options, std::move(done))) {
    attempt_->start(where, timeout);
}

connector::~connector() {
    attempt_->abandon();
}

}  // namespace pgweir::net
