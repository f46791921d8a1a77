#pragma once

// What can be learnt from a data directory without a server: whether one runs in it, whose it is,
// which cluster it belongs to. Reads files; any thread.
// PostgreSQL's manual: "Database File Layout".

#include "cluster/settings.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::cluster {

/// True if postmaster.pid names a process of the directory's owner that lives, and works in it.
bool server_runs(const std::filesystem::path& data);

/// True if postmaster.pid names a process that has ended and is still listed: PostgreSQL would take
/// it for a running server.
bool left_behind_by_ended_process(const std::filesystem::path& data);

/// Kills programs of this user that have the argument: what an interrupted copy has left running.
/// Waits until they are gone, for a few seconds at most.
void end_programs_with_argument(const std::string& argument);

/// Where a running server's Unix socket is, as its postmaster.pid says.
struct server_socket {
    std::string folder;
    std::uint16_t port = 0;
};

std::optional<server_socket> socket_of(const std::filesystem::path& data);

/// True if it has been a data directory of PostgreSQL's at some time.
bool is_data_directory(const std::filesystem::path& data);

bool is_standby_data(const std::filesystem::path& data);

/// The cluster's identifier, which initdb draws and base backups copy: the first 8 bytes of
/// global/pg_control, in the machine's own order.
std::optional<std::uint64_t> system_identifier(const std::filesystem::path& data);

/// A postgresql.auto.conf that says this of replication, whatever it said before.
std::string with_replication_source(
    std::string_view auto_conf, std::string_view conninfo, std::string_view slot
);

/// The value of a line such as "Latest checkpoint location:   0/3000028" of pg_controldata.
std::string control_value(std::string_view text, std::string_view name);

/// Where a timeline was left, by the history file of a later one: lines such as
/// "1\t0/3000158\tno recovery target specified". Nothing if it is no part of that history.
std::optional<std::uint64_t> end_of_timeline(std::string_view history, std::uint32_t timeline);

/// The first WAL segment that a base backup needs, from its backup_label.
std::string first_segment_of(std::string_view backup_label);

/// True of the name of a backup's folder, which is when it was begun: 20261127T075800Z.
bool is_backup_name(std::string_view name);

/// Finished backups in the folder, oldest first. What else is there is not ours.
std::vector<std::filesystem::path> backups_in(const std::filesystem::path& folder);

/// What killed runs have left there.
std::vector<std::filesystem::path> unfinished_backups_in(const std::filesystem::path& folder);

/// The application_name in the primary_conninfo of postgresql.auto.conf (the last one counts).
std::string application_name_in(std::string_view auto_conf);

/// The lines that a server has logged since it last started.
std::string log_since_start(std::string_view log);

/// Lines with PANIC, or with a FATAL that is no client's doing and no expected stop of the WAL
/// receiver or the server.
std::string bad_log_lines(std::string_view log);

}  // namespace pgweir::cluster
