#pragma once

// The dashboard's picture: from what was seen to lines of text that fit the terminal. Pure; looking
// is in dashboard_source, the terminal in ctl. Colours are ANSI sequences, and only when wanted.

#include "base/clock.hpp"
#include "cluster/lag.hpp"
#include "cluster/node_status.hpp"
#include "cluster/pooler.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::cluster {

struct server_load {
    std::uint32_t connections = 0;
    std::uint32_t max_connections = 0;
    std::uint64_t transactions = 0;  ///< Since the statistics were reset.
};

struct dashboard_server {
    node_status status;
    std::optional<server_load> load;
};

struct system_summary {
    double load_average = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t memory_free_bytes = 0;
    std::uint64_t disk_bytes = 0;
    std::uint64_t disk_free_bytes = 0;
};

/// Everything that one look has found.
struct dashboard_view {
    std::string cluster;
    std::string clock;  ///< "2024-05-01 12:00:00"
    std::vector<dashboard_server> servers;
    std::vector<lag_figures> lag;
    std::optional<std::string> lag_problem;
    bool has_pooler = true;
    std::optional<pooler_sums> pooler;
    std::string pooler_address;
    std::string pooler_problem;
    system_summary system;
};

/// What the sparklines are drawn from, oldest first.
class dashboard_history {
public:
    /// `at` grows from call to call.
    void add(const dashboard_view& view, steady_time at);

    const std::deque<double>& lag_bytes() const noexcept { return lag_bytes_; }

    const std::deque<double>& transactions_per_second() const noexcept { return throughput_; }

private:
    std::deque<double> lag_bytes_;
    std::deque<double> throughput_;
    std::optional<std::uint64_t> last_transactions_;
    steady_time last_at_;
};

struct drawing {
    std::size_t columns = 80;
    std::size_t rows = 24;
    bool colours = false;
};

/// The last `width` values as bars of eight heights; the largest value is a full bar.
std::string sparkline(const std::deque<double>& values, std::size_t width);

/// Lines that end with a line feed, at most `rows` of them and none wider than `columns`.
std::string draw_dashboard(
    const dashboard_view& view,
    const dashboard_history& history,
    const lag_thresholds& limits,
    const drawing& how
);

}  // namespace pgweir::cluster
