#pragma once

// Which steps make a primary and a standby, in which order. Pure: everything that depends on the
// machine comes in as values. The order is part of the meaning: access rules stand before a server
// first starts, passwords are in their files before a role gets them (a crash in between must not
// lose a password that the server knows). Any thread.

#include "cluster/machine_facts.hpp"
#include "cluster/plan.hpp"
#include "cluster/secrets.hpp"
#include "cluster/server_conf.hpp"
#include "cluster/settings.hpp"

#include <optional>
#include <string>
#include <vector>

namespace pgweir::cluster {

/// What the plans need to know beyond the settings.
struct plan_inputs {
    const cluster_settings& cluster;
    const cluster_secrets& secrets;
    const machine_facts& facts;
    std::string system_user;      ///< Who runs the servers.
    bool data_exists = false;     ///< Of a primary: the data directory was there before.
    standby_minimums minimums{};  ///< Of a standby: what the primary has.
    /// Of a primary: whom commits wait for. Nothing: as it is.
    std::optional<std::vector<std::string>> sync_standbys{};
};

plan primary_plan(const plan_inputs& in);

/// Parts that other plans have too: configuration of a server, its start, the pooler's files.
void add_server_files(plan& steps, const plan_inputs& in, const node& server);
void add_start(plan& steps, const node& server);
std::string synchronous_step_name(const std::vector<std::string>& standbys);
void add_pooler_folder(plan& steps, const cluster_settings& cluster);
void add_databases_file(plan& steps, const cluster_settings& cluster);

/// In two parts: when the first is through, the primary is known to answer, and its limits can be
/// asked for the second.
plan standby_reach_plan(const plan_inputs& in, const node& standby);
plan standby_copy_plan(const plan_inputs& in, const node& standby);

plan start_plan(const std::vector<const node*>& nodes);

/// Stands beside what pgweirctl has made, so that it removes nothing else.
std::filesystem::path made_mark(const node& server);

/// The primary stops first: it waits until its standbys have all of its WAL.
plan stop_plan(const std::vector<const node*>& nodes);

/// Stops, then starts.
plan restart_plan(const std::vector<const node*>& nodes);

/// How one reaches the primary as the replication role: the password is in a file.
std::string replication_conninfo(const cluster_settings& cluster, const std::string& name);

/// pg_basebackup's arguments. They hold no password: the password file does.
std::vector<std::string> base_backup_arguments(
    const cluster_settings& cluster, const node& standby, const std::filesystem::path& target
);

/// The body of pg_replication_status(), for monitoring.
std::string replication_status_body();

/// An SQL identifier in quotes.
std::string identifier(std::string_view name);

/// How many bytes must be free before a server is made.
std::uint64_t needed_disk_bytes();

}  // namespace pgweir::cluster
