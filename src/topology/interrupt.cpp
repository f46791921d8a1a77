#include "topology/interrupt.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace pgweir::topology {

namespace {

/// Waits are begun anew at least this often.
constexpr std::chrono::nanoseconds longest_wait = seconds(3600);

short events_of(readiness what) noexcept {
    switch (what) {
        case readiness::readable:
            return POLLIN;
        case readiness::writable:
            return POLLOUT;
        case readiness::nothing:
            break;
    }
    return 0;
}

timespec left_until(steady_time until) noexcept {
    const std::chrono::nanoseconds left = std::clamp<std::chrono::nanoseconds>(
        until - std::chrono::steady_clock::now(), std::chrono::nanoseconds(0), longest_wait
    );
    const auto whole = std::chrono::duration_cast<seconds>(left);
    return {whole.count(), (left - whole).count()};
}

}  // namespace

interrupt::interrupt() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) {
        std::abort();
    }
}

interrupt::~interrupt() {
    ::close(descriptor_);
}

void interrupt::raise() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t full_is_raised = ::write(descriptor_, &one, sizeof one);
}

wait_result interrupt::wait(int socket, readiness what, steady_time until) noexcept {
    for (;;) {
        pollfd watched[] = {{descriptor_, POLLIN, 0}, {socket, events_of(what), 0}};
        const timespec left = left_until(until);
        const int found = ::ppoll(watched, 2, &left, nullptr);
        if (found < 0 && errno == EINTR) {
            continue;
        }
        if (watched[1].revents != 0 && found > 0) {
            return wait_result::ready;
        }
        if (watched[0].revents != 0 && found > 0) {
            std::uint64_t count = 0;
            [[maybe_unused]] const ssize_t read = ::read(descriptor_, &count, sizeof count);
            return wait_result::raised;
        }
        if (std::chrono::steady_clock::now() >= until) {
            return wait_result::timed_out;
        }
    }
}

}  // namespace pgweir::topology
