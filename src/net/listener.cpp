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

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace pgweir::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// How long to wait when the system has no descriptor left for a new connection.
constexpr std::chrono::milliseconds retry_after{100};

using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

/// Hears of connections for a listener, and of some after its end.
class ear final : public accept_handler, public std::enable_shared_from_this<ear> {
public:
    ear(loop& owner, std::string name, int socket, listener::callback accepted)
        : loop_(owner),
          name_(std::move(name)),
          socket_(socket),
          timer_(owner.context()),
          accepted_(std::move(accepted)) {}

    void begin() {
        listens_ = true;
        if (!acceptor_) {
            acceptor_ = loop_.streams().accept(socket_, shared_from_this());
        }
    }

    void end() noexcept {
        listens_ = false;
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
            if (!ec && self->listens_) {
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
    bool listens_ = false;  // the timer may have fired when it was cancelled
};

/// The file of a Unix socket, as it is to be.
struct socket_file {
    std::string path;  // empty: it has none
    int mode = 0777;
    std::string group;
};

result<void> set_rights(const socket_file& file) {
    if (!file.group.empty()) {
        const ::group* entry = ::getgrnam(file.group.c_str());
        if (entry == nullptr ||
            ::chown(file.path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0) {
            return failure{fmt::format(
                "cannot give the socket {} to group \"{}\" (unix_socket_group)",
                file.path,
                file.group
            )};
        }
    }
    ::chmod(file.path.c_str(), static_cast<mode_t>(file.mode));
    return {};
}

class socket_listener final : public listener {
public:
    socket_listener(loop& owner, std::string name, descriptor socket, callback accepted)
        : socket_(std::move(socket)),
          ear_(std::make_shared<ear>(owner, std::move(name), socket_.get(), std::move(accepted))) {}

    ~socket_listener() override {
        ear_->end();
        if (owns_file_) {
            ::unlink(file_.path.c_str());
        }
    }

    std::string name() const override { return ear_->name(); }

    bool is_local() const noexcept override {
        ::sockaddr_storage bound{};
        ::socklen_t size = sizeof bound;
        auto* raw = reinterpret_cast<::sockaddr*>(&bound);
        return ::getsockname(socket_.get(), raw, &size) == 0 && raw->sa_family == AF_UNIX;
    }

    void defer_accept(bool value) noexcept override { set_defer_accept(socket_.get(), value); }

    void pause() noexcept override { ear_->end(); }

    void resume() override { ear_->begin(); }

    lent_socket lend() const override {
        return {
            descriptor(::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0)),
            owns_file_ ? file_.path : std::string(),
            passed_};
    }

    void give_away() noexcept override { owns_file_ = false; }

    void take_back() noexcept override { owns_file_ = !file_.path.empty(); }

    result<void> take_charge() override {
        if (!lent_) {
            return {};
        }
        lent_ = false;
        ::listen(socket_.get(), backlog_);
        take_back();
        return owns_file_ ? set_rights(file_) : result<void>();
    }

    // How it came here.

    void opened(socket_file file) {
        file_ = std::move(file);
        owns_file_ = !file_.path.empty();
    }

    void was_lent(socket_file file, int backlog) {
        file_ = std::move(file);
        backlog_ = backlog;
        lent_ = true;
    }

    void was_passed() noexcept { passed_ = true; }

private:
    descriptor socket_;
    std::shared_ptr<ear> ear_;
    socket_file file_;
    int backlog_ = 0;
    bool owns_file_ = false;
    bool lent_ = false;
    bool passed_ = false;
};

const char* bound_path(const ::sockaddr* local) noexcept {
    return reinterpret_cast<const ::sockaddr_un*>(local)->sun_path;
}

/// Takes the one that is bound to this address out of those that are there.
std::optional<lent_socket> take(lent_sockets* from, const ::sockaddr* place, ::socklen_t length) {
    const auto fits = [&](const lent_socket& one) {
        ::sockaddr_storage bound{};
        ::socklen_t size = sizeof bound;
        auto* raw = reinterpret_cast<::sockaddr*>(&bound);
        if (one.passed || ::getsockname(one.socket.get(), raw, &size) != 0 ||
            raw->sa_family != place->sa_family) {
            return false;
        }
        if (raw->sa_family == AF_UNIX) {
            // A path that was bound has a zero byte at its end.
            const bool same = std::memcmp(raw, place, length) == 0;
            return same && (size == length || (size == length + 1 && bound_path(raw)[0] != '\0'));
        }
        const address is = address::from(*raw);
        const address wanted = address::from(*place);
        return is.ip() == wanted.ip() && is.port == wanted.port;
    };
    if (from == nullptr) {
        return std::nullopt;
    }
    const auto found = std::find_if(from->begin(), from->end(), fits);
    if (found == from->end()) {
        return std::nullopt;
    }
    lent_socket taken = std::move(*found);
    from->erase(found);
    return taken;
}

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

std::vector<std::string> listener::addresses_of(const std::string& name) {
    asio::io_context context;
    error_code ec;
    std::vector<std::string> found;
    for (const auto& each : asio::ip::tcp::resolver(context).resolve(
             name, "0", asio::ip::resolver_base::passive, ec
         )) {
        std::string address = each.endpoint().address().to_string();
        if (std::find(found.begin(), found.end(), address) == found.end()) {
            found.push_back(std::move(address));
        }
    }
    return found.empty() ? std::vector{name} : found;
}

result<std::unique_ptr<listener>> listener::tcp(
    loop& owner, const tcp_options& options, const common_options& common, callback accepted
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
    const tcp::endpoint endpoint = found.begin()->endpoint();
    const auto size = static_cast<::socklen_t>(endpoint.size());
    auto lent = take(common.lent, endpoint.data(), size);
    descriptor socket =
        lent ? std::move(lent->socket)
             : descriptor(open_socket<tcp>(owner, endpoint, common.backlog, ec, options.use));
    if (ec) {
        return cannot_listen(where, ec, port_taken);
    }
    auto made =
        std::make_unique<socket_listener>(owner, where, std::move(socket), std::move(accepted));
    if (lent) {
        made->was_lent({}, common.backlog);
    }
    if (common.lent == nullptr) {
        made->resume();
    }
    return std::unique_ptr<listener>(std::move(made));
}

result<std::unique_ptr<listener>> listener::local(
    loop& owner, const local_options& options, const common_options& common, callback accepted
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
    socket_file file{abstract ? std::string() : path, options.mode, options.group};
    auto lent = take(common.lent, endpoint.data(), static_cast<::socklen_t>(endpoint.size()));
    if (!lent && !abstract && !remove_stale(path)) {
        return cannot_listen(path, asio::error::address_in_use, path_taken);
    }
    descriptor socket =
        lent ? std::move(lent->socket)
             : descriptor(open_socket<protocol>(owner, endpoint, common.backlog, ec));
    if (ec) {
        return cannot_listen(path, ec, path_taken);
    }
    auto made =
        std::make_unique<socket_listener>(owner, path, std::move(socket), std::move(accepted));
    if (lent) {
        made->was_lent(std::move(file), common.backlog);
    } else {
        made->opened(file);
        if (auto done = abstract ? result<void>() : set_rights(file); !done) {
            return done.error();
        }
    }
    if (common.lent == nullptr) {
        made->resume();
    }
    return std::unique_ptr<listener>(std::move(made));
}

result<std::unique_ptr<listener>> listener::passed(
    loop& owner, int socket, callback accepted, begin when
) {
    int listens = 0;
    int type = 0;
    ::socklen_t size = sizeof(int);
    if (::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0 ||
        ::getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) {
        return failure{fmt::format(
            "descriptor {} was handed over (LISTEN_FDS), but is no stream socket that listens",
            socket
        )};
    }
    ::fcntl(socket, F_SETFD, FD_CLOEXEC);
    const address where = address::of_socket(socket);
    const bool local = where.kind == address::family::local;
    if (!local) {
        apply_to_listener(socket);
    }
    const std::string name = local ? fmt::format("a Unix socket that was handed over ({})", socket)
                                   : fmt::format("{}:{}", where.host(), where.port);
    auto made =
        std::make_unique<socket_listener>(owner, name, descriptor(socket), std::move(accepted));
    made->was_passed();
    if (when == begin::now) {
        made->resume();
    }
    return std::unique_ptr<listener>(std::move(made));
}

}  // namespace pgweir::net
