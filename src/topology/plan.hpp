#pragma once

// Which servers are to be watched, as the configuration has it: those of every database with
// several hosts whose statements are routed for somebody. Databases with the same servers share a
// cluster. Pure.

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "config/settings.hpp"
#include "topology/cluster_state.hpp"
#include "topology/server_access.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::topology {

/// A database of a cluster, by the name of its entry; "*" is the template of all others.
struct planned_database {
    std::string name;
    std::string dbname;  // as the servers know it; empty in the template
};

struct planned_cluster {
    std::vector<server_access> servers;
    std::vector<host_settings> hosts;  // of the same servers
    std::vector<planned_database> databases;

    /// Whether it is the same cluster for a reload, whatever its databases are.
    bool is_like(const planned_cluster& other) const {
        return servers == other.servers && hosts == other.hosts;
    }
};

struct plan {
    std::vector<planned_cluster> clusters;
    lag_limits limits;
    microseconds interval{0};
    std::string state_file;
};

/// What topology_password holds, and where else a password can come from: the plain one of a user,
/// or nullptr.
struct passwords {
    secret of_topology_user;
    std::function<const secret*(std::string_view user)> of;
};

/// Whether the database's statements are routed for anybody.
bool is_watched(const config::configuration& all, const config::database& db);

/// Fails if there is no user to ask the servers as.
result<plan> make_plan(const config::configuration& all, const passwords& known);

}  // namespace pgweir::topology
