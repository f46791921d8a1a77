#include "config/changes.hpp"

#include "config/keys.hpp"

#include <tuple>
#include <utility>

namespace pgweir::config {

namespace {

/// What makes a server connection another one. The password and the startup parameters are not in
/// it: connections that exist are as good as before.
auto identity(const database& db) {
    return std::tie(
        db.dbname,
        db.hosts,
        db.port,
        db.ports,
        db.weights,
        db.user,
        db.connect_query,
        db.auth_dbname,
        db.auth_query,
        db.load_balance_hosts,
        db.sslmode,
        db.sslrootcert,
        db.sslcert,
        db.sslkey
    );
}

bool same_servers(const std::optional<database>& a, const std::optional<database>& b) {
    return a.has_value() == b.has_value() && (!a || identity(*a) == identity(*b));
}

}  // namespace

change_set compare(const configuration& running, const configuration& fresh) {
    change_set changes;
    for (const auto& [name, db] : running.databases) {
        const auto now = fresh.databases.find(name);
        if (now == fresh.databases.end()) {
            changes.databases_removed.push_back(name);
        } else if (identity(db) != identity(now->second)) {
            changes.databases_changed.push_back(name);
        }
    }
    for (const auto& [name, db] : fresh.databases) {
        if (!running.databases.contains(name)) {
            changes.databases_added.push_back(name);
        }
    }
    changes.autodb_changed = !same_servers(running.autodb_template, fresh.autodb_template);
    for (const key& k : keys()) {
        if (k.when == change::restart &&
            k.value.show(running.global) != k.value.show(fresh.global)) {
            changes.restart_only_changed.emplace_back(k.name);
        }
    }
    return changes;
}

std::shared_ptr<const configuration> keep_restart_only(
    const configuration& running, const configuration& fresh
) {
    auto kept = std::make_shared<configuration>(fresh);
    for (const key& k : keys()) {
        if (k.when == change::restart) {
            k.value.copy(running.global, kept->global);
        }
    }
    return kept;
}

}  // namespace pgweir::config
