#pragma once

// A client between two transactions as it goes from one process to another (online restart): all
// that the next process has to know to go on as if nothing had happened. Values only; what depends
// on a process (pools, shared statements, sets of parameters) is named, and found anew.

#include "base/clock.hpp"
#include "config/settings.hpp"
#include "pool/carried_server.hpp"
#include "pool/parameters.hpp"
#include "pool/server_statements.hpp"
#include "pool/statement_store.hpp"
#include "router/read_choice.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::session {

struct carried_statement {
    std::string name;  ///< the client's; empty: its unnamed one
    std::string definition;
    pool::statement_form form = pool::statement_form::message;
    std::optional<std::uint64_t> rows;  ///< fingerprint of the columns that the client was told
    pool::moved_text moved{};
    std::optional<pool::extra_values> settings;  ///< by which its literals were read
};

/// What a client has set of pgweir's own settings (SET pgweir.routing).
struct own_settings {
    std::optional<config::routing> routing;
    std::optional<config::read_consistency> consistency;
    wal_position read_after{};
};

struct carried_routing {
    own_settings own;
    own_settings at_login;  ///< what RESET returns to
    router::read_marks marks;
};

struct carried_client {
    std::string database;
    std::string user;
    std::optional<config::routing> listener_route;
    std::uint64_t cancel_key = 0;
    steady_time connected_at{};
    steady_time request_at{};
    pool::extra_values parameters;
    pool::extra_values defaults;  ///< those of its log-in
    std::vector<carried_statement> statements;
    std::optional<carried_routing> routing;
    steady_time database_written_at = steady_time::min();
    std::string pending;  ///< bytes that it has sent and that no server has got
    std::optional<pool::carried_server> server;  ///< in session mode, the one that it has
};

/// A client with more than that to tell, in bytes, stays where it is.
inline constexpr std::size_t carried_limit = 16 * 1024 * 1024;

}  // namespace pgweir::session
