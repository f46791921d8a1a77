#include "cluster/checks.hpp"

#include "cluster/dashboard.hpp"
#include "cluster/dashboard_source.hpp"
#include "cluster/data_directory.hpp"
#include "cluster/files.hpp"
#include "cluster/lag_source.hpp"
#include "cluster/pooler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace pgweir::cluster {

namespace {

using problem = std::optional<std::string>;

/// Compares one value of a server with what was expected.
problem compare(
    result<connection>& server, const std::string& statement, const std::string& expected
) {
    if (!server) {
        return server.error().message;
    }
    const auto found = server->value(statement);
    if (!found) {
        return found.error().message;
    }
    if (!*found) {
        return fmt::format("found nothing, expected {}", expected);
    }
    return **found == expected
               ? std::nullopt
               : std::optional(fmt::format("found {}, expected {}", **found, expected));
}

/// Which server's name stands before a problem.
std::string subject_of(const sight& what) {
    return std::visit(
        [](const auto& each) -> std::string {
            if constexpr (requires { each.server; }) {
                return each.server.name + ": ";
            }
            return {};
        },
        what
    );
}

/// Limits one below, at and one above the figures must give what they say.
problem verdict_problem(const lag_figures& figures) {
    if (!figures.replay_bytes) {
        return figures.standby + ": its lag is unknown";
    }
    const std::uint64_t bytes = *figures.replay_bytes;
    const microseconds never = std::chrono::hours(10000);
    const auto verdict = [&](std::uint64_t warn, std::uint64_t critical) {
        return judge(figures, {{warn, never}, {critical, never}});
    };
    const bool right = verdict(bytes + 1, bytes + 2) == lag_level::ok &&
                       verdict(bytes, bytes + 1) == lag_level::warning &&
                       verdict(bytes == 0 ? 0 : bytes - 1, bytes) == lag_level::critical &&
                       figures.state == "streaming";
    return right ? std::nullopt
                 : std::optional(fmt::format(
                       "{}: {} at {} bytes behind is judged wrongly, or does not stream",
                       figures.standby,
                       figures.state.empty() ? "absent" : figures.state,
                       bytes
                   ));
}

}  // namespace

problem checker::problem_of(const check& each) const {
    const auto limit = std::chrono::steady_clock::now() + each.patience;
    for (;;) {
        auto found = problem_now(each);
        if (!found || std::chrono::steady_clock::now() >= limit) {
            return found;
        }
        std::this_thread::sleep_for(milliseconds(200));
    }
}

problem checker::problem_now(const check& each) const {
    problem all;
    for (const sight& what : each.what) {
        const auto found = std::visit([this](const auto& one) { return see(one); }, what);
        if (found) {
            all = (all ? *all + "\n" : "") + subject_of(what) + *found;
        }
    }
    return all;
}

result<connection> checker::connect(const node& server) const {
    if (is_data_directory(server.data)) {
        return machine_.connect_locally(server, "postgres");
    }
    return connection::open(
        {server.host,
         server.port,
         cluster_.prober.name,
         "postgres",
         secrets_.prober,
         connection_kind::ordinary}
    );
}

problem checker::see(const look::server_value& what) const {
    auto server = connect(what.server);
    return compare(server, what.statement, what.expected);
}

problem checker::see(const look::refused& what) const {
    auto server = connect(what.server);
    if (!server) {
        return server.error().message;
    }
    if (const auto begun = server->query("BEGIN"); !begun) {
        return begun.error().message;
    }
    const auto answer = server->query(what.statement);
    if (answer) {
        return "it was accepted";
    }
    if (answer.error().sqlstate != what.sqlstate) {
        return fmt::format("refused with {}: {}", answer.error().sqlstate, answer.error().message);
    }
    return std::nullopt;
}

problem checker::see(const look::replication_login&) const {
    auto server = connection::open(
        {cluster_.primary.host,
         cluster_.primary.port,
         cluster_.replication.name,
         "postgres",
         secrets_.replication,
         connection_kind::replication}
    );
    if (!server) {
        return server.error().message;
    }
    const auto answer = server->value("IDENTIFY_SYSTEM");
    return answer ? std::nullopt : std::optional(answer.error().message);
}

// What is on another machine is for the pgweirctl there to look at.

problem checker::see(const look::data_file& what) const {
    if (!is_data_directory(what.server.data)) {
        return std::nullopt;
    }
    std::error_code error;
    const auto path = what.server.data / what.name;
    return std::filesystem::exists(path, error) ? std::nullopt
                                                : std::optional(path.string() + " does not exist");
}

problem checker::see(const look::private_data& what) const {
    if (!is_data_directory(what.server.data)) {
        return std::nullopt;
    }
    const unsigned mode = mode_of(what.server.data);
    return mode == 0700 || mode == 0750
               ? std::nullopt
               : std::optional(
                     fmt::format("the mode of {} is {:04o}", what.server.data.string(), mode)
                 );
}

problem checker::see(const look::clean_log& what) const {
    const auto path = cluster_.log_of(what.server);
    const auto text = read_text(path);
    if (!text) {
        return text.error().message;
    }
    if (!*text) {
        return std::nullopt;  // started by other means, which log elsewhere
    }
    const auto bad = bad_log_lines(log_since_start(**text));
    return bad.empty() ? std::nullopt
                       : std::optional(fmt::format("{} has\n{}", path.string(), bad));
}

problem checker::see(const look::lag_below& what) const {
    const auto all = ask_lag(cluster_, secrets_.prober);
    if (!all) {
        return all.error().message;
    }
    const lag_thresholds limits{what.limits, what.limits};
    problem late;
    for (const lag_figures& each : *all) {
        if (cluster_.find(each.standby) != nullptr && judge(each, limits) != lag_level::ok) {
            late = (late ? *late + "\n" : "") + lag_line({each}, limits);
        }
    }
    return late;
}

problem checker::see(const look::rows_arrive& what) const {
    return exercise_rows(cluster_, secrets_, what.rows);
}

problem checker::see(const look::pooler_listens&) const {
    // Anything that speaks the protocol at all: a refusal is an answer too.
    auto opened = connect_through_pooler(cluster_, secrets_.application, cluster_.database);
    if (opened || opened.error().message.find("FATAL") != std::string::npos ||
        opened.error().message.find("ERROR") != std::string::npos) {
        return std::nullopt;
    }
    return opened.error().message;
}

problem checker::see(const look::pooled_query& what) const {
    auto opened = connect_through_pooler(cluster_, secrets_.application, what.database);
    if (!what.ends_at) {
        return compare(opened, "SELECT 1", "1");
    }
    return compare(
        opened, "SELECT pg_is_in_recovery()", *what.ends_at == server_role::standby ? "t" : "f"
    );
}

problem checker::see(const look::console_answers&) const {
    auto console = pooler_console::open(cluster_, secrets_.console);
    const auto sums = console ? console->sums() : console.error();
    return sums ? std::nullopt : std::optional(sums.error().message);
}

problem checker::see(const look::pool_is_bounded&) const {
    return exercise_pool(cluster_, secrets_);
}

problem checker::see(const look::reserve_is_late&) const {
    return exercise_reserve(cluster_, secrets_);
}

problem checker::see(const look::verdicts_are_right&) const {
    const auto all = ask_lag(cluster_, secrets_.prober);
    if (!all) {
        return all.error().message;
    }
    for (const lag_figures& each : *all) {
        if (auto found = verdict_problem(each)) {
            return found;
        }
    }
    return all->empty() ? std::optional<std::string>("there is no standby") : std::nullopt;
}

problem checker::see(const look::dashboard_draws&) const {
    const auto view = look_around(cluster_, secrets_);
    const auto picture = draw_dashboard(view, {}, {}, {200, 200, false});
    for (const node* server : cluster_.nodes()) {
        const bool shown = std::any_of(
            view.servers.begin(),
            view.servers.end(),
            [&](const dashboard_server& each) {
                return each.status.name == server->name && each.load.has_value();
            }
        );
        if (!shown || picture.find(server->name) == std::string::npos) {
            return fmt::format("{} is not in it, or without its connections", server->name);
        }
    }
    return std::nullopt;
}

}  // namespace pgweir::cluster
