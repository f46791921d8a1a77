#include "net/listener.hpp"

#include "base/log.hpp"
#include "net/connector.hpp"
#include "net/loop.hpp"
#include "net/socket_options.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fmt/format.h>

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace pgweir::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// How long to wait when the system has no descriptor left for a new connection.
constexpr std::chrono::milliseconds retry_after{100};

using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

/// Connections that are taken before others get their turn.
constexpr int most_at_once = 16;

/// These end one connection that was not accepted yet, and say nothing about the next.
bool ends_one_connection(int error) {
    return error == EINTR || error == ECONNABORTED || error == EPROTO;
}

template <typename Protocol>
class acceptor final : public listener {
public:
    acceptor(loop& owner, callback accepted)
        : socket_(owner.context()), timer_(owner.context()), accepted_(std::move(accepted)) {}

    ~acceptor() override {
        error_code ignored;
        socket_.close(ignored);
        if (!path_.empty()) {
            ::unlink(path_.c_str());
        }
    }

    std::string name() const override { return name_; }

    void open(
        const typename Protocol::endpoint& endpoint,
        int backlog,
        error_code& ec,
        listener::port_use use = listener::port_use::exclusive
    ) {
        socket_.open(endpoint.protocol(), ec);
        if (!ec) {
            socket_.native_non_blocking(true, ec);
        }
        if constexpr (std::is_same_v<Protocol, asio::ip::tcp>) {
            if (!ec) {
                apply_to_listener(socket_.native_handle());
                socket_.set_option(asio::socket_base::reuse_address(true), ec);
            }
            if (!ec && use == listener::port_use::shared) {
                socket_.set_option(reuse_port(true), ec);
            }
            if (!ec && endpoint.address().is_v6()) {
                socket_.set_option(asio::ip::v6_only(true), ec);
            }
        }
        if (!ec) {
            socket_.bind(endpoint, ec);
        }
        if (!ec) {
            socket_.listen(backlog, ec);
        }
    }

    void run(std::string name, std::string path) {
        name_ = std::move(name);
        path_ = std::move(path);
        wait();
    }

private:
    /// Asio only waits: its own way of accepting would put each connection into its reactor and
    /// take it out again.
    void wait() {
        socket_.async_wait(socket_.wait_read, [this, life = std::weak_ptr(life_)](error_code ec) {
            if (ec != asio::error::operation_aborted && !life.expired()) {
                accept();
            }
        });
    }

    /// The wait that follows ends at once if there is more, so a connection that comes alone costs
    /// no second look; who finds more looks further.
    void accept() {
        const std::weak_ptr life(life_);
        for (int taken = 0; taken < at_once_; taken++) {
            sockaddr_storage raw{};
            socklen_t size = sizeof raw;
            auto* peer = reinterpret_cast<::sockaddr*>(&raw);
            const int connection = ::accept4(socket_.native_handle(), peer, &size, SOCK_CLOEXEC);
            if (connection >= 0) {
                accepted_(connection, address::from(*peer));
                if (life.expired()) {
                    return;
                }
            } else if (errno == EAGAIN) {
                at_once_ = 1;
                return wait();
            } else if (!ends_one_connection(errno)) {
                return retry_later(error_code(errno, boost::system::system_category()));
            }
        }
        at_once_ = std::min(2 * at_once_, most_at_once);
        wait();
    }

    void retry_later(const error_code& why) {
        log::warning("cannot accept a connection on {}: {}", name_, why.message());
        timer_.expires_after(retry_after);
        timer_.async_wait([this, life = std::weak_ptr(life_)](error_code aborted) {
            if (!aborted && !life.expired()) {
                wait();
            }
        });
    }

    typename Protocol::acceptor socket_;
    asio::steady_timer timer_;
    callback accepted_;
    int at_once_ = 1;
    std::string name_;
    std::string path_;

    /// A completion that was on its way when this object ended says no error, but finds nobody.
    std::shared_ptr<bool> life_ = std::make_shared<bool>(true);
};

constexpr const char* port_taken =
    ": another program listens there already; stop it or set another listen_port (pgweirs share "
    "one if each of them has so_reuseport = 1)";
constexpr const char* path_taken =
    ": another program listens there already; stop it or set another unix_socket_dir or "
    "listen_port";

failure cannot_listen(const std::string& where, const error_code& ec, const char* if_taken) {
    std::string hint;
    if (ec == asio::error::address_in_use) {
        hint = if_taken;
    } else if (ec == asio::error::access_denied) {
        hint = ": ports below 1024 and foreign directories need more rights";
    }
    return {fmt::format("cannot listen on {}: {}{}", where, ec.message(), hint)};
}

/// A socket file that nobody answers on is left over from a process that was killed.
bool remove_stale(const std::string& path) {
    asio::io_context context;
    asio::local::stream_protocol::socket probe(context);
    error_code ec;
    probe.connect(asio::local::stream_protocol::endpoint(path), ec);
    if (ec == asio::error::connection_refused) {
        ::unlink(path.c_str());
        return true;
    }
    return ec == boost::system::errc::no_such_file_or_directory;
}

}  // namespace

result<std::unique_ptr<listener>> listener::tcp(
    loop& owner, const tcp_options& options, int backlog, callback accepted
) {
    using asio::ip::tcp;
    const std::string where = fmt::format("{}:{}", options.address, options.port);
    error_code ec;
    tcp::resolver resolver(owner.context());
    const auto found = resolver.resolve(
        options.address, std::to_string(options.port), asio::ip::resolver_base::passive, ec
    );
    if (ec) {
        return cannot_listen(where, ec, port_taken);
    }
    auto made = std::make_unique<acceptor<tcp>>(owner, std::move(accepted));
    made->open(found.begin()->endpoint(), backlog, ec, options.use);
    if (ec) {
        return cannot_listen(where, ec, port_taken);
    }
    made->run(where, {});
    return std::unique_ptr<listener>(std::move(made));
}

result<std::unique_ptr<listener>> listener::local(
    loop& owner, const local_options& options, int backlog, callback accepted
) {
    using protocol = asio::local::stream_protocol;
    const std::string path = local_path({options.directory, options.port});
    const bool abstract = path[0] == '@';
    std::string bind_path = path;
    if (abstract) {
        bind_path[0] = '\0';
    }
    error_code ec;
    protocol::endpoint endpoint;
    try {
        endpoint = protocol::endpoint(bind_path);
    } catch (const boost::system::system_error& e) {
        return cannot_listen(path, e.code(), path_taken);
    }
    if (!abstract && !remove_stale(path)) {
        return cannot_listen(path, asio::error::address_in_use, path_taken);
    }
    auto made = std::make_unique<acceptor<protocol>>(owner, std::move(accepted));
    made->open(endpoint, backlog, ec);
    if (ec) {
        return cannot_listen(path, ec, path_taken);
    }
    if (!abstract) {
        if (!options.group.empty()) {
            const ::group* entry = ::getgrnam(options.group.c_str());
            if (entry == nullptr ||
                ::chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) {
                return failure{fmt::format(
                    "cannot give the socket {} to group \"{}\" (unix_socket_group)",
                    path,
                    options.group
                )};
            }
        }
        ::chmod(path.c_str(), static_cast<mode_t>(options.mode));
    }
    made->run(path, abstract ? std::string() : path);
    return std::unique_ptr<listener>(std::move(made));
}

}  // namespace pgweir::net
