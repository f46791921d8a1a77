#include "cluster/server_conf.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pgweir::cluster {

namespace {

constexpr std::uint64_t mb = 1ULL << 20U;
constexpr std::uint64_t gb = 1ULL << 30U;

struct inputs {
    const cluster_settings& cluster;
    const node& server;
    const machine_facts& facts;
    const standby_minimums& minimums;

    bool is_standby() const { return server.role == server_role::standby; }
};

/// The number that we would choose, or the primary's where that is higher.
std::string at_least(std::uint32_t ours, std::uint32_t minimum) {
    return std::to_string(std::max(ours, minimum));
}

std::uint64_t wal_keep_bytes(const inputs& in) {
    return std::min(gb, std::max(in.facts.disk_bytes / 100, 64 * mb));
}

std::uint64_t slot_keep_bytes(const inputs& in) {
    return std::clamp(in.facts.disk_bytes / 10, wal_keep_bytes(in), 100 * gb);
}

setting_group connections(const inputs& in) {
    return {
        "Connections",
        {
            {"listen_addresses",
             conf_quoted(in.server.listen),
             "only the addresses at which applications and the other servers look for it"},
            {"port", std::to_string(in.server.port), "as cluster.ini says"},
            {"unix_socket_directories",
             conf_quoted(in.cluster.run_dir().string()),
             "beside the data, so that no folder of the system needs to be writable"},
            {"max_connections",
             at_least(in.cluster.max_connections, in.minimums.max_connections),
             in.is_standby() ? "not lower than the primary's, or the standby refuses to start"
                             : "room for every pool of pgweir, and for the operator"},
            {"password_encryption", "scram-sha-256", "md5 hashes can be replayed and cracked"},
        },
    };
}

server_setting archive_mode(const inputs& in) {
    if (in.cluster.archive_dir.empty()) {
        return {"archive_mode", std::nullopt, "on when cluster.ini names an archive_dir"};
    }
    return {"archive_mode", "on", "point-in-time recovery; a standby archives once promoted"};
}

/// A file that is there is never overwritten, and one that is half written has another name. The
/// server may have died before it noted what it had archived: then the same file is there already.
server_setting archive_command(const inputs& in) {
    if (in.cluster.archive_dir.empty()) {
        return {"archive_command", std::nullopt, "follows archive_mode"};
    }
    const std::string folder = in.cluster.archive_dir.string();
    return {
        "archive_command",
        conf_quoted(fmt::format(
            "if test -f \"{0}/%f\"; then cmp -s \"%p\" \"{0}/%f\"; "
            "else cp \"%p\" \"{0}/%f.partial\" && sync \"{0}/%f.partial\" && "
            "mv \"{0}/%f.partial\" \"{0}/%f\"; fi && sync \"{0}/%f\" \"{0}\"",
            folder
        )),
        "copies under another name first, and has it on disk: half a segment never counts as "
        "archived",
    };
}

setting_group tls(const inputs& in) {
    const tls_files& files = in.cluster.tls;
    if (!files.given()) {
        return {
            "TLS",
            {{"ssl", std::nullopt, "on when cluster.ini names tls_cert_file and tls_key_file"}}};
    }
    setting_group group{
        "TLS",
        {
            {"ssl", "on", "replication is refused without it"},
            {"ssl_cert_file", conf_quoted(files.certificate.string()), "as cluster.ini says"},
            {"ssl_key_file", conf_quoted(files.key.string()), "readable by its owner alone"},
            {"ssl_min_protocol_version", conf_quoted("TLSv1.2"), "older versions are broken"},
        }};
    if (!files.authority.empty()) {
        group.settings.push_back(
            {"ssl_ca_file", conf_quoted(files.authority.string()), "who signs certificates"}
        );
    }
    return group;
}

setting_group write_ahead_log(const inputs& in) {
    return {
        "Write-ahead log",
        {
            {"wal_level", "replica", "physical replication"},
            {"fsync", "on", "a crash of the machine must not corrupt the data"},
            {"synchronous_commit",
             "on",
             "a commit that was confirmed is on disk; it also lets reads go to a standby soon "
             "after a write"},
            {"wal_log_hints",
             "on",
             "lets pg_rewind bring an old primary back even where checksums are off"},
            {"wal_keep_size",
             megabytes(wal_keep_bytes(in)),
             "for a standby that reconnects without its slot; 1GB, less on a small disk"},
            {"max_slot_wal_keep_size",
             megabytes(slot_keep_bytes(in)),
             "a tenth of the disk: the slot of a dead standby would otherwise fill it"},
            archive_mode(in),
            archive_command(in),
        },
    };
}

setting_group replication(const inputs& in) {
    const auto wanted =
        std::max<std::uint32_t>(10, static_cast<std::uint32_t>(in.cluster.standbys.size()) + 2);
    setting_group group{
        "Replication",
        {
            {"max_wal_senders",
             at_least(wanted, in.minimums.max_wal_senders),
             "one for each standby, and two for base backups"},
            {"max_replication_slots",
             std::to_string(wanted),
             "a slot keeps WAL until its standby has it"},
            {"hot_standby", "on", "reads on the standby"},
            {"hot_standby_feedback", "on", "fewer queries of a standby are cancelled by vacuum"},
        },
    };
    if (in.is_standby()) {
        group.settings.push_back(
            {"max_standby_streaming_delay",
             "30s",
             "how long replay waits for a query that is in its way"}
        );
        group.settings.push_back(
            {"primary_conninfo",
             std::nullopt,
             "with primary_slot_name in postgresql.auto.conf, where pg_basebackup puts it"}
        );
        group.settings.push_back(
            in.facts.postgres_major <= 15
                ? server_setting{"promote_trigger_file", conf_quoted("pgweir.promote"),
                                 "a second way to promote; the normal one is pg_ctl promote"}
                : server_setting{"promote_trigger_file", std::nullopt,
                                 "gone since PostgreSQL 16; pg_ctl promote is the way"}
        );
    }
    return group;
}

/// Only of a standby: what the primary may have raised elsewhere must hold here too.
setting_group inherited_minimums(const inputs& in) {
    const std::string why = "not lower than the primary's, or the standby refuses to start";
    const auto setting = [&](const char* name, std::uint32_t usual, std::uint32_t minimum) {
        return server_setting{name, at_least(usual, minimum), why};
    };
    return {
        "Limits that follow the primary",
        {
            setting("max_worker_processes", 8, in.minimums.max_worker_processes),
            setting("max_prepared_transactions", 0, in.minimums.max_prepared_transactions),
            setting("max_locks_per_transaction", 64, in.minimums.max_locks_per_transaction),
        },
    };
}

setting_group memory(const inputs& in) {
    const auto bytes =
        in.cluster.memory_bytes != 0 ? in.cluster.memory_bytes : in.facts.memory_bytes;
    const auto plan = plan_memory(in.cluster.profile, bytes, in.cluster.nodes().size());
    const std::string sized = fmt::format(
        "{} profile, {} of memory, {} server{} in this cluster",
        to_string(in.cluster.profile),
        megabytes(bytes),
        in.cluster.nodes().size(),
        in.cluster.nodes().size() == 1 ? "" : "s"
    );
    return {
        "Memory and disk",
        {
            {"shared_buffers", megabytes(plan.shared_buffers), sized},
            {"effective_cache_size", megabytes(plan.effective_cache_size),
             "what the planner may expect to find cached"},
            {"maintenance_work_mem", megabytes(plan.maintenance_work_mem),
             "vacuum and index builds"},
            {"random_page_cost", "1.1", "an SSD reads anywhere at nearly the same cost"},
            in.facts.has_posix_fadvise
                ? server_setting{"effective_io_concurrency", "200", "an SSD serves many requests"}
                : server_setting{"effective_io_concurrency", std::nullopt,
                                 "this platform has no posix_fadvise: the server would refuse to "
                                 "start"},
        },
    };
}

setting_group logging() {
    return {
        "Log",
        {
            {"lc_messages", conf_quoted("C"), "the checks look for FATAL and PANIC, in English"},
            {"log_line_prefix",
             conf_quoted("%m [%p] %b %q%u@%d "),
             "time, process, kind of process (tells a client's FATAL from the server's), who"},
            {"log_checkpoints", "on", "how much is written, and when"},
            {"log_lock_waits", "on", "who waits for whom"},
        },
    };
}

std::string line_of(const server_setting& setting) {
    if (!setting.value) {
        return fmt::format("# {} is left out: {}\n", setting.name, setting.why);
    }
    const std::string assignment = fmt::format("{} = {}", setting.name, *setting.value);
    // What does not fit into 100 columns gets its reason on the line above.
    if (assignment.size() > 43 || setting.why.size() > 54) {
        return fmt::format("# {}\n{}\n", setting.why, assignment);
    }
    return fmt::format("{:<44}# {}\n", assignment, setting.why);
}

}  // namespace

std::string sync_standby_names(const std::vector<std::string>& standbys) {
    std::string names;
    for (const std::string& each : standbys) {
        names += (names.empty() ? "" : ", ") + each;
    }
    return names.empty() ? names : fmt::format("ANY 1 ({})", names);
}

std::string sync_conf(const std::vector<std::string>& standbys) {
    return fmt::format(
        "# Written by pgweirctl (sync = on in cluster.ini) whenever roles change.\n"
        "synchronous_standby_names = {}\n",
        conf_quoted(sync_standby_names(standbys))
    );
}

std::string megabytes(std::uint64_t bytes) {
    const auto whole = std::max<std::uint64_t>(bytes / mb, 1);
    return whole % 1024 == 0 ? fmt::format("{}GB", whole / 1024) : fmt::format("{}MB", whole);
}

std::string conf_quoted(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') {
            quoted.push_back(c);
        }
        quoted.push_back(c);
    }
    return quoted + "'";
}

memory_plan plan_memory(profile value, std::uint64_t memory_bytes, std::size_t servers) {
    const std::uint64_t share = memory_bytes / std::max<std::size_t>(servers, 1);
    if (value == profile::production) {
        return {
            std::min(memory_bytes / 4, share / 2),
            memory_bytes / 2,
            std::min(memory_bytes / 16, 2 * gb)};
    }
    // A developer's machine also runs a browser: an eighth of it at most for each server.
    return {
        std::min({4 * gb, memory_bytes / 8, share / 2}),
        std::min(16 * gb, memory_bytes / 2),
        std::min(gb, memory_bytes / 16)};
}

std::vector<setting_group> server_settings(
    const cluster_settings& cluster,
    const node& server,
    const machine_facts& facts,
    const standby_minimums& minimums
) {
    const inputs in{cluster, server, facts, minimums};
    std::vector<setting_group> groups{
        connections(in), tls(in), write_ahead_log(in), replication(in)};
    if (in.is_standby()) {
        groups.push_back(inherited_minimums(in));
    }
    groups.push_back(memory(in));
    groups.push_back(logging());
    return groups;
}

std::string server_conf(
    const cluster_settings& cluster,
    const node& server,
    const machine_facts& facts,
    const standby_minimums& minimums
) {
    std::string text = fmt::format(
        "# PostgreSQL settings of {} (a {} of cluster {}), by pgweirctl from cluster.ini.\n"
        "# Change cluster.ini and run pgweirctl again: changes made here are replaced (a copy is\n"
        "# kept as *.backup). Settings of your own belong into postgresql.conf below the line "
        "that\n"
        "# includes this file, where they win.\n",
        server.name,
        to_string(server.role),
        cluster.name
    );
    for (const auto& group : server_settings(cluster, server, facts, minimums)) {
        text += fmt::format("\n# {}\n", group.title);
        for (const auto& setting : group.settings) {
            text += line_of(setting);
        }
    }
    return text;
}

}  // namespace pgweir::cluster
