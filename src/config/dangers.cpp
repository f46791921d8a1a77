#include "config/dangers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace pgweir::config {

namespace {

/// The process's own: listening, logs, rings, one for each thread that asks.
constexpr unsigned long own_descriptors = 64;

bool is_of_this_machine(std::string_view address) noexcept {
    return address == "localhost" || address.starts_with("127.") || address == "::1";
}

/// An address that others can reach; empty if there is none.
std::string_view open_address(const settings& global) noexcept {
    const auto& all = global.listen_addr;
    const auto found = std::find_if(all.begin(), all.end(), [](const std::string& address) {
        return !is_of_this_machine(address);
    });
    return found == all.end() ? std::string_view() : std::string_view(*found);
}

bool sends_passwords_in_clear(auth_type type) noexcept {
    return type == auth_type::plain || type == auth_type::pam || type == auth_type::ldap;
}

class search {
public:
    search(const configuration& all, unsigned long descriptors)
        : all_(all), global_(all.global), descriptors_(descriptors) {}

    std::vector<finding> run() {
        log_ins();
        waiting();
        limits();
        sessions();
        for (const auto& [name, db] : all_.databases) {
            database_entry(name, db);
        }
        return std::move(found_);
    }

private:
    template <typename... Args>
    void danger(fmt::format_string<Args...> text, Args&&... args) {
        found_.push_back({severity::danger, fmt::format(text, std::forward<Args>(args)...)});
    }

    template <typename... Args>
    void note(fmt::format_string<Args...> text, Args&&... args) {
        found_.push_back({severity::note, fmt::format(text, std::forward<Args>(args)...)});
    }

    void log_ins() {
        const std::string_view address = open_address(global_);
        const auto type = global_.auth_type;
        const bool no_password = type == auth_type::any || type == auth_type::trust;
        if (!address.empty() && no_password) {
            danger(
                "auth_type = {} with listen_addr = {}: whoever reaches that address is let in "
                "without a "
                "password; set auth_type = scram-sha-256, or listen on 127.0.0.1",
                name_of(type),
                address
            );
        }
        if (!address.empty() && sends_passwords_in_clear(type) &&
            global_.client_tls_sslmode != tls_mode::require &&
            global_.client_tls_sslmode != tls_mode::verify_ca &&
            global_.client_tls_sslmode != tls_mode::verify_full) {
            danger(
                "auth_type = {} with listen_addr = {}: passwords cross the network in clear; set "
                "client_tls_sslmode = require",
                name_of(type),
                address
            );
        }
        if (global_.admin_users.empty()) {
            note(
                "admin_users is empty: only user pgbouncer over the Unix socket can PAUSE and "
                "RELOAD"
            );
        }
    }

    void waiting() {
        if (global_.query_wait_timeout.count() == 0) {
            danger(
                "query_wait_timeout = 0: when all servers are busy, or none answers, clients wait "
                "for "
                "ever; 120 is the default"
            );
        }
        if (global_.reserve_pool_size > 0 && global_.reserve_pool_timeout.count() == 0) {
            danger(
                "reserve_pool_size = {} with reserve_pool_timeout = 0: the reserve is never used; "
                "3 "
                "seconds are usual",
                global_.reserve_pool_size
            );
        }
        if (global_.reserve_pool_size > 0 && global_.query_wait_timeout.count() > 0 &&
            global_.reserve_pool_timeout >= global_.query_wait_timeout) {
            danger(
                "reserve_pool_timeout is not below query_wait_timeout: clients are sent away "
                "before the "
                "reserve is used"
            );
        }
        if (global_.server_lifetime.count() == 0) {
            danger(
                "server_lifetime = 0: each server connection is used once and closed, as if there "
                "were "
                "no pool; 3600 is the default"
            );
        }
    }

    void limits() {
        const auto clients = static_cast<unsigned long>(std::max(global_.max_client_conn, 0));
        if (descriptors_ != 0 && clients + own_descriptors > descriptors_) {
            danger(
                "max_client_conn = {} with a limit of {} open files: clients beyond it, and "
                "servers, "
                "will not get a connection; raise the limit (LimitNOFILE in the unit, ulimit -n)",
                global_.max_client_conn,
                descriptors_
            );
        }
        if (all_.databases.empty() && !all_.autodb_template) {
            danger("there is no database: add one to [databases], such as  app = host=127.0.0.1");
        }
    }

    void sessions() {
        const bool shared = global_.pool_mode != pool_mode::session;
        if (shared && !global_.server_reset_query_always &&
            global_.server_reset_query != settings{}.server_reset_query &&
            !global_.server_reset_query.empty()) {
            note(
                "server_reset_query is run in session mode only; in {} mode nothing of a session "
                "stays "
                "on a server",
                name_of(global_.pool_mode)
            );
        }
    }

    void database_entry(std::string_view name, const database& db) {
        const std::string_view user = db.user ? std::string_view(*db.user) : std::string_view();
        const int size = effective_pool_size(all_, db, user);
        const int least = effective_min_pool_size(all_, db);
        const int most = effective_max_db_connections(all_, db);
        if (size > 0 && least > size) {
            danger("{}: min_pool_size {} is above its pool_size {}", name, least, size);
        }
        if (most > 0 && size > most) {
            danger(
                "{}: pool_size {} is above its max_db_connections {}, which counts",
                name,
                size,
                most
            );
        }
        if (most > 0 && least > most) {
            danger("{}: min_pool_size {} is above its max_db_connections {}", name, least, most);
        }
    }

    const configuration& all_;
    const settings& global_;
    unsigned long descriptors_;
    std::vector<finding> found_;
};

}  // namespace

std::vector<finding> dangers_of(const configuration& all, unsigned long descriptors) {
    return search(all, descriptors).run();
}

}  // namespace pgweir::config
