#pragma once

// How far standbys are behind: the figures, what they are measured against, and the verdict in the
// exit codes of monitoring plugins (0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN). Pure; asking is in
// lag_source.

#include "base/clock.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::cluster {

/// One standby. What nobody could tell is nothing, never 0.
struct lag_figures {
    std::string standby;
    std::string state;       ///< "streaming", "catchup"; empty: the primary does not see it.
    std::string sync_state;  ///< "async", "sync", "quorum".
    std::optional<std::uint64_t> pending_bytes;  ///< Not yet sent.
    std::optional<std::uint64_t> write_bytes;
    std::optional<std::uint64_t> flush_bytes;
    std::optional<std::uint64_t> replay_bytes;  ///< The whole way.
    std::optional<microseconds> write_time;     ///< Nothing while the standby has everything.
    std::optional<microseconds> flush_time;
    std::optional<microseconds> replay_time;
    // Asked from the standby itself.
    std::optional<std::uint64_t> unreplayed_bytes;    ///< Received and not replayed.
    std::optional<microseconds> since_last_replayed;  ///< Means lag only while something waits.
};

struct lag_limits {
    std::uint64_t bytes = 0;
    microseconds time{0};
};

struct lag_thresholds {
    lag_limits warn{10ULL << 20U, seconds(5)};
    lag_limits critical{100ULL << 20U, seconds(60)};
};

enum class lag_level { ok = 0, warning = 1, critical = 2, unknown = 3 };

std::string_view to_string(lag_level level) noexcept;

/// "10MB", "5s", "10MB,5s", "500ms": what is not said stays as it was.
result<lag_limits> parse_limits(std::string_view text, lag_limits otherwise);

/// The time by which a standby is late: what the primary measured, or, when the standby holds WAL
/// that it does not replay, the age of the last replayed transaction if that is more.
std::optional<microseconds> lag_time(const lag_figures& of);

/// A limit that is reached counts. A standby that does not stream is critical.
lag_level judge(const lag_figures& of, const lag_thresholds& limits);

/// The worst of all; unknown when there are none.
lag_level judge(const std::vector<lag_figures>& all, const lag_thresholds& limits);

/// "LAG OK - standby1 0 B 0 ms | standby1_replay_bytes=0B;…": one line, with performance data.
std::string lag_line(const std::vector<lag_figures>& all, const lag_thresholds& limits);

/// A table of all figures.
std::string lag_table(const std::vector<lag_figures>& all, const lag_thresholds& limits);

/// "1.5 MB", "0 B"; "-" for nothing.
std::string readable_bytes(std::optional<std::uint64_t> bytes);

/// "0.85 ms", "12 s"; "-" for nothing.
std::string readable_time(std::optional<microseconds> time);

}  // namespace pgweir::cluster
