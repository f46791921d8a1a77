#include "cluster/checks.hpp"

#include "cluster/data_directory.hpp"
#include "cluster/files.hpp"

#include <fmt/format.h>

#include <chrono>
#include <thread>

namespace pgweir::cluster {

namespace {

/// Compares one value of a server with what was expected.
std::optional<std::string> compare(
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

const char* const see_log = "read the server's log (pgweirctl status names its folder)";

}  // namespace

std::vector<check> primary_checks(const cluster_settings& cluster) {
    const node& primary = cluster.primary;
    std::vector<check> checks{
        {"primary answers", see_log, look::local_value{primary, "SELECT 1", "1"}},
        {"primary is not in recovery",
         "it was made from a standby's data, or was never promoted",
         look::local_value{primary, "SELECT pg_is_in_recovery()", "f"}},
        {"primary: wal_level is replica",
         "pgweirctl init sets it; look for another value in "
         "postgresql.conf or postgresql.auto.conf",
         look::local_value{primary, "SHOW wal_level", "replica"}},
        {fmt::format("primary: role {} replicates and can connect", cluster.replication.name),
         "see replication_networks and the password file in cluster.ini",
         look::replication_login{}},
    };
    for (const node& standby : cluster.standbys) {
        checks.push_back(
            {fmt::format("primary: slot {} exists", standby.slot),
             "pgweirctl init creates it",
             look::local_value{
                 primary,
                 fmt::format(
                     "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{}'",
                     standby.slot
                 ),
                 "1"}}
        );
    }
    checks.push_back(
        {"primary: no FATAL or PANIC in the log since start", see_log, look::clean_log{primary}}
    );
    return checks;
}

std::vector<check> standby_checks(const cluster_settings& cluster, const node& standby) {
    const auto name = [&](const char* what) { return fmt::format("{}: {}", standby.name, what); };
    return {
        {name("answers"), see_log, look::local_value{standby, "SELECT 1", "1"}, seconds(30)},
        {name("is in recovery"),
         "it was promoted: pgweirctl add-standby makes a new copy",
         look::local_value{standby, "SELECT pg_is_in_recovery()", "t"}},
        {name("standby.signal exists"),
         "without it the next start makes it a primary",
         look::file_exists{standby.data / "standby.signal"}},
        {name("primary_conninfo is set"),
         "pg_basebackup -R writes it into postgresql.auto.conf",
         look::local_value{
             standby,
             fmt::format(
                 "SELECT current_setting('primary_conninfo') ~ 'application_name=''?{}'",
                 standby.name
             ),
             "t"}},
        {name("data directory is private"), "chmod 0700", look::private_directory{standby.data}},
        {name("WAL receiver streams"),
         fmt::format(
             "does the primary answer at {}:{}? {}",
             cluster.primary.host,
             cluster.primary.port,
             see_log
         ),
         look::local_value{standby, "SELECT status FROM pg_stat_wal_receiver", "streaming"},
         seconds(30)},
        {name("a write is refused (25006)"),
         "it is not a standby",
         look::refused{standby, "CREATE TABLE public.pgweir_check (x int)", "25006"}},
        {name("no FATAL or PANIC in the log since start"), see_log, look::clean_log{standby}},
    };
}

std::vector<check> replication_checks(const node& standby) {
    return {
        {fmt::format("replication: the primary streams to {}", standby.name),
         "its application_name must be the standby's name",
         look::primary_value{
             fmt::format(
                 "SELECT state FROM pg_stat_replication WHERE application_name = '{}'", standby.name
             ),
             "streaming"},
         seconds(30)},
        {fmt::format("replication: slot {} is active", standby.slot),
         "another slot is in use, or none: see primary_slot_name",
         look::primary_value{
             fmt::format(
                 "SELECT active FROM pg_replication_slots WHERE slot_name = '{}'", standby.slot
             ),
             "t"},
         seconds(30)},
    };
}

std::optional<std::string> checker::problem_of(const check& each) const {
    const auto limit = std::chrono::steady_clock::now() + each.patience;
    for (;;) {
        auto problem = std::visit([this](const auto& what) { return see(what); }, each.what);
        if (!problem || std::chrono::steady_clock::now() >= limit) {
            return problem;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
}

std::optional<std::string> checker::see(const look::local_value& what) const {
    auto server = machine_.connect_locally(what.server, "postgres");
    return compare(server, what.statement, what.expected);
}

std::optional<std::string> checker::see(const look::primary_value& what) const {
    auto server = connection::open(
        {cluster_.primary.host,
         cluster_.primary.port,
         cluster_.prober.name,
         "postgres",
         secrets_.prober,
         connection_kind::ordinary}
    );
    return compare(server, what.statement, what.expected);
}

std::optional<std::string> checker::see(const look::refused& what) const {
    auto server = machine_.connect_locally(what.server, "postgres");
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

std::optional<std::string> checker::see(const look::replication_login&) const {
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

std::optional<std::string> checker::see(const look::file_exists& what) const {
    std::error_code error;
    return std::filesystem::exists(what.path, error)
               ? std::nullopt
               : std::optional(what.path.string() + " does not exist");
}

std::optional<std::string> checker::see(const look::private_directory& what) const {
    const unsigned mode = mode_of(what.path);
    return mode == 0700 || mode == 0750 ? std::nullopt
                                        : std::optional(fmt::format("its mode is {:04o}", mode));
}

std::optional<std::string> checker::see(const look::clean_log& what) const {
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

}  // namespace pgweir::cluster
