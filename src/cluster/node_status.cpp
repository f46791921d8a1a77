#include "cluster/node_status.hpp"

#include "cluster/connection.hpp"
#include "cluster/data_directory.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace pgweir::cluster {

namespace {

std::string_view to_string(run_state state) noexcept {
    switch (state) {
        case run_state::running:
            return "running";
        case run_state::silent:
            return "no answer";
        case run_state::stopped:
            return "stopped";
        case run_state::not_created:
            return "not created";
    }
    return "";
}

std::string text_or(const std::optional<std::string>& value, const char* otherwise) {
    return value ? *value : otherwise;
}

/// The first row of a query, or nothing.
std::optional<sql_row> row_of(connection& server, const std::string& statement) {
    auto rows = server.query(statement);
    if (!rows || rows->empty()) {
        return std::nullopt;
    }
    return rows->front();
}

// A WAL segment's name begins with the timeline. pg_control_checkpoint() would be stale for seconds
// after a promotion.
void fill_primary(node_status& status, connection& server, const cluster_settings& cluster) {
    const auto row = row_of(
        server,
        "SELECT substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8), "
        "(SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming')"
    );
    if (!row) {
        return;
    }
    status.timeline = static_cast<unsigned>(std::stoul(text_or((*row)[0], "0"), nullptr, 16));
    status.replication = fmt::format(
        "{} of {} standby{} stream{}",
        text_or((*row)[1], "?"),
        cluster.standbys.size(),
        cluster.standbys.size() == 1 ? "" : "s",
        cluster.standbys.size() == 1 ? "s" : ""
    );
    status.healthy = true;
}

void fill_standby(node_status& status, connection& server) {
    const auto row = row_of(
        server,
        "SELECT r.status, r.received_tli, r.sender_host, r.sender_port, "
        "pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), "
        "round(extract(epoch FROM now() - pg_last_xact_replay_timestamp())::numeric, 1) "
        "FROM (SELECT 1) one LEFT JOIN pg_stat_wal_receiver r ON true"
    );
    if (!row) {
        return;
    }
    if ((*row)[1]) {
        status.timeline = static_cast<unsigned>(std::stoul(*(*row)[1]));
    }
    status.healthy = (*row)[0] == "streaming";
    status.replication =
        (*row)[0]
            ? fmt::format(
                  "{} from {}:{}", *(*row)[0], text_or((*row)[2], "?"), text_or((*row)[3], "?")
              )
            : "no WAL receiver";
    // Time since the last replayed transaction is lag only while something waits to be replayed.
    const std::string bytes = text_or((*row)[4], "?");
    status.lag =
        bytes == "0" ? "0 bytes" : fmt::format("{} bytes, {} s", bytes, text_or((*row)[5], "?"));
}

void fill_from_server(node_status& status, connection& server, const cluster_settings& cluster) {
    const auto recovery = server.value("SELECT pg_is_in_recovery()");
    if (!recovery || !*recovery) {
        status.note = recovery ? "it does not say its role" : recovery.error().message;
        return;
    }
    status.state = run_state::running;
    status.role = **recovery == "t" ? server_role::standby : server_role::primary;
    if (*status.role == server_role::primary) {
        fill_primary(status, server, cluster);
    } else {
        fill_standby(status, server);
    }
}

}  // namespace

node_status ask_node(
    const cluster_settings& cluster,
    const node& server,
    const std::optional<secret>& prober_password
) {
    node_status status;
    status.name = server.name;
    status.host = server.host;
    status.port = server.port;
    status.expected_role = server.role;
    const bool here = is_data_directory(server.data);
    const bool lives = here && server_runs(server.data);
    status.state = lives ? run_state::silent : here ? run_state::stopped : run_state::not_created;
    if (!prober_password || (here && !lives)) {
        return status;
    }
    auto opened = connection::open(
        {server.host,
         server.port,
         cluster.prober.name,
         "postgres",
         *prober_password,
         connection_kind::ordinary}
    );
    if (opened) {
        fill_from_server(status, *opened, cluster);
    } else {
        status.note = opened.error().message;
    }
    return status;
}

std::vector<std::string> primaries_among(const std::vector<node_status>& nodes) {
    std::vector<std::string> names;
    for (const node_status& each : nodes) {
        if (each.role == server_role::primary) {
            names.push_back(each.name);
        }
    }
    return names;
}

std::string draw_status(const std::vector<node_status>& nodes) {
    constexpr std::string_view line = "{:<12} {:<11} {:<8} {:<21} {:<8} {:<34} {}\n";
    std::string table = fmt::format(
        fmt::runtime(line), "server", "state", "role", "address", "timeline", "replication", "lag"
    );
    std::string notes;
    for (const node_status& each : nodes) {
        table += fmt::format(
            fmt::runtime(line),
            each.name,
            to_string(each.state),
            each.role ? cluster::to_string(*each.role) : "-",
            fmt::format("{}:{}", each.host, each.port),
            each.timeline ? std::to_string(*each.timeline) : "-",
            each.replication.empty() ? "-" : each.replication,
            each.lag.empty() ? "-" : each.lag
        );
        if (each.role && *each.role != each.expected_role) {
            notes += fmt::format(
                "{}: is a {}, but cluster.ini says {}\n",
                each.name,
                cluster::to_string(*each.role),
                cluster::to_string(each.expected_role)
            );
        }
        if (!each.note.empty()) {
            notes += fmt::format("{}: {}\n", each.name, each.note);
        }
    }
    if (const auto primaries = primaries_among(nodes); primaries.size() > 1) {
        notes += fmt::format(
            "{} are primaries at the same time, and each takes writes that the others lack: "
            "pgweirctl stop the one that applications do not use, then pgweirctl rejoin it\n",
            fmt::join(primaries, " and ")
        );
    }
    return table + notes;
}

}  // namespace pgweir::cluster
