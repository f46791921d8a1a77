#include "cluster/dashboard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace pgweir::cluster {

namespace {

/// One value every five seconds: ten minutes.
constexpr std::size_t history_length = 120;

enum class mood { plain, title, good, warning, bad };

std::string_view sequence_of(mood value) noexcept {
    switch (value) {
        case mood::plain:
            return "";
        case mood::title:
            return "\x1b[1m";
        case mood::good:
            return "\x1b[32m";
        case mood::warning:
            return "\x1b[33m";
        case mood::bad:
            return "\x1b[31m";
    }
    return "";
}

/// Bytes of UTF-8 that begin a character: all of ours are one column wide.
bool begins_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
}

std::size_t width_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string cut(std::string_view text, std::size_t columns) {
    std::size_t width = 0;
    std::size_t end = 0;
    while (end < text.size() && (!begins_character(text[end]) || width < columns)) {
        width += begins_character(text[end]) ? 1 : 0;
        ++end;
    }
    return std::string(text.substr(0, end));
}

/// Builds lines; colour never counts as width.
class canvas {
public:
    explicit canvas(const drawing& how) : how_(how) {}

    canvas& put(std::string_view text, mood value = mood::plain) {
        const std::size_t left = how_.columns - std::min(how_.columns, width_);
        const std::string fitting = cut(text, left);
        width_ += width_of(fitting);
        const auto sequence = how_.colours ? sequence_of(value) : std::string_view{};
        line_ += sequence;
        line_ += fitting;
        line_ += sequence.empty() ? "" : "\x1b[0m";
        return *this;
    }

    void end_line() {
        if (lines_ < how_.rows) {
            text_ += line_ + "\n";
            ++lines_;
        }
        line_.clear();
        width_ = 0;
    }

    std::string take() { return std::move(text_); }

private:
    const drawing& how_;
    std::string text_;
    std::string line_;
    std::size_t width_ = 0;
    std::size_t lines_ = 0;
};

mood mood_of(lag_level level) {
    switch (level) {
        case lag_level::ok:
            return mood::good;
        case lag_level::warning:
            return mood::warning;
        case lag_level::critical:
        case lag_level::unknown:
            return mood::bad;
    }
    return mood::bad;
}

/// How full something is: green, yellow from 75 %, red from 90 %.
mood mood_of_share(std::uint64_t used, std::uint64_t all) {
    if (used * 10 >= all * 9) {
        return mood::bad;
    }
    return used * 4 >= all * 3 ? mood::warning : mood::good;
}

void draw_connections(canvas& on, const std::optional<server_load>& load) {
    if (!load) {
        on.put("connections -");
        return;
    }
    on.put(
        fmt::format("{} of {} connections", load->connections, load->max_connections),
        mood_of_share(load->connections, load->max_connections)
    );
}

void draw_server(canvas& on, const dashboard_server& server) {
    const node_status& status = server.status;
    const bool is_primary = status.role == server_role::primary;
    on.put(fmt::format("  {:<12} ", status.name));
    on.put(
        fmt::format("{:<10} ", status.state == run_state::running ? "up" : "down"),
        status.healthy ? mood::good : mood::bad
    );
    on.put(fmt::format(
        "{:<11} {:<21} ",
        !status.role ? "-"
        : is_primary ? "read-write"
                     : "read-only",
        fmt::format("{}:{}", status.host, status.port)
    ));
    draw_connections(on, server.load);
    on.end_line();
}

void draw_servers(canvas& on, const dashboard_view& view, server_role role) {
    on.put(role == server_role::primary ? "PRIMARY" : "STANDBY", mood::title).end_line();
    for (const dashboard_server& each : view.servers) {
        if (each.status.role.value_or(each.status.expected_role) == role) {
            draw_server(on, each);
        }
    }
}

void draw_lag(canvas& on, const dashboard_view& view, const lag_thresholds& limits) {
    on.put("REPLICATION", mood::title).end_line();
    if (view.lag_problem) {
        on.put("  " + *view.lag_problem, mood::bad).end_line();
    }
    for (const lag_figures& each : view.lag) {
        on.put(fmt::format("  {:<12} ", each.standby));
        on.put(
            fmt::format("{:<10} ", each.state.empty() ? "absent" : each.state),
            mood_of(judge(each, limits))
        );
        on.put(fmt::format(
            "behind {} / {}   pending {}  write {}  flush {}",
            readable_bytes(each.replay_bytes),
            readable_time(lag_time(each).value_or(microseconds(0))),
            readable_bytes(each.pending_bytes),
            readable_bytes(each.write_bytes),
            readable_bytes(each.flush_bytes)
        ));
        on.end_line();
    }
}

void draw_pooler(canvas& on, const dashboard_view& view) {
    on.put("POOLER", mood::title).end_line();
    if (!view.has_pooler) {
        on.put("  none in cluster.ini").end_line();
        return;
    }
    on.put(fmt::format("  {:<12} ", "pgweir"));
    if (!view.pooler) {
        on.put("down       ", mood::bad).put(view.pooler_problem).end_line();
        return;
    }
    on.put("up         ", mood::good);
    on.put(fmt::format("{:<11} {:<21} ", "", view.pooler_address));
    on.put(fmt::format("{} clients, ", view.pooler->clients));
    on.put(
        fmt::format("{} waiting", view.pooler->waiting),
        view.pooler->waiting == 0 ? mood::plain : mood::warning
    );
    on.put(fmt::format(", {} servers", view.pooler->servers)).end_line();
}

void draw_system(canvas& on, const system_summary& system) {
    on.put("SYSTEM", mood::title).end_line();
    on.put(fmt::format("  load {:.2f}   memory ", system.load_average));
    const auto memory_used =
        system.memory_bytes - std::min(system.memory_bytes, system.memory_free_bytes);
    on.put(
        fmt::format("{} of {}", readable_bytes(memory_used), readable_bytes(system.memory_bytes)),
        mood_of_share(memory_used, system.memory_bytes)
    );
    const auto disk_used = system.disk_bytes - std::min(system.disk_bytes, system.disk_free_bytes);
    on.put("   disk ")
        .put(
            fmt::format("{} of {}", readable_bytes(disk_used), readable_bytes(system.disk_bytes)),
            mood_of_share(disk_used, system.disk_bytes)
        );
    on.end_line();
}

void draw_history(canvas& on, const dashboard_history& history, std::size_t columns) {
    const std::size_t width = columns > 44 ? columns - 40 : 4;
    const auto draw = [&](const char* name, const std::deque<double>& values, auto&& readable) {
        on.put(fmt::format("  {:<12} ", name)).put(sparkline(values, width), mood::good);
        on.put(values.empty() ? std::string("  -") : "  " + readable(values.back())).end_line();
    };
    on.put("HISTORY", mood::title).end_line();
    draw("lag", history.lag_bytes(), [](double value) {
        return readable_bytes(static_cast<std::uint64_t>(value));
    });
    draw("throughput", history.transactions_per_second(), [](double value) {
        return fmt::format("{:.1f} transactions/s", value);
    });
}

void push(std::deque<double>& values, double value) {
    values.push_back(value);
    if (values.size() > history_length) {
        values.pop_front();
    }
}

}  // namespace

void dashboard_history::add(const dashboard_view& view, steady_time at) {
    std::uint64_t worst = 0;
    for (const lag_figures& each : view.lag) {
        worst = std::max(worst, each.replay_bytes.value_or(0));
    }
    push(lag_bytes_, static_cast<double>(worst));
    std::optional<std::uint64_t> transactions;
    for (const dashboard_server& each : view.servers) {
        if (each.load && each.status.role == server_role::primary) {
            transactions = each.load->transactions;
        }
    }
    if (transactions && last_transactions_ && *transactions >= *last_transactions_) {
        const double seconds_passed = std::chrono::duration<double>(at - last_at_).count();
        if (seconds_passed > 0) {
            const auto done = static_cast<double>(*transactions - *last_transactions_);
            push(throughput_, done / seconds_passed);
        }
    }
    last_transactions_ = transactions;
    last_at_ = at;
}

std::string sparkline(const std::deque<double>& values, std::size_t width) {
    static constexpr std::array<std::string_view, 8> bars{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const std::size_t count = std::min(width, values.size());
    const auto first = values.end() - static_cast<std::ptrdiff_t>(count);
    const double top = count == 0 ? 0 : *std::max_element(first, values.end());
    std::string line;
    for (auto each = first; each != values.end(); ++each) {
        const double share = top > 0 ? *each / top : 0;
        line += bars[static_cast<std::size_t>(share * (bars.size() - 1) + 0.5)];
    }
    for (std::size_t i = count; i < width; ++i) {
        line += ' ';
    }
    return line;
}

std::string draw_dashboard(
    const dashboard_view& view,
    const dashboard_history& history,
    const lag_thresholds& limits,
    const drawing& how
) {
    canvas on(how);
    on.put(fmt::format("pgweir cluster {}   {}", view.cluster, view.clock), mood::title).end_line();
    on.end_line();
    draw_servers(on, view, server_role::primary);
    draw_servers(on, view, server_role::standby);
    draw_lag(on, view, limits);
    draw_pooler(on, view);
    draw_system(on, view.system);
    draw_history(on, history, how.columns);
    return on.take();
}

}  // namespace pgweir::cluster
