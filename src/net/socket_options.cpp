#include "net/socket_options.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace pgweir::net {

namespace {

void set(int socket, int level, int name, int value) noexcept {
    ::setsockopt(socket, level, name, &value, sizeof value);
}

void set_beyond_keepalive(const socket_options& options, int socket) noexcept {
    if (options.keepalive) {
        if (options.keepcnt > 0) {
            set(socket, IPPROTO_TCP, TCP_KEEPCNT, options.keepcnt);
        }
        if (options.keepidle > 0) {
            set(socket, IPPROTO_TCP, TCP_KEEPIDLE, options.keepidle);
        }
        if (options.keepintvl > 0) {
            set(socket, IPPROTO_TCP, TCP_KEEPINTVL, options.keepintvl);
        }
    }
    if (options.user_timeout > 0) {
        set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout);
    }
    if (options.socket_buffer > 0) {
        set(socket, SOL_SOCKET, SO_SNDBUF, options.socket_buffer);
        set(socket, SOL_SOCKET, SO_RCVBUF, options.socket_buffer);
    }
}

}  // namespace

void apply(const socket_options& options, int socket) noexcept {
    int domain = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain == AF_UNIX) {
        return;
    }
    set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options.keepalive) {
        set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    }
    set_beyond_keepalive(options, socket);
}

void apply_to_listener(int socket) noexcept {
    set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
}

void set_defer_accept(int socket, bool value) noexcept {
    constexpr int seconds_at_most = 45;
    set(socket, IPPROTO_TCP, TCP_DEFER_ACCEPT, value ? seconds_at_most : 0);
}

void apply_to_accepted(const socket_options& options, int socket) noexcept {
    if (!options.keepalive) {
        set(socket, SOL_SOCKET, SO_KEEPALIVE, 0);
    }
    set_beyond_keepalive(options, socket);
}

void make_blocking(int socket) noexcept {
    const int flags = ::fcntl(socket, F_GETFL);
    if ((flags & O_NONBLOCK) != 0) {
        ::fcntl(socket, F_SETFL, flags & ~O_NONBLOCK);
    }
}

}  // namespace pgweir::net
