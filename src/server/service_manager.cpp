#include "server/service_manager.hpp"

#include <fmt/format.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

namespace pgweir::server {

namespace {

constexpr int first_passed = 3;
constexpr int most_passed = 64;

/// What we say is of no interest any more: the process it is about is another one.
std::atomic<bool> silent{false};

std::optional<long> number_in(const char* name) {
    const char* text = std::getenv(name);
    long value = 0;
    if (text == nullptr) {
        return std::nullopt;
    }
    const char* end = text + std::strlen(text);
    const auto read = std::from_chars(text, end, value);
    return read.ec == std::errc() && read.ptr == end ? std::optional(value) : std::nullopt;
}

}  // namespace

std::vector<int> take_passed_sockets() {
    std::vector<int> sockets;
    const auto count = number_in("LISTEN_FDS");
    if (number_in("LISTEN_PID") == ::getpid() && count && *count > 0 && *count <= most_passed) {
        for (int at = 0; at < *count; at++) {
            sockets.push_back(first_passed + at);
        }
    }
    for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
        ::unsetenv(name);
    }
    return sockets;
}

void tell_service_manager(std::string_view state) noexcept {
    const char* path = std::getenv("NOTIFY_SOCKET");
    ::sockaddr_un to{};
    if (silent || path == nullptr || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    const std::size_t length = std::strlen(path);
    if (length < 2 || length >= sizeof to.sun_path) {
        return;
    }
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, path, length);
    if (path[0] == '@') {
        to.sun_path[0] = '\0';
    }
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0) {
        return;
    }
    ::sendto(
        socket,
        state.data(),
        state.size(),
        MSG_NOSIGNAL,
        reinterpret_cast<const ::sockaddr*>(&to),
        static_cast<::socklen_t>(offsetof(::sockaddr_un, sun_path) + length)
    );
    ::close(socket);
}

void tell_of_reload() noexcept {
    using namespace std::chrono;
    const auto now = duration_cast<microseconds>(steady_clock::now().time_since_epoch());
    tell_service_manager(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count()));
}

void tell_of_readiness() noexcept {
    tell_service_manager(fmt::format("READY=1\nMAINPID={}", ::getpid()));
}

std::string service_manager_address() {
    const char* path = std::getenv("NOTIFY_SOCKET");
    return path == nullptr ? std::string() : path;
}

void use_service_manager(const std::string& address) {
    if (!address.empty()) {
        ::setenv("NOTIFY_SOCKET", address.c_str(), 0);
    }
}

void leave_service_manager(int to) noexcept {
    tell_service_manager(fmt::format("READY=1\nMAINPID={}", to));
    silent = true;
}

}  // namespace pgweir::server
