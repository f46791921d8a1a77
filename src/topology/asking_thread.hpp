#pragma once

// A thread that asks servers: started with signals held, for they are somebody else's; called away
// from its waits, and joined, or left behind when it is stuck in the system's resolver, which
// nothing can end. So what it touches is shared with it, and its owner may go.

#include "base/clock.hpp"
#include "topology/interrupt.hpp"
#include "topology/pq_connection.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace pgweir::topology {

/// What the thread and its owner share. The owner's calls are start() and stop(); the others are
/// for any thread, or where it says so for the thread itself.
class asking_thread {
public:
    /// Runs `body`, which returns soon after stopping() has become true. Once.
    void start(const char* name, std::function<void()> body);

    /// Ends it: `body` has returned, or has been left behind. Not from the thread itself.
    void stop(milliseconds patience);

    /// Ends its wait under way, or the next one.
    void wake() noexcept { wake_.raise(); }

    // The thread's own.

    bool stopping() const noexcept { return stopping_.load(); }

    wait_result wait(int socket, readiness what, steady_time until) noexcept {
        return wake_.wait(socket, what, until);
    }

    patience until(steady_time when) {
        return {wake_, [this] { return stopping(); }, when};
    }

    /// Calls somebody outside, unless the thread is to end: stop() waits for the call.
    template <typename Call>
    void tell(Call&& call) {
        const std::lock_guard lock(telling_);
        if (!stopping()) {
            call();
        }
    }

private:
    interrupt wake_;
    std::atomic<bool> stopping_{false};
    std::mutex telling_;  // held during tell()

    std::mutex ending_;
    std::condition_variable changed_;
    bool ended_ = false;  // under ending_

    std::thread handle_;  // the owner's
};

}  // namespace pgweir::topology
