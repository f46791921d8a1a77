#pragma once

// The console's language: one command in one statement, as PgBouncer's console takes it.
//
//   SHOW x | SELECT x       RELOAD          PAUSE [db]       RESUME [db]      SUSPEND
//   SET key = value         DISABLE db      ENABLE db        RECONNECT [db]   KILL [db]
//   SET key TO 'value'      KILL_CLIENT id  WAIT_CLOSE [db]  SHUTDOWN [WAIT_FOR_SERVERS |
//   WAIT_FOR_CLIENTS]
//
// A word is letters, digits and underscores, or anything in double quotes ("" is a quote). Words of
// the language are compared without case, names are kept as written. One semicolon may end the
// statement. A statement of blanks and a semicolon is no error here: drivers send it to see if a
// connection lives.
//
// Pure: no I/O, no state. What it returns owns its text, except for the views said to be static.

#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace pgweir::admin {

/// Longest words in bytes, without their quotes. More is "bad arguments".
inline constexpr std::size_t command_limit = 15;
inline constexpr std::size_t argument_limit = 63;
inline constexpr std::size_t value_limit = 255;

enum class show_kind : std::uint8_t {
    active_sockets,
    clients,
    config,
    databases,
    dns_hosts,
    dns_zones,
    fds,
    help,
    lists,
    mem,
    peer_pools,
    peers,
    pools,
    servers,
    sockets,
    state,
    stats,
    stats_averages,
    stats_totals,
    totals,
    users,
    version,
    // Ours; the others are PgBouncer's.
    routing,
    topology,
    workers,
};

inline constexpr std::size_t show_kind_count = static_cast<std::size_t>(show_kind::workers) + 1;

enum class operation_kind : std::uint8_t {
    disable,
    enable,
    kill,
    kill_client,
    pause,
    reconnect,
    reload,
    resume,
    set,
    shutdown,
    suspend,
    wait_close,
};

enum class shutdown_mode : std::uint8_t {
    immediate,         ///< at once, without an answer
    wait_for_servers,  ///< as PAUSE, then exit
    wait_for_clients,  ///< no new clients, exit when the last has gone
};

/// Nothing but blanks and a semicolon.
struct empty_command {};

struct show_command {
    show_kind what;
};

/// SHOW of a parameter that drivers ask every server for. Static views.
struct show_parameter {
    std::string_view name;
    std::string_view value;
};

/// SET of one of these: accepted and ignored.
struct ignored_set {};

/// A command that changes something, so needs admin access.
struct operation {
    operation_kind what = operation_kind::reload;
    std::string database;                           // empty: all of them
    std::optional<std::uint64_t> client_id;         // KILL_CLIENT; unset: what was written is no id
    shutdown_mode mode = shutdown_mode::immediate;  // SHUTDOWN
    std::string key;                                // SET
    std::string value;                              // SET
};

using command = std::variant<empty_command, show_command, show_parameter, ignored_set, operation>;

/// The command that the statement holds, or the console's error text.
result<command> parse_command(std::string_view sql);

/// Why the operation cannot be tried: a database that is missing, an id that is none, the console's
/// own database. Empty if it can. To be asked after the access check, so apart from parsing.
std::string argument_error(const operation& what);

/// The tag of CommandComplete: the command's word, with SET its assignment too.
std::string command_tag(const operation& what);

/// The command's word, in capitals.
std::string_view word_of(operation_kind what) noexcept;

/// The command as the log tells of it: PAUSE 'shop'.
std::string log_text(const operation& what);

/// True for the names under which a client reaches the console.
bool is_console_database(std::string_view name) noexcept;

}  // namespace pgweir::admin
