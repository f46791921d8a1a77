#include "cluster/lag.hpp"

#include "cluster/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace pgweir::cluster {

namespace {

/// "5s", "500ms", "2min".
std::optional<microseconds> parse_time(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    static const std::map<std::string_view, microseconds> units{
        {"ms", milliseconds(1)}, {"s", seconds(1)}, {"min", seconds(60)}};
    const auto found = units.find(unit);
    if (error != std::errc{} || found == units.end()) {
        return std::nullopt;
    }
    return number * found->second;
}

bool reaches(const lag_figures& of, const lag_limits& limits) {
    const auto time = lag_time(of);
    return (of.replay_bytes && *of.replay_bytes >= limits.bytes) || (time && *time >= limits.time);
}

std::string perf_bytes(const std::optional<std::uint64_t>& bytes) {
    return bytes ? fmt::format("{}B", *bytes) : "U";
}

std::string perf_time(const std::optional<microseconds>& time) {
    return time ? fmt::format("{:.6f}s", std::chrono::duration<double>(*time).count()) : "0s";
}

std::string perf_limit(const lag_limits& limits) {
    return fmt::format("{:.3f}", std::chrono::duration<double>(limits.time).count());
}

std::string short_text(const lag_figures& of) {
    if (of.state.empty()) {
        return of.standby + " is not connected";
    }
    return fmt::format(
        "{} {}{}, {} behind",
        of.standby,
        of.state == "streaming" ? "" : of.state + ", ",
        readable_bytes(of.replay_bytes),
        readable_time(lag_time(of).value_or(microseconds(0)))
    );
}

}  // namespace

std::string_view to_string(lag_level level) noexcept {
    switch (level) {
        case lag_level::ok:
            return "OK";
        case lag_level::warning:
            return "WARNING";
        case lag_level::critical:
            return "CRITICAL";
        case lag_level::unknown:
            return "UNKNOWN";
    }
    return "";
}

result<lag_limits> parse_limits(std::string_view text, lag_limits otherwise) {
    lag_limits limits = otherwise;
    for (std::string_view rest = text; !rest.empty();) {
        const auto word = rest.substr(0, rest.find(','));
        rest.remove_prefix(std::min(rest.size(), word.size() + 1));
        const auto bytes = parse_bytes(word);
        const auto time = parse_time(word);
        if (time) {
            limits.time = *time;
        } else if (bytes) {
            limits.bytes = *bytes;
        } else {
            return failure{
                fmt::format("\"{}\": expected an amount, a time, or both, such as 10MB,5s", text)};
        }
    }
    return limits;
}

std::optional<microseconds> lag_time(const lag_figures& of) {
    std::optional<microseconds> time = of.replay_time;
    if (of.since_last_replayed && of.unreplayed_bytes && *of.unreplayed_bytes > 0) {
        time = std::max(time.value_or(microseconds(0)), *of.since_last_replayed);
    }
    return time;
}

lag_level judge(const lag_figures& of, const lag_thresholds& limits) {
    if (of.state.empty()) {
        return lag_level::critical;
    }
    if (!of.replay_bytes) {
        return lag_level::unknown;
    }
    if (reaches(of, limits.critical)) {
        return lag_level::critical;
    }
    return reaches(of, limits.warn) ? lag_level::warning : lag_level::ok;
}

lag_level judge(const std::vector<lag_figures>& all, const lag_thresholds& limits) {
    if (all.empty()) {
        return lag_level::unknown;
    }
    // Critical is worse than unknown: somebody has to come in either case, and knows why.
    static constexpr std::array<int, 4> gravity{0, 1, 3, 2};
    lag_level worst = lag_level::ok;
    for (const lag_figures& each : all) {
        const lag_level level = judge(each, limits);
        if (gravity[static_cast<std::size_t>(level)] > gravity[static_cast<std::size_t>(worst)]) {
            worst = level;
        }
    }
    return worst;
}

std::string lag_line(const std::vector<lag_figures>& all, const lag_thresholds& limits) {
    std::string texts;
    std::string figures;
    for (const lag_figures& each : all) {
        texts += (texts.empty() ? "" : "; ") + short_text(each);
        const auto add = [&](const char* name, const std::string& value, const std::string& edge) {
            figures += fmt::format(" {}_{}={}{}", each.standby, name, value, edge);
        };
        add("pending", perf_bytes(each.pending_bytes), "");
        add("write", perf_bytes(each.write_bytes), "");
        add("flush", perf_bytes(each.flush_bytes), "");
        add("replay",
            perf_bytes(each.replay_bytes),
            fmt::format(";{};{}", limits.warn.bytes, limits.critical.bytes));
        add("write_time", perf_time(each.write_time), "");
        add("flush_time", perf_time(each.flush_time), "");
        add("replay_time",
            perf_time(lag_time(each)),
            fmt::format(";{};{}", perf_limit(limits.warn), perf_limit(limits.critical)));
    }
    return fmt::format(
        "LAG {} - {} |{}",
        to_string(judge(all, limits)),
        texts.empty() ? "there is no standby" : texts,
        figures
    );
}

std::string lag_table(const std::vector<lag_figures>& all, const lag_thresholds& limits) {
    constexpr std::string_view row =
        "{:<12} {:<10} {:<7} {:>10} {:>10} {:>10} {:>10} {:>9} {:>9} {:>9} {:>11} {:>9}  {}\n";
    std::string table = fmt::format(
        fmt::runtime(row),
        "standby",
        "state",
        "sync",
        "pending",
        "write",
        "flush",
        "replay",
        "write",
        "flush",
        "replay",
        "unreplayed",
        "last",
        "verdict"
    );
    for (const lag_figures& each : all) {
        table += fmt::format(
            fmt::runtime(row),
            each.standby,
            each.state.empty() ? "absent" : each.state,
            each.sync_state.empty() ? "-" : each.sync_state,
            readable_bytes(each.pending_bytes),
            readable_bytes(each.write_bytes),
            readable_bytes(each.flush_bytes),
            readable_bytes(each.replay_bytes),
            readable_time(each.write_time),
            readable_time(each.flush_time),
            readable_time(each.replay_time),
            readable_bytes(each.unreplayed_bytes),
            readable_time(each.since_last_replayed),
            to_string(judge(each, limits))
        );
    }
    return table;
}

std::string readable_bytes(std::optional<std::uint64_t> bytes) {
    if (!bytes) {
        return "-";
    }
    static constexpr std::array units{"kB", "MB", "GB", "TB"};
    if (*bytes < 1024) {
        return fmt::format("{} B", *bytes);
    }
    double amount = static_cast<double>(*bytes) / 1024;
    std::size_t unit = 0;
    for (; amount >= 1024 && unit + 1 < units.size(); ++unit) {
        amount /= 1024;
    }
    return fmt::format("{:.1f} {}", amount, units[unit]);
}

std::string readable_time(std::optional<microseconds> time) {
    if (!time) {
        return "-";
    }
    const double millis = static_cast<double>(time->count()) / 1000;
    if (millis < 1000) {
        return fmt::format("{:.{}f} ms", millis, millis > 0 && millis < 10 ? 2 : 0);
    }
    return millis < 120000 ? fmt::format("{:.1f} s", millis / 1000)
                           : fmt::format("{:.0f} min", millis / 60000);
}

}  // namespace pgweir::cluster
