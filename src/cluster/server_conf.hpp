#pragma once

// The settings of a PostgreSQL server as pgweirctl writes them: pure functions of the cluster's
// settings, the machine's facts and the role. Each setting carries the reason for which it is
// there; what a platform or version cannot take is left out with a comment instead of failing at
// start. Nothing here depends on how full the disk is or on the time, so that a second run finds
// the same text. conf/postgresql/*.conf are the output for the sample cluster, and a test compares
// them. PostgreSQL's manual: "Server Configuration".

#include "cluster/machine_facts.hpp"
#include "cluster/settings.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::cluster {

struct server_setting {
    std::string name;
    std::optional<std::string> value;  ///< As written, quoted where needed. Nothing: left out.
    std::string why;
};

struct setting_group {
    std::string title;
    std::vector<server_setting> settings;
};

/// What a standby must not have less of than its primary, or it refuses to start.
/// PostgreSQL's manual: "Administrator's Overview" of Hot Standby.
struct standby_minimums {
    std::uint32_t max_connections = 0;
    std::uint32_t max_worker_processes = 0;
    std::uint32_t max_wal_senders = 0;
    std::uint32_t max_prepared_transactions = 0;
    std::uint32_t max_locks_per_transaction = 0;
};

/// Memory of one server, in bytes.
struct memory_plan {
    std::uint64_t shared_buffers = 0;
    std::uint64_t effective_cache_size = 0;
    std::uint64_t maintenance_work_mem = 0;
};

/// `servers` is how many share the machine: together their buffers take at most half of it.
memory_plan plan_memory(profile value, std::uint64_t memory_bytes, std::size_t servers);

std::vector<setting_group> server_settings(
    const cluster_settings& cluster,
    const node& server,
    const machine_facts& facts,
    const standby_minimums& minimums = {}
);

/// The text of the file `pgweir.conf` in the server's data directory.
std::string server_conf(
    const cluster_settings& cluster,
    const node& server,
    const machine_facts& facts,
    const standby_minimums& minimums = {}
);

/// Beside pgweir.conf: which standbys a commit waits for. A file of its own, because it changes
/// with every change of primary.
inline constexpr std::string_view sync_conf_name = "pgweir_sync.conf";

/// "ANY 1 (standby1, standby2)"; empty when there is none to wait for.
std::string sync_standby_names(const std::vector<std::string>& standbys);

/// The text of that file.
std::string sync_conf(const std::vector<std::string>& standbys);

/// "512MB": whole megabytes, at least one.
std::string megabytes(std::uint64_t bytes);

/// A string as postgresql.conf quotes it.
std::string conf_quoted(std::string_view text);

}  // namespace pgweir::cluster
