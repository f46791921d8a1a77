#pragma once

// What goes to the next process, as messages of the hand-over: clients between two transactions,
// servers that are free, and what clients have proved to know for their servers. Pure.

#include "auth/scram.hpp"
#include "base/secret.hpp"
#include "handover/message.hpp"
#include "pool/carried_server.hpp"
#include "session/carried_client.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace pgweir::server {

/// Of a pool; see pool::pool::learned.
struct carried_credentials {
    std::string database;
    std::string user;
    secret password;
    std::optional<auth::scram_keys> keys;
};

/// There are secrets in its body, which its owner wipes.
handover::message put(const carried_credentials& what);

handover::message put(const pool::carried_server& what);

/// With the server that it has in session mode, if it has one.
handover::message put(const session::carried_client& who);

// Nothing if the body is not as it should be.

std::optional<carried_credentials> get_credentials(std::string_view body);
std::optional<pool::carried_server> get_server(std::string_view body);
std::optional<session::carried_client> get_client(std::string_view body);

}  // namespace pgweir::server
