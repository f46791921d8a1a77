#pragma once

// Sockets on loopback, and a descriptor that closes itself.

#include <cstdint>
#include <utility>

namespace relay {

class descriptor {
public:
    descriptor() = default;

    explicit descriptor(int fd) noexcept : fd_(fd) {}

    descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    ~descriptor();

    int get() const noexcept { return fd_; }

    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_ = -1;
};

[[noreturn]] void throw_error(int error, const char* what);

/// A socket that listens on this port of 127.0.0.1, non-blocking. Throws std::system_error.
descriptor listen_on(std::uint16_t port);

/// A connection to this port of 127.0.0.1, blocking; empty if it is refused. On loopback it is made
/// when connect returns: waiting for it elsewhere would only add system calls.
descriptor connect_to(std::uint16_t port);

/// Small messages are sent at once.
void set_no_delay(int socket) noexcept;
void set_non_blocking(int socket) noexcept;

}  // namespace relay
