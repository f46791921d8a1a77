#pragma once

// One thread's loop: Asio for whatever is rare, an engine for the bytes, a wheel for timeouts. Owns
// all three. Only post() and stop() may be called from other threads.

#include "base/clock.hpp"
#include "net/engine.hpp"
#include "net/timer_wheel.hpp"

#include <functional>
#include <memory>
#include <string_view>

namespace boost::asio {
class io_context;
}

namespace pgweir::net {

class name_cache;

class loop {
public:
    explicit loop(engine_kind kind = engine_kind::epoll);
    ~loop();
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    /// Runs until stop().
    void run();
    void stop() noexcept;

    /// Has the loop's thread call this soon. From any thread.
    void post(std::function<void()> task);

    /// The time as of now. On the data path ask once for an event.
    static steady_time now() noexcept { return std::chrono::steady_clock::now(); }

    /// Sets or moves a deadline; see timer_wheel.
    void set(deadline& entry, steady_time at);

    engine& streams() noexcept { return *engine_; }

    const engine& streams() const noexcept { return *engine_; }

    boost::asio::io_context& context() noexcept { return *context_; }

    /// What is known of hosts' names, for all loops; outlives them.
    name_cache& names() noexcept { return *names_; }

    void share(name_cache& names) noexcept;

private:
    struct wheel_timer;

    void arm();

    std::unique_ptr<boost::asio::io_context> context_;
    timer_wheel wheel_;
    std::unique_ptr<wheel_timer> timer_;
    std::unique_ptr<engine> engine_;
    std::unique_ptr<name_cache> own_names_;  // of a loop that shares none
    name_cache* names_;
};

}  // namespace pgweir::net
