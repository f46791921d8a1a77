// The executor's actions that change roles, backups and what is removed: see executor.hpp.

#include "base/wal_position.hpp"
#include "cluster/access_rules.hpp"
#include "cluster/data_directory.hpp"
#include "cluster/executor.hpp"
#include "cluster/files.hpp"
#include "cluster/plans.hpp"
#include "cluster/pooler.hpp"
#include "cluster/server_conf.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <set>
#include <thread>

namespace pgweir::cluster {

namespace {

namespace fs = std::filesystem;

/// Lies beside a data directory while pg_rewind works on it: what it leaves behind when it is
/// killed is of no use.
fs::path rewinding_mark(const node& server) {
    return server.data.string() + ".rewinding";
}

fs::path sync_file(const node& server) {
    return server.config / sync_conf_name;
}

/// Asks again and again until it is so.
template <typename Ask>
bool comes_true(milliseconds limit, Ask&& ask) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!ask()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(milliseconds(20));
    }
    return true;
}

}  // namespace

result<std::string> executor::one_value(const node& server, const std::string& statement) const {
    auto opened = is_data_directory(server.data) ? connect_locally(server, "postgres")
                                                 : connect_from_afar(server);
    if (!opened) {
        return opened.error();
    }
    const auto found = opened->value(statement);
    if (!found) {
        return failure{found.error().message};
    }
    return result<std::string>(boost::system::in_place_value, found->value_or(""));
}

result<bool> executor::done(const act::local_sql& what) const {
    const auto answer = one_value(what.server, what.probe);
    return answer ? result<bool>{*answer == "t"} : answer.error();
}

result<note> executor::act_on(const act::local_sql& what) {
    auto server = connect_locally(what.server, "postgres");
    if (!server) {
        return server.error();
    }
    const auto answer = server->query(what.statement);
    return answer ? result<note>{note{}} : failure{answer.error().message};
}

// Synchronous replication. The file belongs to one server; a base backup's copy of it is written
// anew for the server that it becomes.

result<bool> executor::done(const act::set_synchronous& what) const {
    const auto text = read_text(sync_file(what.server));
    if (!text) {
        return text.error();
    }
    if (!*text || **text != sync_conf(what.standbys)) {
        return false;
    }
    if (!server_runs(what.server.data)) {
        return true;
    }
    const auto in_force = one_value(what.server, "SHOW synchronous_standby_names");
    return in_force ? result<bool>{*in_force == sync_standby_names(what.standbys)}
                    : in_force.error();
}

result<note> executor::act_on(const act::set_synchronous& what) {
    const auto written = write_text(sync_file(what.server), sync_conf(what.standbys), 0600);
    if (!written) {
        return written.error();
    }
    if (!server_runs(what.server.data)) {
        return note{};
    }
    if (const auto reloaded = run_pg_ctl(what.server, {"reload"}); !reloaded) {
        return reloaded;
    }
    const bool in_force = comes_true(seconds(10), [&] {
        const auto now = done(what);
        return now && *now;
    });
    if (!in_force) {
        return failure{fmt::format(
            "{} does not take over synchronous_standby_names = {}: does postgresql.conf or "
            "postgresql.auto.conf set it too?",
            what.server.name,
            sync_standby_names(what.standbys)
        )};
    }
    return note{};
}

// Changes of primary

result<bool> executor::done(const act::require_streaming& what) const {
    const auto state = one_value(
        cluster_.primary,
        fmt::format(
            "SELECT count(*) FROM pg_stat_replication WHERE application_name = '{}' AND state = "
            "'streaming'",
            what.standby.name
        )
    );
    return state ? result<bool>{*state == "1"} : state.error();
}

// One that was started a moment ago, or has lost its connection, tries again every 5 s.
result<note> executor::act_on(const act::require_streaming& what) {
    const bool streams = comes_true(seconds(30), [&] {
        const auto now = done(what);
        return now && *now;
    });
    if (streams) {
        return note{};
    }
    return failure{fmt::format(
        "the primary does not stream to {}: it would lack what was written last. pgweirctl check "
        "says what is the matter; pgweirctl rejoin {} makes it follow again",
        what.standby.name,
        what.standby.name
    )};
}

result<bool> executor::done(const act::require_promotion_right& what) const {
    const auto may = one_value(
        what.server,
        "SELECT has_function_privilege('pg_catalog.pg_promote(boolean, integer)', 'EXECUTE')"
    );
    return may ? result<bool>{*may == "t"} : may.error();
}

result<note> executor::act_on(const act::require_promotion_right& what) {
    const auto now = done(what);
    return failure{
        now ? "the right to promote from another machine comes with pgweirctl init"
            : now.error().message};
}

result<bool> executor::done(const act::hold_work& what) const {
    if (!cluster_.pooler.exists()) {
        return true;
    }
    const auto recovery = one_value(what.target, "SELECT pg_is_in_recovery()");
    return recovery && *recovery == "f";
}

result<note> executor::act_on(const act::hold_work& what) {
    auto console = pooler_console::open(cluster_, secrets_.console);
    if (!console) {
        return failure{fmt::format(
            "pgweir's console does not answer at {}:{}: {}\nIf there is no pgweir, set host = "
            "(nothing) in [pooler] of cluster.ini",
            cluster_.pooler.host,
            cluster_.pooler.port,
            console.error().message
        )};
    }
    const auto held = console->pause(what.database, what.limit);
    if (!held) {
        return failure{fmt::format(
            "{}\nA transaction runs for longer than that: end it (SHOW CLIENTS on pgweir's "
            "console names its client), or allow more time with --wait",
            held.error().message
        )};
    }
    return note{};
}

result<bool> executor::done(const act::release_work&) const {
    return !cluster_.pooler.exists();
}

result<note> executor::act_on(const act::release_work& what) {
    auto console = pooler_console::open(cluster_, secrets_.console);
    if (!console) {
        return note{"pgweir does not answer: it reads its files when it starts"};
    }
    // Work is let go even when the files cannot be read: it then fails visibly, not silently waits.
    const auto reloaded = console->reload();
    const auto released = console->resume(what.database);
    if (!released || !reloaded) {
        return (released ? reloaded : released).error();
    }
    return note{};
}

result<bool> executor::done(const act::require_everything_received& what) const {
    const auto recovery = one_value(what.to, "SELECT pg_is_in_recovery()");
    if (!recovery) {
        return recovery.error();
    }
    if (*recovery == "f") {
        return true;  // an earlier run has asked, and promoted it
    }
    const auto control = run("pg_controldata", {"-D", what.from.data.string()});
    if (!control) {
        return control.error();
    }
    if (control_value(control->text, "Database cluster state") != "shut down") {
        return failure{fmt::format("{} was not stopped cleanly", what.from.name)};
    }
    // The last record is the checkpoint of the shutdown: replayed means beyond where it begins.
    const auto replayed = one_value(
        what.to,
        fmt::format(
            "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '{}') > 0",
            control_value(control->text, "Latest checkpoint location")
        )
    );
    return replayed ? result<bool>{*replayed == "t"} : replayed.error();
}

result<note> executor::act_on(const act::require_everything_received& what) {
    failure last{
        fmt::format("{} has not replayed all that {} wrote", what.to.name, what.from.name)};
    const bool has_all = comes_true(seconds(15), [&] {
        const auto now = done(what);
        if (!now) {
            last = now.error();
        }
        return now && *now;
    });
    return has_all ? result<note>{note{}} : last;
}

result<bool> executor::done(const act::promote_server& what) const {
    const auto recovery = one_value(what.server, "SELECT pg_is_in_recovery()");
    return recovery ? result<bool>{*recovery == "f"} : recovery.error();
}

result<note> executor::act_on(const act::promote_server& what) {
    if (is_data_directory(what.server.data)) {
        if (const auto promoted = run_pg_ctl(what.server, {"promote"}); !promoted) {
            return promoted;
        }
    } else if (const auto promoted = one_value(what.server, "SELECT pg_promote(true, 60)");
               !promoted || *promoted != "t") {
        return promoted ? failure{"it is still in recovery after 60 s"} : promoted.error();
    }
    const auto now = done(what);
    if (!now || !*now) {
        return failure{now ? "it is still in recovery" : now.error().message};
    }
    return note{};
}

// Standbys of another primary

std::string executor::conninfo_to_primary(const node& server) const {
    return replication_conninfo(cluster_, server.name);
}

result<bool> executor::done(const act::stop_unless_following& what) const {
    if (!server_runs(what.server.data)) {
        return true;
    }
    const auto follows = one_value(
        what.server,
        fmt::format(
            "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming' AND "
            "sender_host = '{}' AND sender_port = {})",
            cluster_.primary.host,
            cluster_.primary.port
        )
    );
    return follows && *follows == "t";
}

result<note> executor::act_on(const act::stop_unless_following& what) {
    return run_pg_ctl(what.server, {"stop", "-m", "fast"});
}

result<bool> executor::same_cluster_as_primary(const node& server) const {
    const auto identifier = system_identifier(server.data);
    auto primary = connect_for_replication();
    if (!primary) {
        return primary.error();
    }
    const auto theirs = primary->value("IDENTIFY_SYSTEM");
    if (!theirs) {
        return failure{theirs.error().message};
    }
    return identifier && *theirs == std::to_string(*identifier);
}

result<bool> executor::done(const act::match_history& what) const {
    // After stop_unless_following, one that runs follows.
    return server_runs(what.server.data);
}

/// Nothing is asked of the primary's files, which may say for minutes after a promotion that it is
/// a standby.
result<executor::history> executor::history_of(const node& server) const {
    const auto control = run("pg_controldata", {"-D", server.data.string()});
    if (!control) {
        return control.error();
    }
    const auto end = read_lsn(control_value(control->text, "Latest checkpoint location"));
    const std::string timeline = control_value(control->text, "Latest checkpoint's TimeLineID");
    auto primary = connect_for_replication();
    if (!primary) {
        return primary.error();
    }
    const auto who = primary->query("IDENTIFY_SYSTEM");
    if (!who || who->empty() || who->front().size() < 2 || !who->front()[1]) {
        return failure{who ? "the primary does not tell its timeline" : who.error().message};
    }
    const std::string& theirs = *who->front()[1];
    const unsigned long ours_number = std::strtoul(timeline.c_str(), nullptr, 10);
    if (ours_number > std::strtoul(theirs.c_str(), nullptr, 10)) {
        return history::newer;
    }
    if (theirs == timeline) {
        return history::same_number;
    }
    if (control_value(control->text, "Database cluster state") != "shut down" || !end) {
        return history::parted;
    }
    const auto text = primary->query("TIMELINE_HISTORY " + theirs);
    if (!text || text->empty() || text->front().size() < 2 || !text->front()[1]) {
        return history::parted;
    }
    const auto left = end_of_timeline(*text->front()[1], static_cast<std::uint32_t>(ours_number));
    return left && *left > *end ? history::continued : history::parted;
}

result<note> executor::rewind(const node& server) {
    if (const auto marked = write_text(rewinding_mark(server), "", 0600); !marked) {
        return marked.error();
    }
    forget_ended_process(server);
    const std::string source = fmt::format("{} dbname=postgres", conninfo_to_primary(server));
    const auto output =
        run("pg_rewind",
            {"-D",
             server.data.string(),
             "--source-server=" + source,
             "--config-file",
             (server.config / "postgresql.conf").string()});
    if (!output) {
        return output.error();
    }
    // From now on it is a standby, whoever starts it.
    if (const auto marked = write_text(server.data / "standby.signal", "", 0600); !marked) {
        return marked.error();
    }
    std::error_code error;
    fs::remove(rewinding_mark(server), error);
    const bool needless = output->text.find("no rewind required") != std::string::npos;
    return note{needless ? "nothing to rewind" : "rewound"};
}

result<note> executor::act_on(const act::match_history& what) {
    const node& server = what.server;
    std::string reason = "there was no data directory";
    std::error_code error;
    if (is_data_directory(server.data)) {
        const auto same = same_cluster_as_primary(server);
        if (!same) {
            return same.error();
        }
        if (!*same) {
            reason = "its data was another cluster's";
        } else if (fs::exists(rewinding_mark(server), error)) {
            reason = "an earlier pg_rewind was interrupted";
        } else {
            const auto past = history_of(server);
            if (!past) {
                return past.error();
            }
            if (*past == history::continued) {
                return note{"nothing to rewind"};
            }
            if (*past == history::newer) {
                reason = "it has gone on where the primary has not: its timeline is the newer one";
            } else if (*past == history::same_number && !is_standby_data(server.data)) {
                reason = "it was a primary on the timeline of the same number";
            } else {
                auto rewound = rewind(server);
                if (rewound) {
                    return rewound;
                }
                reason = "pg_rewind could not: " + rewound.error().message;
            }
        }
    }
    if (!is_vacant(server.data)) {
        forget_ended_process(server);
        const auto name = set_aside(server.data);
        if (!name) {
            return name.error();
        }
        reason += fmt::format("\nwhat was there is now {}", name->string());
    }
    const auto copied = act_on(act::base_backup{server});
    if (!copied) {
        return copied;
    }
    fs::remove(rewinding_mark(server), error);
    return note{"copied again: " + reason};
}

result<bool> executor::done(const act::follow_primary& what) const {
    const auto text = read_text(what.server.data / "postgresql.auto.conf");
    if (!text) {
        return text.error();
    }
    const std::string wanted = with_replication_source(
        *text ? **text : "", conninfo_to_primary(what.server), what.server.slot
    );
    if (!*text || **text != wanted || !is_standby_data(what.server.data)) {
        return false;
    }
    if (!server_runs(what.server.data)) {
        return true;
    }
    return done(act::stop_unless_following{what.server});
}

result<note> executor::act_on(const act::follow_primary& what) {
    const fs::path path = what.server.data / "postgresql.auto.conf";
    const auto text = read_text(path);
    if (!text) {
        return text.error();
    }
    const std::string wanted = with_replication_source(
        *text ? **text : "", conninfo_to_primary(what.server), what.server.slot
    );
    if (const auto written = write_text(path, wanted, 0600); !written) {
        return written.error();
    }
    const auto signal = write_text(what.server.data / "standby.signal", "", 0600);
    if (!signal) {
        return signal.error();
    }
    if (!server_runs(what.server.data)) {
        return note{};
    }
    if (const auto reloaded = run_pg_ctl(what.server, {"reload"}); !reloaded) {
        return reloaded;
    }
    const bool follows = comes_true(seconds(30), [&] {
        const auto now = done(act::stop_unless_following{what.server});
        return now && *now;
    });
    if (!follows) {
        return failure{fmt::format(
            "{} does not stream from {}:{}; pgweirctl rejoin {} makes its history match",
            what.server.name,
            cluster_.primary.host,
            cluster_.primary.port,
            what.server.name
        )};
    }
    return note{};
}

result<bool> executor::done(const act::drop_slots& what) const {
    std::string names;
    for (const std::string& each : what.slots) {
        names += (names.empty() ? "'" : ", '") + each + "'";
    }
    if (names.empty()) {
        return true;
    }
    const auto none = one_value(
        what.server,
        fmt::format(
            "SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name IN ({}))", names
        )
    );
    return none ? result<bool>{*none == "t"} : none.error();
}

result<note> executor::act_on(const act::drop_slots& what) {
    auto server = connect_locally(what.server, "postgres");
    if (!server) {
        return server.error();
    }
    for (const std::string& each : what.slots) {
        const auto dropped = server->query(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
            "WHERE slot_name = $1 AND NOT active",
            {each}
        );
        if (!dropped) {
            return failure{dropped.error().message};
        }
    }
    return note{};
}

result<bool> executor::done(const act::drop_primary_slot& what) const {
    auto primary = connect_for_replication();
    if (!primary) {
        return primary.error();
    }
    const auto answer = primary->value(fmt::format("READ_REPLICATION_SLOT {}", what.slot));
    return answer && !answer->has_value();
}

result<note> executor::act_on(const act::drop_primary_slot& what) {
    failure last{"the slot is in use"};
    // The walsender of a standby that has just stopped may take a moment to notice.
    const bool gone = comes_true(seconds(10), [&] {
        auto primary = connect_for_replication();
        if (!primary) {
            last = primary.error();
            return false;
        }
        const auto dropped = primary->query(fmt::format("DROP_REPLICATION_SLOT {}", what.slot));
        if (!dropped) {
            last = failure{dropped.error().message};
        }
        return dropped.has_value();
    });
    return gone ? result<note>{note{}} : last;
}

// Backups and removal

result<bool> executor::done(const act::take_backup& what) const {
    return is_data_directory(what.target);
}

result<note> executor::act_on(const act::take_backup& what) {
    const fs::path incoming = what.target.string() + ".incoming";
    std::error_code error;
    for (const fs::path& left : unfinished_backups_in(cluster_.backup_dir())) {
        end_programs_with_argument(left.string());
        fs::remove_all(left, error);
    }
    const auto copied =
        run("pg_basebackup",
            {"-d",
             replication_conninfo(cluster_, "pgweirctl_backup"),
             "-D",
             incoming.string(),
             "-Fp",
             "-Xs",
             "-P",
             "--checkpoint=fast",
             "--no-password",
             "--label=pgweirctl backup " + what.target.filename().string()},
            program_progress::shown);
    if (!copied) {
        return copied.error();
    }
    const auto verified = run("pg_verifybackup", {"-q", incoming.string()});
    if (!verified) {
        return verified.error();
    }
    fs::rename(incoming, what.target, error);
    if (error) {
        return failure{fmt::format(
            "cannot rename {} to {}: {}", incoming.string(), what.target.string(), error.message()
        )};
    }
    return note{"verified"};
}

result<bool> executor::done(const act::prune_backups&) const {
    return false;  // whether archived WAL is still needed shows when it is looked for
}

result<note> executor::act_on(const act::prune_backups& what) {
    // The clock may have been put back: the newest name need not be the last backup.
    auto older = backups_in(cluster_.backup_dir());
    std::erase(older, what.taken);
    std::size_t removed = 0;
    for (; older.size() + 1 > cluster_.backups_kept; ++removed) {
        std::error_code error;
        fs::remove_all(older.front(), error);
        if (error) {
            return failure{
                fmt::format("cannot remove {}: {}", older.front().string(), error.message())};
        }
        older.erase(older.begin());
    }
    older.push_back(what.taken);
    if (const auto cleaned = clean_archive(older); !cleaned) {
        return cleaned.error();
    }
    return note{fmt::format("{} kept, {} removed", older.size(), removed)};
}

/// What no backup needs goes from the archive.
result<void> executor::clean_archive(const std::vector<fs::path>& backups) const {
    if (cluster_.archive_dir.empty()) {
        return {};
    }
    std::string needed;
    for (const fs::path& each : backups) {
        const auto label = read_text(each / "backup_label");
        const auto segment = label && *label ? first_segment_of(**label) : std::string{};
        if (segment.empty()) {
            return failure{each.string() + " has no backup_label: is it a backup?"};
        }
        // The timeline is the name's first 8 digits, and pg_archivecleanup leaves it out as well.
        if (needed.empty() || segment.substr(8) < needed.substr(8)) {
            needed = segment;
        }
    }
    const auto cleaned = run("pg_archivecleanup", {cluster_.archive_dir.string(), needed});
    return cleaned ? result<void>{} : cleaned.error();
}

result<bool> executor::done(const act::remove_path& what) const {
    std::error_code error;
    return !fs::exists(fs::symlink_status(what.path, error));
}

result<note> executor::act_on(const act::remove_path& what) {
    std::error_code error;
    fs::remove_all(what.path, error);
    if (error) {
        return failure{fmt::format("cannot remove {}: {}", what.path.string(), error.message())};
    }
    return note{};
}

result<bool> executor::done(const act::remove_if_empty& what) const {
    std::error_code error;
    return !fs::exists(what.path, error);
}

result<note> executor::act_on(const act::remove_if_empty& what) {
    std::error_code error;
    if (fs::remove(what.path, error)) {
        return note{};
    }
    // Its own folder may be somebody else's: then it stays, empty.
    return note{is_vacant(what.path) ? "" : "it stays: there is more in it"};
}

}  // namespace pgweir::cluster
