#include "config/effective.hpp"

#include "config/show.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <string_view>
#include <vector>

namespace pgweir::config {

namespace {

constexpr std::string_view by_settings = "[pgweir]";
constexpr std::string_view by_entry = "its entry";
constexpr std::string_view by_default = "default";

std::string text_of(microseconds time) {
    return fmt::format("{:g}", std::chrono::duration<double>(time).count());
}

std::string text_of(int number) {
    return fmt::format("{}", number);
}

template <typename Word>
std::string text_of(Word word) {
    return std::string(name_of(word));
}

std::string hosts_of(const database& db, const settings& global) {
    if (db.hosts.empty()) {
        return global.unix_socket_dir;
    }
    std::vector<std::string> all;
    for (std::size_t i = 0; i < db.hosts.size(); i++) {
        all.push_back(fmt::format("{}:{}", db.hosts[i], port_of_host(db, i)));
    }
    return fmt::format("{}", fmt::join(all, ","));
}

class writer {
public:
    explicit writer(const configuration& all) : all_(all) {}

    std::string text() && { return std::move(out_); }

    void line(std::string_view key, std::string_view value, std::string_view from) {
        const std::string shown = fmt::format("{} = {}", key, value);
        out_ += fmt::format("{:<48} ; {}\n", shown, from);
    }

    void title(std::string_view name) { out_ += fmt::format("\n{}\n", name); }

    /// `place`: how the entry is called in configuration::places.
    void begin(std::string_view name, const std::string& place) {
        const auto at = all_.places.find(place);
        out_ += fmt::format(
            "\n{:<48} ; {}\n", name, at == all_.places.end() ? "" : std::string_view(at->second)
        );
    }

    /// One that the entry may say itself.
    template <typename Value>
    void of_entry(std::string_view key, const Value& value, bool own) {
        line(fmt::format("    {}", key), text_of(value), own ? by_entry : by_settings);
    }

private:
    const configuration& all_;
    std::string out_;
};

void write_database(
    writer& out, const configuration& all, std::string_view name, const database& db
) {
    const std::string user = db.user.value_or("");
    out.begin(name, fmt::format("database {}", name));
    out.line("    host", hosts_of(db, all.global), db.hosts.empty() ? by_settings : by_entry);
    if (!db.dbname.empty()) {
        out.line("    dbname", db.dbname, by_entry);
    }
    if (db.user) {
        out.line("    user", *db.user, by_entry);
    }
    if (!db.password.empty()) {
        out.line("    password", "(not shown)", by_entry);
    }
    const bool own_auth_user = !db.auth_user.empty();
    const std::string& auth_user = own_auth_user ? db.auth_user : all.global.auth_user;
    if (!auth_user.empty()) {
        out.line("    auth_user", auth_user, own_auth_user ? by_entry : by_settings);
    }
    out.of_entry("pool_mode", effective_pool_mode(all, db, user), db.pool_mode.has_value());
    out.of_entry("pool_size", effective_pool_size(all, db, user), db.pool_size.has_value());
    out.of_entry("min_pool_size", effective_min_pool_size(all, db), db.min_pool_size.has_value());
    out.of_entry(
        "reserve_pool_size",
        effective_reserve_pool_size(all, db, user),
        db.reserve_pool_size.has_value()
    );
    out.of_entry(
        "max_db_connections",
        effective_max_db_connections(all, db),
        db.max_db_connections.has_value()
    );
    out.of_entry(
        "max_db_client_connections",
        effective_max_db_client_connections(all, db),
        db.max_db_client_connections.has_value()
    );
    out.of_entry(
        "server_lifetime", effective_server_lifetime(all, db), db.server_lifetime.has_value()
    );
    out.of_entry(
        "query_wait_timeout",
        effective_query_wait_timeout(all, db, user),
        db.query_wait_timeout.has_value()
    );
    out.of_entry(
        "server_tls_sslmode",
        db.sslmode.value_or(all.global.server_tls_sslmode),
        db.sslmode.has_value()
    );
    const routing where = effective_routing(all, db, user);
    out.of_entry("routing", where, db.routing.has_value());
    if (where != routing::off) {
        out.of_entry(
            "read_consistency", effective_read_consistency(all, db), db.read_consistency.has_value()
        );
    }
}

void write_user(writer& out, const user& of) {
    out.begin(of.name, fmt::format("user {}", of.name));
    const auto own = [&](std::string_view key, const auto& value) {
        if (value) {
            out.of_entry(key, *value, true);
        }
    };
    own("pool_mode", of.pool_mode);
    own("pool_size", of.pool_size);
    own("reserve_pool_size", of.reserve_pool_size);
    own("max_user_connections", of.max_user_connections);
    own("max_user_client_connections", of.max_user_client_connections);
    own("query_timeout", of.query_timeout);
    own("query_wait_timeout", of.query_wait_timeout);
    own("idle_transaction_timeout", of.idle_transaction_timeout);
    own("transaction_timeout", of.transaction_timeout);
    own("client_idle_timeout", of.client_idle_timeout);
    own("routing", of.routing);
}

}  // namespace

std::string effective_text(const configuration& all) {
    writer out(all);
    out.line("; setting", "value", "where it comes from");
    out.title("[pgweir]");
    for (const config_row& row : show_config(all.global)) {
        const auto at = all.places.find(row.key);
        out.line(row.key, row.value, at == all.places.end() ? by_default : at->second);
    }
    out.title("[databases]");
    for (const auto& [name, db] : all.databases) {
        write_database(out, all, name, db);
    }
    if (all.autodb_template) {
        write_database(out, all, "*", *all.autodb_template);
    }
    if (!all.users.empty()) {
        out.title("[users]  ; what they have of their own, which wins over the above");
        for (const auto& [name, of] : all.users) {
            write_user(out, of);
        }
    }
    if (!all.peers.empty()) {
        out.title("[peers]");
        for (const auto& [id, peer] : all.peers) {
            const auto at = all.places.find(fmt::format("peer {}", id));
            out.line(
                fmt::format("{}", id),
                fmt::format("host={} port={}", peer.host, peer.port),
                at == all.places.end() ? "" : at->second
            );
        }
    }
    return std::move(out).text();
}

}  // namespace pgweir::config
