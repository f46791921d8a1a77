#include "config/settings.hpp"

#include "config/values.hpp"

#include <algorithm>
#include <thread>

namespace pgweir::config {

namespace {

/// What [users] says of this user under `member`, if anything.
template <typename Type>
std::optional<Type> of_user(
    const configuration& all, std::string_view name, std::optional<Type> user::*member
) {
    const auto found = all.users.find(name);
    return found == all.users.end() ? std::nullopt : found->second.*member;
}

}  // namespace

std::optional<database> resolve_database(const configuration& all, std::string_view name) {
    if (const auto found = all.databases.find(name); found != all.databases.end()) {
        return found->second;
    }
    if (!all.autodb_template) {
        return std::nullopt;
    }
    database made = *all.autodb_template;
    made.name = name;
    if (made.dbname.empty()) {
        made.dbname = name;
    }
    return made;
}

int worker_count(const settings& global) {
    return global.workers > 0 ? global.workers
                              : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

pool_mode effective_pool_mode(
    const configuration& all, const database& db, std::string_view user_name
) {
    return of_user(all, user_name, &user::pool_mode)
        .value_or(db.pool_mode.value_or(all.global.pool_mode));
}

int effective_pool_size(const configuration& all, const database& db, std::string_view user_name) {
    return of_user(all, user_name, &user::pool_size)
        .value_or(db.pool_size.value_or(all.global.default_pool_size));
}

int effective_min_pool_size(const configuration& all, const database& db) {
    return db.min_pool_size.value_or(all.global.min_pool_size);
}

int effective_reserve_pool_size(
    const configuration& all, const database& db, std::string_view user_name
) {
    return of_user(all, user_name, &user::reserve_pool_size)
        .value_or(db.reserve_pool_size.value_or(all.global.reserve_pool_size));
}

int effective_max_db_connections(const configuration& all, const database& db) {
    return db.max_db_connections.value_or(all.global.max_db_connections);
}

int effective_max_db_client_connections(const configuration& all, const database& db) {
    return db.max_db_client_connections.value_or(all.global.max_db_client_connections);
}

int effective_max_user_connections(const configuration& all, std::string_view user_name) {
    return of_user(all, user_name, &user::max_user_connections)
        .value_or(all.global.max_user_connections);
}

int effective_max_user_client_connections(const configuration& all, std::string_view user_name) {
    return of_user(all, user_name, &user::max_user_client_connections)
        .value_or(all.global.max_user_client_connections);
}

microseconds effective_server_lifetime(const configuration& all, const database& db) {
    return db.server_lifetime.value_or(all.global.server_lifetime);
}

microseconds effective_query_wait_timeout(
    const configuration& all, const database& db, std::string_view user_name
) {
    return of_user(all, user_name, &user::query_wait_timeout)
        .value_or(db.query_wait_timeout.value_or(all.global.query_wait_timeout));
}

microseconds effective_query_timeout(const configuration& all, std::string_view user_name) {
    return of_user(all, user_name, &user::query_timeout).value_or(all.global.query_timeout);
}

microseconds effective_idle_transaction_timeout(
    const configuration& all, std::string_view user_name
) {
    return of_user(all, user_name, &user::idle_transaction_timeout)
        .value_or(all.global.idle_transaction_timeout);
}

microseconds effective_transaction_timeout(const configuration& all, std::string_view user_name) {
    return of_user(all, user_name, &user::transaction_timeout)
        .value_or(all.global.transaction_timeout);
}

microseconds effective_client_idle_timeout(const configuration& all, std::string_view user_name) {
    return of_user(all, user_name, &user::client_idle_timeout)
        .value_or(all.global.client_idle_timeout);
}

routing effective_routing(
    const configuration& all, const database& db, std::string_view user_name
) {
    if (db.hosts.size() < 2) {
        return routing::off;
    }
    return of_user(all, user_name, &user::routing)
        .value_or(db.routing.value_or(all.global.routing));
}

read_consistency effective_read_consistency(const configuration& all, const database& db) {
    return db.read_consistency.value_or(all.global.read_consistency);
}

int port_of_host(const database& db, std::size_t host) noexcept {
    return host < db.ports.size() ? db.ports[host] : db.port;
}

std::string_view name_of(pool_mode mode) noexcept {
    return word_of(mode);
}

std::string_view name_of(auth_type type) noexcept {
    return word_of(type);
}

std::string_view name_of(load_balance how) noexcept {
    return word_of(how);
}

std::string_view name_of(tls_mode mode) noexcept {
    return word_of(mode);
}

std::string_view name_of(io_engine engine) noexcept {
    return word_of(engine);
}

std::string_view name_of(routing where) noexcept {
    return word_of(where);
}

std::string_view name_of(read_consistency what) noexcept {
    return word_of(what);
}

}  // namespace pgweir::config
