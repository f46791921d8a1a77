#include "cluster/checks.hpp"

#include <fmt/format.h>

#include <utility>

namespace pgweir::cluster {

namespace {

const char* const see_log = "read the server's log (pgweirctl status names its folder)";

/// The same look at each of the servers.
template <typename Look>
std::vector<sight> each_of(const std::vector<node>& servers, Look&& look) {
    std::vector<sight> all;
    for (const node& server : servers) {
        all.emplace_back(look(server));
    }
    return all;
}

std::vector<sight> slots_on(
    const cluster_settings& cluster, const std::vector<node>& standbys, const char* column
) {
    return each_of(standbys, [&](const node& standby) {
        return look::server_value{
            cluster.primary,
            fmt::format(
                "SELECT {} FROM pg_replication_slots WHERE slot_name = '{}'", column, standby.slot
            ),
            "t"};
    });
}

check rows_check(const char* name, const row_exercise& rows) {
    return {
        name,
        "replication does not bring it: see the checks above, then the standby's log",
        {look::rows_arrive{rows}},
        seconds(0),
        check_effort::exercise};
}

/// With sync = on, streaming is not enough: a primary that is just being set up or has lost its
/// last standby waits for nobody, and is to be told when one is there.
void add_waiting(check& streaming, const node& primary) {
    streaming.what.emplace_back(look::server_value{
        primary,
        "SELECT CASE current_setting('synchronous_standby_names') WHEN '' THEN 'commits that wait "
        "for nobody' ELSE 'commits that wait' END",
        "commits that wait"});
    streaming.hint += "; sync = on: pgweirctl init has commits wait for those that stream";
}

void append(std::vector<check>& to, std::vector<check> more) {
    for (check& each : more) {
        to.push_back(std::move(each));
    }
}

}  // namespace

std::vector<check> primary_checks(const cluster_settings& cluster) {
    const node& primary = cluster.primary;
    return {
        {"primary: answers", see_log, {look::server_value{primary, "SELECT 1", "1"}}},
        {"primary: is not in recovery",
         "it was made from a standby's data, or was never promoted",
         {look::server_value{primary, "SELECT pg_is_in_recovery()", "f"}}},
        {"primary: wal_level is replica",
         "pgweirctl init sets it; look for another value in postgresql.conf or "
         "postgresql.auto.conf",
         {look::server_value{primary, "SHOW wal_level", "replica"}}},
        {fmt::format("primary: role {} replicates and can connect", cluster.replication.name),
         "see replication_networks and the password file in cluster.ini",
         {look::replication_login{}}},
        {"primary: each standby's slot exists",
         "pgweirctl init creates it",
         slots_on(cluster, cluster.standbys, "true")},
        {"primary: no FATAL or PANIC in the log since start", see_log, {look::clean_log{primary}}},
    };
}

std::vector<check> standby_checks(
    const cluster_settings& cluster, const std::vector<node>& standbys
) {
    const auto value = [&](const char* statement, const char* expected) {
        return each_of(standbys, [&](const node& standby) {
            return look::server_value{standby, statement, expected};
        });
    };
    return {
        {"standby: answers", see_log, value("SELECT 1", "1"), seconds(30)},
        {"standby: is in recovery",
         "it was promoted: pgweirctl rejoin makes it a standby again",
         value("SELECT pg_is_in_recovery()", "t")},
        {"standby: standby.signal exists",
         "without it the next start makes it a primary: pgweirctl rejoin",
         each_of(
             standbys,
             [](const node& standby) {
                 return look::data_file{standby, "standby.signal"};
             }
         )},
        {"standby: primary_conninfo is set",
         "it must carry the standby's name as application_name: pgweirctl rejoin writes it",
         each_of(
             standbys,
             [](const node& standby) {
                 return look::server_value{
                     standby,
                     fmt::format(
                         "SELECT setting ~ 'application_name=''?{}' FROM pg_settings "
                         "WHERE name = 'primary_conninfo'",
                         standby.name
                     ),
                     "t"};
             }
         )},
        {"standby: data directory is private",
         "chmod 0700",
         each_of(standbys, [](const node& standby) { return look::private_data{standby}; })},
        {"standby: WAL receiver streams",
         fmt::format(
             "does the primary answer at {}:{}? {}",
             cluster.primary.host,
             cluster.primary.port,
             see_log
         ),
         value("SELECT status FROM pg_stat_wal_receiver", "streaming"),
         seconds(30)},
        {"standby: a write is refused (25006)",
         "it is not a standby",
         each_of(
             standbys,
             [](const node& standby) {
                 return look::refused{standby, "CREATE TABLE public.pgweir_check (x int)", "25006"};
             }
         )},
        {"standby: no FATAL or PANIC in the log since start",
         see_log,
         each_of(standbys, [](const node& standby) { return look::clean_log{standby}; })},
    };
}

std::vector<check> replication_checks(
    const cluster_settings& cluster, const std::vector<node>& standbys
) {
    return {
        {"replication: the primary streams to each standby",
         "its application_name must be the standby's name",
         each_of(
             standbys,
             [&](const node& standby) {
                 return look::server_value{
                     cluster.primary,
                     fmt::format(
                         "SELECT state FROM pg_stat_replication WHERE application_name = '{}'",
                         standby.name
                     ),
                     "streaming"};
             }
         ),
         seconds(30)},
        {"replication: each slot is active",
         "another slot is in use, or none: see primary_slot_name",
         slots_on(cluster, standbys, "active"),
         seconds(30)},
        {"replication: the lag is under 1 s",
         "long queries on the standby hold replay up, or its disk or the network is too slow",
         {look::lag_below{{UINT64_MAX, seconds(1)}}},
         seconds(5)},
        rows_check("replication: an inserted row arrives", {1, 0}),
        rows_check("replication: 100 rows and an update of 101 arrive", {101, 101}),
        rows_check("replication: 1,000 inserts and 500 updates arrive", {1101, 500}),
        {"replication: all lags are within their thresholds",
         "pgweirctl lag shows where it comes from",
         {look::lag_below{lag_thresholds{}.warn}},
         seconds(5)},
    };
}

std::vector<check> pooler_checks(const cluster_settings& cluster) {
    const char* config = "see [databases] of pgweir.ini and the user list";
    std::vector<check> checks{
        {fmt::format("pooler: listens on {}", cluster.pooler.port),
         "is pgweir running? [pooler] in cluster.ini says where it is looked for",
         {look::pooler_listens{}}},
        {"pooler: a query is answered", config, {look::pooled_query{cluster.database, {}}}},
        {"pooler: 50 clients share the pool's servers",
         "pool_size holds for each pair of database and user; is pool_mode transaction?",
         {look::pool_is_bounded{}},
         seconds(0),
         check_effort::exercise},
        {"pooler: the reserve comes after its timeout, and only then",
         "reserve_pool_size and reserve_pool_timeout of pgweir.ini",
         {look::reserve_is_late{}},
         seconds(0),
         check_effort::exercise},
        {fmt::format("pooler: a read of {} goes to a standby", cluster.pooler.read_database),
         fmt::format(
             "pgweir.ini should include {}, which pgweirctl keeps up to date",
             cluster.pooler.databases_file.string()
         ),
         {look::pooled_query{cluster.pooler.read_database, server_role::standby}},
         seconds(5)},
        {"pooler: a write goes to the primary",
         fmt::format(
             "pgweir.ini should include {}, which pgweirctl keeps up to date",
             cluster.pooler.databases_file.string()
         ),
         {look::pooled_query{cluster.database, server_role::primary}}},
        {"pooler: the console answers",
         fmt::format("{} must be one of admin_users of pgweir.ini", cluster.console.name),
         {look::console_answers{}}},
    };
    for (check& each : checks) {
        each.applies = cluster.pooler.exists();
    }
    return checks;
}

std::vector<check> monitoring_checks() {
    return {
        {"monitoring: the lag check's verdicts are right",
         "pgweirctl lag must reach the primary as the prober",
         {look::verdicts_are_right{}},
         seconds(5)},
        {"monitoring: the dashboard draws",
         "pgweirctl dashboard must reach the servers as the prober",
         {look::dashboard_draws{}}},
    };
}

std::vector<check> checks_of_new_standby(const cluster_settings& cluster, const node& standby) {
    auto checks = standby_checks(cluster, {standby});
    auto replication = replication_checks(cluster, {standby});
    checks.push_back(std::move(replication[0]));
    checks.push_back(std::move(replication[1]));
    return checks;
}

std::vector<check> all_checks(const cluster_settings& cluster) {
    auto checks = primary_checks(cluster);
    append(checks, standby_checks(cluster, cluster.standbys));
    auto replication = replication_checks(cluster, cluster.standbys);
    if (cluster.synchronous) {
        add_waiting(replication.front(), cluster.primary);
    }
    append(checks, std::move(replication));
    append(checks, pooler_checks(cluster));
    append(checks, monitoring_checks());
    return checks;
}

}  // namespace pgweir::cluster
