#pragma once

// A thread that keeps asking one server: every `interval`, and sooner when somebody wants to know.
// What it learns goes to `told`, on that thread, in order.
//
// A server that stops answering is noticed by the end of its connection (at once) or by its silence
// (answer_limit after the question). A connection that has broken is made anew at once, within the
// same limit; after that, attempts are made in growing intervals, and may take as long as
// server_access says.

#include "base/clock.hpp"
#include "topology/answer.hpp"
#include "topology/server_access.hpp"

#include <functional>
#include <memory>
#include <vector>

namespace pgweir::topology {

/// How long a server may take to answer a question: a second, or three intervals if that is more.
microseconds answer_limit(microseconds interval) noexcept;

/// How long to wait before the next attempt after so many that have failed.
microseconds pause_after(int failures, microseconds interval) noexcept;

class prober {
public:
    using callback = std::function<void(const report&)>;

    /// The thread begins, and may call `told` at once.
    prober(const server_access& to, microseconds interval, callback told);

    /// Ends as stop() does.
    ~prober();
    prober(const prober&) = delete;
    prober& operator=(const prober&) = delete;

    // From any thread.

    void set_interval(microseconds interval);

    /// Asks now, or 2 ms after the last question; while the server cannot be reached this changes
    /// nothing.
    void ask_now();

    /// From the next question on, the server is asked which of these transactions it does not show.
    void ask_about(std::vector<transaction_number> running);

    /// Makes the next attempt now if the server cannot be reached, else asks now.
    void hurry();

    /// Ends the thread; `told` is not called any more. A thread that is stuck in the system's
    /// resolver is left behind: it touches nothing when it comes back. Not from `told`.
    void stop(milliseconds patience);

private:
    struct state;
    class thread_body;

    std::shared_ptr<state> state_;
};

}  // namespace pgweir::topology
