#pragma once

// A thread that waits for a socket, and can be called away from it. One thread waits; raise() may
// be called by any.

#include "base/clock.hpp"

#include <cstdint>

namespace pgweir::topology {

enum class wait_result : std::uint8_t { ready, raised, timed_out };

/// What a socket is waited for.
enum class readiness : std::uint8_t { nothing, readable, writable };

class interrupt {
public:
    /// Aborts if the system has no descriptor left for it.
    interrupt();
    ~interrupt();
    interrupt(const interrupt&) = delete;
    interrupt& operator=(const interrupt&) = delete;

    /// Ends the wait under way, else the next one.
    void raise() noexcept;

    /// Waits for the socket (-1: none), for raise(), or until then. An answer that has come counts
    /// more than the time that is over: a thread that got no processor has not waited in vain.
    wait_result wait(int socket, readiness what, steady_time until) noexcept;

private:
    int descriptor_;
};

}  // namespace pgweir::topology
