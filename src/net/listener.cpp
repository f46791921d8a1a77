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

/// A descriptor that is closed at the end, and a path that is removed.
class listening_socket {
public:
    listening_socket(int descriptor, std::string path) noexcept
        : descriptor_(descriptor), path_(std::move(path)) {}

    ~listening_socket() {
        ::close(descriptor_);
        if (!path_.empty()) {
            ::unlink(path_.c_str());
        }
    }

    listening_socket(const listening_socket&) = delete;
    listening_socket& operator=(const listening_socket&) = delete;

    int descriptor() const noexcept { return descriptor_; }

private:
    int descriptor_;
    std::string path_;
};

/// Hears of connections for a listener, and of some after its end.
class ear final : public accept_handler, public std::enable_shared_from_this<ear> {
public:
    ear(loop& owner, std::string name, int socket, listener::callback accepted)
        : loop_(owner),
          name_(std::move(name)),
          socket_(socket),
          timer_(owner.context()),
          accepted_(std::move(accepted)) {}

    void begin() { acceptor_ = loop_.streams().accept(socket_, shared_from_this()); }

    void end() noexcept {
        acceptor_.reset();
        timer_.cancel();
    }

    const std::string& name() const noexcept { return name_; }

    void on_connection(int socket, const address& peer) override { accepted_(socket, peer); }

    void on_accept_failed(std::error_code why) override {
        log::warning("cannot accept a connection on {}: {}", name_, why.message());
        acceptor_.reset();
        timer_.expires_after(retry_after);
        timer_.async_wait([self = shared_from_this()](error_code ec) {
            if (!ec) {
                self->begin();
            }
        });
    }

private:
    loop& loop_;
    std::string name_;
    int socket_;
    asio::steady_timer timer_;
    listener::callback accepted_;
    std::unique_ptr<acceptor> acceptor_;
};

class socket_listener final : public listener {
public:
    socket_listener(loop& owner, std::string name, int socket, std::string path, callback accepted)
        : socket_(socket, std::move(path)),
          ear_(std::make_shared<ear>(owner, std::move(name), socket, std::move(accepted))) {
        ear_->begin();
    }

    ~socket_listener() override { ear_->end(); }

    std::string name() const override { return ear_->name(); }

    void defer_accept(bool value) noexcept override {
        set_defer_accept(socket_.descriptor(), value);
    }

private:
    listening_socket socket_;
    std::shared_ptr<ear> ear_;
};

/// A socket that listens, without Asio, which would look at it, too.
template <typename Protocol>
int open_socket(
    loop& owner,
    const typename Protocol::endpoint& endpoint,
    int backlog,
    error_code& ec,
    listener::port_use use = listener::port_use::exclusive
) {
    typename Protocol::acceptor socket(owner.context());
    socket.open(endpoint.protocol(), ec);
    if constexpr (std::is_same_v<Protocol, asio::ip::tcp>) {
        if (!ec) {
            apply_to_listener(socket.native_handle());
            socket.set_option(asio::socket_base::reuse_address(true), ec);
        }
        if (!ec && use == listener::port_use::shared) {
            socket.set_option(reuse_port(true), ec);
        }
        if (!ec && endpoint.address().is_v6()) {
            socket.set_option(asio::ip::v6_only(true), ec);
        }
    }
    if (!ec) {
        socket.bind(endpoint, ec);
    }
    if (!ec) {
        socket.listen(backlog, ec);
    }
    return ec ? -1 : socket.release(ec);
}

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
    const int socket = open_socket<tcp>(owner, found.begin()->endpoint(), backlog, ec, options.use);
    if (ec) {
        return cannot_listen(where, ec, port_taken);
    }
    return std::unique_ptr<listener>(
        std::make_unique<socket_listener>(owner, where, socket, std::string(), std::move(accepted))
    );
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
    const int socket = open_socket<protocol>(owner, endpoint, backlog, ec);
    if (ec) {
        return cannot_listen(path, ec, path_taken);
    }
    auto made = std::make_unique<socket_listener>(
        owner, path, socket, abstract ? std::string() : path, std::move(accepted)
    );
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
    return std::unique_ptr<listener>(std::move(made));
}

}  // namespace pgweir::net
