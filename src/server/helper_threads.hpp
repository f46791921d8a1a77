#pragma once

// A few threads for what must not hold up a worker: started when they are first needed, fed from a
// bounded queue in order. Thread-safe.
//
// A job is two functions: `work` runs on a helper thread; `deliver` runs there afterwards and does
// nothing but post the result to where it is wanted. After stop() nothing is delivered any more, so
// whom it is for may go.

#include "base/clock.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace pgweir::server {

class helper_threads {
public:
    struct options {
        std::string name;       // of the threads, for `top`
        int threads = 1;        // at most
        std::size_t queue = 0;  // jobs that wait, at most
        int nice = 0;           // 19: only when nobody else wants the processor
    };

    explicit helper_threads(options how);

    /// Waits for the jobs under way, as stop() does.
    ~helper_threads();
    helper_threads(const helper_threads&) = delete;
    helper_threads& operator=(const helper_threads&) = delete;

    /// False if the queue is full, or after stop(): then neither function is called. What `work`
    /// throws is logged, and `deliver` called all the same.
    bool submit(std::function<void()> work, std::function<void()> deliver);

    /// Drops what waits, and waits for what is under way. A thread that is still stuck in somebody
    /// else's library then is left behind: nothing can end it but the end of the process.
    void stop(milliseconds patience = seconds(2));

private:
    struct state;

    static void run(const std::shared_ptr<state>& shared);

    std::shared_ptr<state> state_;
};

}  // namespace pgweir::server
