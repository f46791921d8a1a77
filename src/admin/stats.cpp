#include "admin/stats.hpp"

#include <fmt/format.h>

namespace pgweir::admin {

namespace {

using counter = std::uint64_t stats_counters::*;

constexpr counter all_counters[] = {
    &stats_counters::server_assignment_count,
    &stats_counters::xact_count,
    &stats_counters::query_count,
    &stats_counters::bytes_received,
    &stats_counters::bytes_sent,
    &stats_counters::xact_time,
    &stats_counters::query_time,
    &stats_counters::wait_time,
    &stats_counters::client_parse_count,
    &stats_counters::server_parse_count,
    &stats_counters::bind_count,
    &stats_counters::client_login_count,
};
static_assert(
    sizeof(all_counters) / sizeof(counter) * sizeof(std::uint64_t) == sizeof(stats_counters)
);

/// Each time and what it is a time of.
struct timed {
    counter time;
    counter count;
};

constexpr timed times[] = {
    {&stats_counters::xact_time, &stats_counters::xact_count},
    {&stats_counters::query_time, &stats_counters::query_count},
    {&stats_counters::wait_time, &stats_counters::server_assignment_count},
};

stats_counters difference(const stats_counters& before, const stats_counters& after) noexcept {
    stats_counters grown;
    for (const counter which : all_counters) {
        grown.*which = after.*which > before.*which ? after.*which - before.*which : 0;
    }
    return grown;
}

/// Without the overflow that `count * 1'000'000` has from 18 terabytes on.
std::uint64_t per_second(std::uint64_t count, std::uint64_t period) noexcept {
    constexpr std::uint64_t second = 1'000'000;
    return count / period * second + count % period * second / period;
}

}  // namespace

stats_counters& stats_counters::operator+=(const stats_counters& other) noexcept {
    for (const counter which : all_counters) {
        this->*which += other.*which;
    }
    return *this;
}

stats_counters average(
    const stats_counters& before, const stats_counters& after, microseconds period
) noexcept {
    if (period.count() <= 0) {
        return {};
    }
    const stats_counters grown = difference(before, after);
    stats_counters averages;
    for (const counter which : all_counters) {
        averages.*which = per_second(grown.*which, static_cast<std::uint64_t>(period.count()));
    }
    for (const timed& each : times) {
        const std::uint64_t count = grown.*each.count;
        averages.*each.time = count == 0 ? 0 : grown.*each.time / count;
    }
    return averages;
}

void stats_window::roll(const stats_counters& totals, steady_time now) noexcept {
    older_ = newer_;
    older_at_ = newer_at_;
    newer_ = totals;
    newer_at_ = now;
}

stats_counters stats_window::averages() const noexcept {
    const auto period = std::chrono::duration_cast<microseconds>(newer_at_ - older_at_);
    return average(older_, newer_, period);
}

std::string stats_line(const stats_counters& averages) {
    return fmt::format(
        "stats: {} xacts/s, {} queries/s, in {} B/s, out {} B/s, xact {} us, query {} us, wait {} "
        "us",
        averages.xact_count,
        averages.query_count,
        averages.bytes_received,
        averages.bytes_sent,
        averages.xact_time,
        averages.query_time,
        averages.wait_time
    );
}

}  // namespace pgweir::admin
