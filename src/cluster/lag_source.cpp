#include "cluster/lag_source.hpp"

#include "cluster/connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace pgweir::cluster {

namespace {

result<connection> as_prober(
    const cluster_settings& cluster, const node& server, const secret& password
) {
    return connection::open(
        {server.host,
         server.port,
         cluster.prober.name,
         "postgres",
         password,
         connection_kind::ordinary,
         seconds(3)}
    );
}

/// A number of bytes or microseconds. The insert position of one server can be behind what
/// another has just said: a negative difference is none.
std::optional<std::uint64_t> number(const std::optional<std::string>& text) {
    if (!text) {
        return std::nullopt;
    }
    std::int64_t value = 0;
    std::from_chars(text->data(), text->data() + text->size(), value);
    return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

std::optional<microseconds> time_of(const std::optional<std::string>& text) {
    const auto value = number(text);
    return value ? std::optional(microseconds(*value)) : std::nullopt;
}

std::string text_of(const std::optional<std::string>& text) {
    return text.value_or("");
}

lag_figures& of_name(std::vector<lag_figures>& all, const std::string& name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const lag_figures& each) {
        return each.standby == name;
    });
    if (found != all.end()) {
        return *found;
    }
    all.emplace_back().standby = name;
    return all.back();
}

constexpr const char* standby_query =
    "SELECT (pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()))::bigint, "
    "(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1e6)::bigint, "
    "pg_is_in_recovery(), (SELECT status FROM pg_stat_wal_receiver)";

/// True if it answered as a standby.
result<void> fill_from_standby(lag_figures& into, connection& standby) {
    const auto rows = standby.query(standby_query);
    if (!rows || rows->empty()) {
        return failure{rows ? "it says nothing" : rows.error().message};
    }
    const sql_row& row = rows->front();
    if (row[2] != "t") {
        return failure{"it is not in recovery: it is no standby"};
    }
    into.unreplayed_bytes = number(row[0]);
    into.since_last_replayed = time_of(row[1]);
    if (into.state.empty() && row[3]) {
        into.state = *row[3];
    }
    return {};
}

}  // namespace

result<std::vector<lag_figures>> ask_lag(
    const cluster_settings& cluster, const secret& prober_password
) {
    auto primary = as_prober(cluster, cluster.primary, prober_password);
    if (!primary) {
        return primary.error();
    }
    const auto rows = primary->query(
        "SELECT application_name, state, sync_state, pending_bytes::bigint, "
        "write_lag_bytes::bigint, flush_lag_bytes::bigint, replay_lag_bytes::bigint, "
        "(extract(epoch FROM write_lag) * 1e6)::bigint, "
        "(extract(epoch FROM flush_lag) * 1e6)::bigint, "
        "(extract(epoch FROM replay_lag) * 1e6)::bigint "
        "FROM public.pg_replication_status() WHERE state <> 'backup'"
    );
    if (!rows) {
        return failure{rows.error().message};
    }
    std::vector<lag_figures> all;
    for (const node& standby : cluster.standbys) {
        all.emplace_back().standby = standby.name;
    }
    for (const sql_row& row : *rows) {
        lag_figures& figures = of_name(all, text_of(row[0]));
        figures.state = text_of(row[1]);
        figures.sync_state = text_of(row[2]);
        figures.pending_bytes = number(row[3]);
        figures.write_bytes = number(row[4]);
        figures.flush_bytes = number(row[5]);
        figures.replay_bytes = number(row[6]);
        figures.write_time = time_of(row[7]);
        figures.flush_time = time_of(row[8]);
        figures.replay_time = time_of(row[9]);
    }
    for (const node& each : cluster.standbys) {
        lag_figures& figures = of_name(all, each.name);
        if (figures.state.empty()) {
            continue;
        }
        if (auto standby = as_prober(cluster, each, prober_password)) {
            // One that refuses to tell is judged by what the primary knows.
            static_cast<void>(fill_from_standby(figures, *standby));
        }
    }
    return all;
}

result<lag_figures> ask_standby_lag(
    const cluster_settings& cluster, const node& standby, const secret& prober_password
) {
    auto opened = as_prober(cluster, standby, prober_password);
    if (!opened) {
        return opened.error();
    }
    lag_figures figures;
    figures.standby = standby.name;
    if (const auto filled = fill_from_standby(figures, *opened); !filled) {
        return filled.error();
    }
    figures.replay_bytes = figures.unreplayed_bytes;
    return figures;
}

}  // namespace pgweir::cluster
