#pragma once

// Counters of one pool on one worker: written by that worker only, read by whoever asks. Relaxed on
// purpose: a sum over workers is a statistic, not a synchronisation.

#include "base/clock.hpp"

#include <atomic>
#include <cstdint>

namespace pgweir::pool {

/// A counter with a single writer: an addition is a load and a store, no locked instruction.
class counter {
public:
    counter() = default;

    counter(const counter& other) noexcept : value_(other.get()) {}

    counter& operator=(const counter&) = delete;

    void add(std::uint64_t amount) noexcept {
        value_.store(get() + amount, std::memory_order_relaxed);
    }

    void add(std::chrono::steady_clock::duration amount) noexcept {
        add(static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(amount).count()));
    }

    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

/// What SHOW STATS counts; times in microseconds. On a cache line of its own.
struct alignas(64) pool_stats {
    counter server_assignment_count;
    counter xact_count;
    counter query_count;
    counter received;  // bytes from clients
    counter sent;      // bytes to clients
    counter xact_time;
    counter query_time;
    counter wait_time;
    counter client_parse_count;
    counter server_parse_count;
    counter bind_count;
    counter client_login_count;
};

/// REQUIRES: `to` is the caller's alone.
void add(pool_stats& to, const pool_stats& from) noexcept;

}  // namespace pgweir::pool
