#pragma once

// A thread with stack enough for the deepest tree that the grammar may build of a text within the
// limits of shape.hpp. The stack is reserved, not used: what is not needed costs address space
// alone. Joined by its destructor at the latest.

#include <pthread.h>

#include <functional>

namespace pgweir::router {

class large_stack_thread {
public:
    large_stack_thread() = default;

    /// Throws std::system_error if the system gives no thread.
    explicit large_stack_thread(std::function<void()> work);

    ~large_stack_thread() { join(); }

    large_stack_thread(const large_stack_thread&) = delete;
    large_stack_thread& operator=(const large_stack_thread&) = delete;

    void join() noexcept;

private:
    static void* run(void* self) noexcept;

    std::function<void()> work_;
    pthread_t thread_{};
    bool running_ = false;
};

/// Does the work on such a thread, and waits for its end. No exception may leave the work.
void with_large_stack(std::function<void()> work);

}  // namespace pgweir::router
