#include "topology/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace pgweir::topology {

namespace {

/// As whom a database's servers are asked; empty: nobody was named.
std::string user_for(const config::settings& global, const config::database& db) {
    for (const std::string& name : {global.topology_user, db.auth_user, global.auth_user}) {
        if (!name.empty()) {
            return name;
        }
    }
    return db.user.value_or("");
}

secret password_for(
    const config::settings& global,
    const config::database& db,
    const std::string& user,
    const passwords& known
) {
    if (user == global.topology_user && !known.of_topology_user.empty()) {
        return known.of_topology_user;
    }
    if (db.user == user && !db.password.empty()) {
        return db.password;
    }
    const secret* stored = known.of(user);
    return stored != nullptr ? *stored : secret();
}

const std::string& first_of(const std::string& own, const std::string& global) {
    return own.empty() ? global : own;
}

/// The part that all servers of a database share.
server_access access_for(
    const config::settings& global,
    const config::database& db,
    const std::string& user,
    const passwords& known
) {
    server_access to;
    to.user = user;
    to.password = password_for(global, db, user, known);
    to.dbname = global.topology_dbname;
    to.sslmode = config::name_of(db.sslmode.value_or(global.server_tls_sslmode));
    to.sslrootcert = first_of(db.sslrootcert, global.server_tls_ca_file);
    to.sslcert = first_of(db.sslcert, global.server_tls_cert_file);
    to.sslkey = first_of(db.sslkey, global.server_tls_key_file);
    if (global.server_connect_timeout.count() > 0) {
        to.connect_limit = global.server_connect_timeout;
    }
    return to;
}

planned_cluster cluster_of(
    const config::settings& global,
    const config::database& db,
    const std::string& user,
    const passwords& known
) {
    planned_cluster made;
    const server_access common = access_for(global, db, user, known);
    for (std::size_t index = 0; index < db.hosts.size(); index++) {
        server_access& to = made.servers.emplace_back(common);
        to.host = db.hosts[index];
        to.port = config::port_of_host(db, index);
        made.hosts.push_back({to.host, to.port, index < db.weights.size() ? db.weights[index] : 1});
    }
    made.databases.push_back({db.name, db.dbname});
    return made;
}

}  // namespace

bool is_watched(const config::configuration& all, const config::database& db) {
    if (db.hosts.size() < 2) {
        return false;
    }
    const auto routed = [](const std::optional<config::routing>& where) {
        return where.value_or(config::routing::off) != config::routing::off;
    };
    const bool has_port =
        all.global.listen_port_primary != 0 || all.global.listen_port_standby != 0;
    return has_port || routed(db.routing ? db.routing : all.global.routing) ||
           std::any_of(all.users.begin(), all.users.end(), [&](const auto& entry) {
               return routed(entry.second.routing);
           });
}

result<plan> make_plan(const config::configuration& all, const passwords& known) {
    const config::settings& global = all.global;
    plan made;
    made.limits = {global.max_standby_lag, global.max_standby_lag_time};
    made.interval = global.topology_interval;
    made.state_file = global.topology_state_file;
    std::vector<const config::database*> databases;
    for (const auto& [name, db] : all.databases) {
        databases.push_back(&db);
    }
    if (all.autodb_template) {
        databases.push_back(&*all.autodb_template);
    }
    for (const config::database* db : databases) {
        if (!is_watched(all, *db)) {
            continue;
        }
        const std::string user = user_for(global, *db);
        if (user.empty()) {
            return failure{fmt::format(
                "database {}: its statements are routed, and there is no user to ask its servers "
                "as: set topology_user and topology_password",
                db->name
            )};
        }
        planned_cluster fresh = cluster_of(global, *db, user, known);
        const auto same = std::find_if(
            made.clusters.begin(),
            made.clusters.end(),
            [&](const planned_cluster& each) { return each.is_like(fresh); }
        );
        if (same == made.clusters.end()) {
            made.clusters.push_back(std::move(fresh));
        } else {
            same->databases.push_back(std::move(fresh.databases.front()));
        }
    }
    return made;
}

}  // namespace pgweir::topology
