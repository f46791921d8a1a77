#pragma once

// Provisioning as data: a plan is a list of steps, each an action that says what shall be so. The
// executor knows for every action how to find out whether it is so already, and how to make it so;
// so a plan can be run twice, printed without being run, and tested without a server. Plans hold
// passwords (in write_file with content::hidden, and in ensure_login) and are never printed whole.
// Values; any thread.

#include "base/clock.hpp"
#include "base/secret.hpp"
#include "cluster/access_rules.hpp"
#include "cluster/settings.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace pgweir::cluster {

namespace act {

/// A folder with this mode.
struct make_directory {
    /// What to do about the mode of a folder that was there before.
    enum class if_there {
        set_mode,
        keep_private,  ///< 0700 and 0750 stay: PostgreSQL takes both.
        keep,          ///< It is the operator's.
    };

    std::filesystem::path path;
    unsigned mode = 0700;
    if_there existing = if_there::set_mode;
};

/// A file with exactly this text and mode.
struct write_file {
    enum class content {
        shown,     ///< Another text is kept as *.backup.
        hidden,    ///< No copies: passwords are not left lying about.
        replaced,  ///< No copies: nobody but pgweirctl writes it.
    };

    std::filesystem::path path;
    secret text;
    unsigned mode = 0600;
    content kind = content::shown;
};

/// A file whose first line is this password. One that the operator made keeps its mode (Docker's
/// secrets are 0444); ours have 0600.
struct keep_password {
    std::filesystem::path path;
    secret password;
};

/// A generated block inside a file that may hold other lines (see with_block).
struct place_block {
    std::filesystem::path path;
    std::string block;
    placement where = placement::last;
};

/// Fails unless the port can be listened on, or our own server has it.
struct require_port {
    node server;
};

/// Fails unless this much is free. Holds without asking once `unless_exists` is there.
struct require_disk {
    std::filesystem::path path;
    std::uint64_t bytes = 0;
    std::filesystem::path unless_exists;
};

/// Fails if the data directory is a standby's.
struct require_primary_data {
    node server;
};

/// initdb's work in a data directory that is complete or not there. So already when there is one.
struct init_data {
    node server;
    std::vector<std::string> arguments;
};

struct start_server {
    node server;
};

struct stop_server {
    /// How: `fast` ends its clients and is clean, `immediate` is a crash that recovery repairs.
    enum class manner { fast, immediate };

    node server;
    manner how = manner::fast;
};

/// Makes the running server use what its files say: a reload, or a restart where one is needed.
struct apply_settings {
    node server;
};

/// A statement on the primary, as superuser over the Unix socket. `probe` gives t when it is so.
struct sql {
    std::string database;
    std::string statement;
    std::string probe;
};

/// The role can log in over the network with this password.
struct ensure_login {
    enum class purpose { queries, replication };

    std::string role;
    secret password;
    purpose use = purpose::queries;
};

/// Waits until the primary lets the replication role in.
struct wait_for_primary {
    seconds limit{60};
};

/// The standby's slot exists on the primary, asked for over a replication connection: the primary
/// may be on another machine.
struct ensure_slot {
    std::string slot;
};

/// Nothing is in the way of a base backup: a data directory that is not this standby's is moved
/// aside, never overwritten.
struct free_data_directory {
    node server;
};

/// A complete copy of the primary in the standby's data directory.
struct base_backup {
    node server;
};

// What changes of primary need besides.

/// A statement as superuser on any server of this machine. `probe` gives t when it is so.
struct local_sql {
    node server;
    std::string statement;
    std::string probe;
};

/// Which standbys a commit waits for (one of them; none: it does not wait). In force before the
/// step is through.
struct set_synchronous {
    node server;
    std::vector<std::string> standbys;
};

/// Fails unless the primary streams to it.
struct require_streaming {
    node standby;
};

/// Fails unless the replication role may promote it, which is on another machine.
struct require_promotion_right {
    node server;
};

/// pgweir holds new work of the database until running transactions have ended. So already once
/// the target is the primary.
struct hold_work {
    std::string database;
    milliseconds limit{0};
    node target;
};

/// pgweir reads its files again (when it runs) and lets held work go.
struct release_work {
    std::string database;
};

/// Fails unless the standby has replayed all that the primary, cleanly stopped, has written.
struct require_everything_received {
    node from;
    node to;
};

struct promote_server {
    node server;
};

/// Stops it unless it is a standby that streams from the primary.
struct stop_unless_following {
    node server;
};

/// Its data directory holds the primary's history: rewound, or copied again where that cannot be.
struct match_history {
    node server;
};

/// It follows the primary through its slot, and starts as a standby.
struct follow_primary {
    node server;
};

/// The slots of the cluster's servers on a standby keep WAL for nobody.
struct drop_slots {
    node server;
    std::vector<std::string> slots;
};

/// The slot on the primary goes, asked for over a replication connection.
struct drop_primary_slot {
    std::string slot;
};

/// A copy of the primary in a folder of its own, verified.
struct take_backup {
    std::filesystem::path target;
};

/// Only the newest backups stay, the one just taken among them, and the archived WAL that they
/// need.
struct prune_backups {
    std::filesystem::path taken;
};

/// What pgweirctl has made at this path goes.
struct remove_path {
    std::filesystem::path path;
};

/// A folder goes when nothing is left in it.
struct remove_if_empty {
    std::filesystem::path path;
};

}  // namespace act

using action = std::variant<
    act::make_directory,
    act::write_file,
    act::keep_password,
    act::place_block,
    act::require_port,
    act::require_disk,
    act::require_primary_data,
    act::init_data,
    act::start_server,
    act::stop_server,
    act::apply_settings,
    act::sql,
    act::ensure_login,
    act::wait_for_primary,
    act::ensure_slot,
    act::free_data_directory,
    act::base_backup,
    act::local_sql,
    act::set_synchronous,
    act::require_streaming,
    act::require_promotion_right,
    act::hold_work,
    act::release_work,
    act::require_everything_received,
    act::promote_server,
    act::stop_unless_following,
    act::match_history,
    act::follow_primary,
    act::drop_slots,
    act::drop_primary_slot,
    act::take_backup,
    act::prune_backups,
    act::remove_path,
    act::remove_if_empty>;

/// `name` completes "done: …", "already so: …" and "would do: …".
struct step {
    std::string name;
    action what;
};

using plan = std::vector<step>;

}  // namespace pgweir::cluster
