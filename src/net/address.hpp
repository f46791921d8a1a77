#pragma once

// Addresses as values, without Asio.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

struct sockaddr;

namespace pgweir::net {

/// A peer's or own address of a connection.
struct address {
    enum class family : std::uint8_t { none, ipv4, ipv6, local };

    family kind = family::none;
    std::array<char, 16> bytes{};  // 4 or 16 of them, in network order
    std::uint16_t port = 0;

    static address from(const ::sockaddr& raw) noexcept;

    /// The address of the other and of this end of a connected socket.
    static address of_peer(int socket) noexcept;
    static address of_socket(int socket) noexcept;

    /// The raw bytes of an IP address (4 or 16), empty for a local socket.
    std::string_view ip() const noexcept;

    /// "127.0.0.1", "::1", or "unix".
    std::string host() const;
};

}  // namespace pgweir::net
