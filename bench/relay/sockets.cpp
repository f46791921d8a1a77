#include "sockets.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace relay {

namespace {

/// A sockaddr_in as the calls want it.
class loopback_address {
public:
    explicit loopback_address(std::uint16_t port) noexcept {
        address_.sin_family = AF_INET;
        address_.sin_port = htons(port);
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }

    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address_); }

    static constexpr socklen_t size = sizeof(sockaddr_in);

private:
    sockaddr_in address_{};
};

void set(int socket, int level, int name) noexcept {
    const int on = 1;
    ::setsockopt(socket, level, name, &on, sizeof on);
}

}  // namespace

descriptor::~descriptor() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

void throw_error(int error, const char* what) {
    throw std::system_error(error, std::generic_category(), what);
}

descriptor listen_on(std::uint16_t port) {
    descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
        throw_error(errno, "socket");
    }
    set(socket.get(), SOL_SOCKET, SO_REUSEADDR);
    const loopback_address address(port);
    if (::bind(socket.get(), address.get(), loopback_address::size) != 0) {
        throw_error(errno, "bind");
    }
    if (::listen(socket.get(), SOMAXCONN) != 0) {
        throw_error(errno, "listen");
    }
    return socket;
}

descriptor connect_to(std::uint16_t port) {
    descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const loopback_address address(port);
    if (socket && ::connect(socket.get(), address.get(), loopback_address::size) != 0) {
        return descriptor();
    }
    return socket;
}

void set_no_delay(int socket) noexcept {
    set(socket, IPPROTO_TCP, TCP_NODELAY);
}

void set_non_blocking(int socket) noexcept {
    ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
}

}  // namespace relay
