#pragma once

// A server connection that nothing is owed on, as it goes from one process to another (online
// restart): what the next process has to know to use it. Values only.

#include "base/clock.hpp"
#include "net/connector.hpp"
#include "pool/parameters.hpp"
#include "protocol/message.hpp"

#include <string>

namespace pgweir::pool {

struct carried_server {
    // Its pool; `host` as in pool::host.
    std::string database;
    std::string user;
    std::string host;

    std::string origin;  ///< how it was opened (server_address::origin): the next would be the same
    std::uint32_t listed = 0;
    net::target address;
    protocol::backend_key key;
    steady_time connected_at{};
    extra_values parameters;
    extra_values reported;          ///< what it reports, with the values of its log-in
    std::string greeting;           ///< ParameterStatus messages, for clients that log in
    bool close_needed = false;      ///< when it is free
    bool check_before_use = false;  ///< before the next client has it: a cancel may hit late
    bool has_statements = false;    ///< of the pooler's, under names that mean nothing elsewhere
};

}  // namespace pgweir::pool
