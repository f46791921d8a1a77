#include "net/address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

namespace pgweir::net {

address address::from(const ::sockaddr& raw) noexcept {
    address out;
    if (raw.sa_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &raw, sizeof in);
        out.kind = family::ipv4;
        std::memcpy(out.bytes.data(), &in.sin_addr, 4);
        out.port = ntohs(in.sin_port);
    } else if (raw.sa_family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, &raw, sizeof in);
        out.kind = family::ipv6;
        std::memcpy(out.bytes.data(), &in.sin6_addr, 16);
        out.port = ntohs(in.sin6_port);
    } else if (raw.sa_family == AF_UNIX) {
        out.kind = family::local;
    }
    return out;
}

namespace {

template <typename Getter>
address ask(Getter get, int socket) noexcept {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (get(socket, reinterpret_cast<::sockaddr*>(&storage), &size) != 0) {
        return {};
    }
    return address::from(reinterpret_cast<const ::sockaddr&>(storage));
}

}  // namespace

address address::of_peer(int socket) noexcept {
    return ask(::getpeername, socket);
}

address address::of_socket(int socket) noexcept {
    return ask(::getsockname, socket);
}

std::string_view address::ip() const noexcept {
    switch (kind) {
        case family::ipv4:
            return {bytes.data(), 4};
        case family::ipv6:
            return {bytes.data(), 16};
        case family::none:
        case family::local:
            break;
    }
    return {};
}

std::string address::host() const {
    char text[INET6_ADDRSTRLEN] = "";
    switch (kind) {
        case family::ipv4:
            ::inet_ntop(AF_INET, bytes.data(), text, sizeof text);
            return text;
        case family::ipv6:
            ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
            return text;
        case family::local:
            return "unix";
        case family::none:
            break;
    }
    return "unknown";
}

}  // namespace pgweir::net
