#include "handover/channel.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>

namespace pgweir::handover {

namespace {

constexpr std::size_t header_size = 5;

failure failed(std::string_view what, int error) {
    return {fmt::format("{}: {}", what, std::strerror(error))};
}

steady_time now() noexcept {
    return std::chrono::steady_clock::now();
}

/// Until the socket is ready for that, whatever that brings. `until`: for ever if it is never.
result<void> wait_for(int socket, short events, const interrupt* stop, steady_time until) {
    for (;;) {
        int patience = -1;
        if (until != steady_time::max()) {
            const auto left = std::chrono::ceil<milliseconds>(until - now()).count();
            if (left <= 0) {
                return failure{"the other process does not answer in time"};
            }
            patience = static_cast<int>(std::min<long long>(left, 1000000));
        }
        std::array<::pollfd, 2> watched{
            {{socket, events, 0}, {stop != nullptr ? stop->number() : -1, POLLIN, 0}}};
        const int found = ::poll(watched.data(), watched.size(), patience);
        if (found < 0 && errno != EINTR) {
            return failed("poll", errno);
        }
        if (found > 0 && watched[1].revents != 0) {
            return failure{"this process ends"};
        }
        if (found > 0 && watched[0].revents != 0) {
            return {};
        }
    }
}

struct local_address {
    ::sockaddr_un raw{};
    ::socklen_t size = 0;

    const ::sockaddr* get() const noexcept { return reinterpret_cast<const ::sockaddr*>(&raw); }
};

bool is_abstract(const std::string& name) noexcept {
    return name[0] == '@';
}

std::optional<local_address> address_of(const std::string& name) {
    local_address made;
    if (name.empty() || name.size() >= sizeof made.raw.sun_path) {
        return std::nullopt;
    }
    made.raw.sun_family = AF_UNIX;
    std::memcpy(made.raw.sun_path, name.data(), name.size());
    made.size = static_cast<::socklen_t>(offsetof(::sockaddr_un, sun_path) + name.size());
    if (is_abstract(name)) {
        made.raw.sun_path[0] = '\0';
    } else {
        made.size++;
    }
    return made;
}

failure too_long(const std::string& name) {
    return {fmt::format("{}: longer than the path of a socket may be", name)};
}

bool nobody_there(int error) noexcept {
    return error == ECONNREFUSED || error == ENOENT;
}

/// That may be over in a moment.
bool lacks_resources(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/// Those that came with a piece of a message. False if some had no room.
bool take_descriptors(::msghdr& header, std::vector<descriptor>& to) {
    for (::cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr;
         each = CMSG_NXTHDR(&header, each)) {
        if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        const std::size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t at = 0; at < count; at++) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(each) + at * sizeof(int), sizeof(int));
            to.emplace_back(number);
        }
    }
    return (header.msg_flags & MSG_CTRUNC) == 0;
}

}  // namespace

// The interrupt.

interrupt::interrupt() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!event_) {
        throw std::system_error(errno, std::generic_category(), "eventfd");
    }
}

void interrupt::set() noexcept {
    const std::uint64_t one = 1;
    // It can fail only if it is set many times already.
    [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

bool interrupt::is_set() const noexcept {
    ::pollfd watched{event_.get(), POLLIN, 0};
    return ::poll(&watched, 1, 0) > 0;
}

// The end of a process.

process_end::process_end(int process) noexcept
    : process_(static_cast<int>(::syscall(SYS_pidfd_open, process, 0))) {}

void process_end::wait(const interrupt& stop) const {
    if (process_) {
        (void)wait_for(process_.get(), POLLIN, &stop, steady_time::max());
    }
}

// The channel.

result<void> channel::send(
    const message& what, microseconds patience, const std::vector<int>& descriptors
) {
    if (what.body.size() > longest_message || descriptors.size() > most_descriptors) {
        return failure{"a message of the hand-over is too long"};
    }
    const steady_time until = now() + patience;
    const auto length = static_cast<std::uint32_t>(what.body.size());
    std::array<char, header_size> head{
        static_cast<char>(length >> 24),
        static_cast<char>(length >> 16),
        static_cast<char>(length >> 8),
        static_cast<char>(length),
        static_cast<char>(what.what)};
    alignas(::cmsghdr) std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))> control{};
    std::size_t sent = 0;
    const std::size_t total = header_size + what.body.size();
    while (sent < total) {
        // The body stays where it is: there may be secrets in it.
        std::array<::iovec, 2> pieces{};
        const std::size_t of_head = std::min(sent, header_size);
        pieces[0] = {head.data() + of_head, header_size - of_head};
        const std::size_t of_body = sent - of_head;
        pieces[1] = {const_cast<char*>(what.body.data()) + of_body, what.body.size() - of_body};
        ::msghdr header{};
        header.msg_iov = pieces.data();
        header.msg_iovlen = pieces.size();
        if (sent == 0 && !descriptors.empty()) {
            const std::size_t size = descriptors.size() * sizeof(int);
            header.msg_control = control.data();
            header.msg_controllen = CMSG_SPACE(size);
            ::cmsghdr* rights = CMSG_FIRSTHDR(&header);
            rights->cmsg_level = SOL_SOCKET;
            rights->cmsg_type = SCM_RIGHTS;
            rights->cmsg_len = CMSG_LEN(size);
            std::memcpy(CMSG_DATA(rights), descriptors.data(), size);
        }
        const ssize_t taken = ::sendmsg(socket_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (taken >= 0) {
            sent += static_cast<std::size_t>(taken);
        } else if (errno == EAGAIN) {
            if (auto ready = wait_for(socket_.get(), POLLOUT, stop_, until); !ready) {
                return ready.error();
            }
        } else if (errno != EINTR) {
            return failed("cannot speak to the other process", errno);
        }
    }
    return {};
}

result<void> channel::read(
    char* to, std::size_t size, steady_time until, std::vector<descriptor>& with
) {
    alignas(::cmsghdr) std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))> control{};
    while (size != 0) {
        ::iovec piece{to, size};
        ::msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        const ssize_t got = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (got > 0) {
            to += got;
            size -= static_cast<std::size_t>(got);
            if (!take_descriptors(header, with)) {
                return failure{
                    "not all descriptors could be received: raise the limit of open files"};
            }
        } else if (got == 0) {
            return failure{"the other process has gone"};
        } else if (errno == EAGAIN) {
            if (auto ready = wait_for(socket_.get(), POLLIN, stop_, until); !ready) {
                return ready.error();
            }
        } else if (errno != EINTR) {
            return failed("cannot hear the other process", errno);
        }
    }
    return {};
}

result<channel::received> channel::receive(microseconds patience) {
    const steady_time until =
        patience == microseconds::max() ? steady_time::max() : now() + patience;
    received got;
    std::array<char, header_size> head{};
    if (auto done = read(head.data(), head.size(), until, got.descriptors); !done) {
        return done.error();
    }
    std::uint32_t length = 0;
    for (int at = 0; at < 4; at++) {
        length = length << 8 | static_cast<unsigned char>(head[static_cast<std::size_t>(at)]);
    }
    if (length > longest_message) {
        return failure{"the other process says something that is too long"};
    }
    got.what.what = static_cast<kind>(head[4]);
    got.what.body.resize(length);
    if (auto done = read(got.what.body.data(), length, until, got.descriptors); !done) {
        return done.error();
    }
    return got;
}

namespace {

std::optional<::ucred> credentials(int socket) noexcept {
    ::ucred peer{};
    ::socklen_t size = sizeof peer;
    const bool known = ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
    return known && peer.pid != 0 ? std::optional(peer) : std::nullopt;
}

}  // namespace

bool channel::is_open() const noexcept {
    ::pollfd watched{socket_.get(), POLLRDHUP, 0};
    return ::poll(&watched, 1, 0) <= 0;
}

int channel::peer_process() const noexcept {
    const auto peer = credentials(socket_.get());
    return peer ? peer->pid : 0;
}

result<void> channel::check_peer() const {
    const auto peer = credentials(socket_.get());
    if (!peer || peer->uid != ::geteuid()) {
        return failure{fmt::format(
            "the process at the other end runs as another user ({}, not {})",
            peer ? static_cast<long>(peer->uid) : -1,
            ::geteuid()
        )};
    }
    return {};
}

// The door.

std::string door::name_for(const std::string& directory, int port, int peer) {
    const std::string number = peer == 0 ? std::to_string(port) : fmt::format("{}.{}", port, peer);
    if (directory.empty()) {
        return fmt::format("@pgweir-restart-{}-{}", ::geteuid(), number);
    }
    return fmt::format("{}/.s.pgweir-restart.{}", directory, number);
}

result<std::unique_ptr<door>> door::open(const std::string& name) {
    const auto address = address_of(name);
    if (!address) {
        return too_long(name);
    }
    descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
        return failed("socket", errno);
    }
    if (!is_abstract(name)) {
        auto living = knock(name);
        if (!living || *living) {
            return failure{fmt::format("{}: another process is there", name)};
        }
        ::unlink(name.c_str());
        ::fchmod(socket.get(), 0600);  // and so is the file, from its first moment
    }
    if (::bind(socket.get(), address->get(), address->size) != 0 ||
        (!is_abstract(name) && ::chmod(name.c_str(), 0600) != 0) ||
        ::listen(socket.get(), 16) != 0) {
        return failed(name, errno);
    }
    return std::unique_ptr<door>(new door(std::move(socket), name, !is_abstract(name)));
}

result<std::unique_ptr<door>> door::inherited(descriptor socket, std::string name) {
    int listens = 0;
    ::socklen_t size = sizeof listens;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 ||
        listens == 0) {
        return failure{"the door that was handed over is none"};
    }
    return std::unique_ptr<door>(new door(std::move(socket), std::move(name), false));
}

door::~door() {
    if (owns_file_ && !is_abstract(name_)) {
        ::unlink(name_.c_str());
    }
}

result<channel> door::accept(const interrupt& stop) {
    for (;;) {
        if (auto ready = wait_for(socket_.get(), POLLIN, &stop, steady_time::max()); !ready) {
            return ready.error();
        }
        descriptor caller(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (caller) {
            channel made(std::move(caller));
            made.use(&stop);
            return made;
        }
        if (lacks_resources(errno)) {
            constexpr milliseconds moment{100};
            (void)wait_for(-1, 0, &stop, now() + moment);
        } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            return failed("accept", errno);
        }
    }
}

result<std::optional<channel>> knock(const std::string& name) {
    const auto address = address_of(name);
    if (!address) {
        return too_long(name);
    }
    descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
        return failed("socket", errno);
    }
    if (::connect(socket.get(), address->get(), address->size) != 0) {
        if (nobody_there(errno)) {
            return std::optional<channel>();
        }
        return failed(name, errno);
    }
    return std::optional<channel>(channel(std::move(socket)));
}

}  // namespace pgweir::handover
