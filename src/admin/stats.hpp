#pragma once

// The arithmetic of SHOW STATS: counters that only grow, and what they come to over the last full
// `stats_period`. Counts and bytes are averaged to a second; times to one of what they measure: a
// transaction, a query, an assignment of a server. Pure: time comes in as a value. Not thread-safe.
// Units: bytes and microseconds.

#include "base/clock.hpp"

#include <cstdint>
#include <string>

namespace pgweir::admin {

/// Totals since the start, or the averages of a period, of one database. The order is that of the
/// columns.
struct stats_counters {
    std::uint64_t server_assignment_count = 0;
    std::uint64_t xact_count = 0;
    std::uint64_t query_count = 0;
    std::uint64_t bytes_received = 0;  // from clients
    std::uint64_t bytes_sent = 0;      // to clients
    std::uint64_t xact_time = 0;
    std::uint64_t query_time = 0;
    std::uint64_t wait_time = 0;
    std::uint64_t client_parse_count = 0;
    std::uint64_t server_parse_count = 0;
    std::uint64_t bind_count = 0;
    std::uint64_t client_login_count = 0;

    stats_counters& operator+=(const stats_counters& other) noexcept;
    bool operator==(const stats_counters&) const = default;
};

/// What happened between two readings, averaged. A counter that went back counts as one that stood
/// still, and so does a period of no length.
stats_counters average(
    const stats_counters& before, const stats_counters& after, microseconds period
) noexcept;

/// The last two readings of one database. Their averages are what SHOW STATS shows until the next
/// reading.
class stats_window {
public:
    explicit stats_window(steady_time start) noexcept : older_at_(start), newer_at_(start) {}

    /// Takes the reading of a period's end.
    void roll(const stats_counters& totals, steady_time now) noexcept;

    /// Averages of the last full period; zeros before the first has ended.
    stats_counters averages() const noexcept;

private:
    stats_counters older_;
    stats_counters newer_;
    steady_time older_at_;
    steady_time newer_at_;
};

/// The periodic line of the log, in the words that log analyzers know.
std::string stats_line(const stats_counters& averages);

}  // namespace pgweir::admin
