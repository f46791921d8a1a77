#pragma once

// How to get into one server: everything that a connection of ours to it needs to know. A value.

#include "base/clock.hpp"
#include "base/secret.hpp"

#include <string>

namespace pgweir::topology {

struct server_access {
    std::string host;  // a name, an address, or a directory of sockets ('/' or '@' in front)
    int port = 5432;
    std::string user;
    secret password;  // empty: none
    std::string dbname;
    std::string sslmode = "prefer";  // in libpq's words, as all of these
    std::string sslrootcert;
    std::string sslcert;
    std::string sslkey;

    /// For a connection that is not urgent; see prober.hpp.
    microseconds connect_limit = seconds(15);

    friend bool operator==(const server_access&, const server_access&) = default;
};

}  // namespace pgweir::topology
