#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <utility>

namespace pgweir::config {

namespace {

using enum change;
using enum support;
using s = settings;

constexpr access<settings> auth_database() {
    auto made = text<&s::auth_dbname>();
    made.parse = [](settings& to, std::string_view value) -> result<void> {
        if (is_console_name(value)) {
            return bad_value(value, "a database of PostgreSQL, not the console");
        }
        to.auth_dbname = value;
        return {};
    };
    return made;
}

constexpr int most_workers = 1024;

/// A number, or "auto" for 0.
constexpr access<settings> worker_threads() {
    auto made = number<&s::workers, 1, most_workers>();
    made.parse = [](settings& to, std::string_view text) -> result<void> {
        if (equal_ignoring_case(text, "auto")) {
            to.workers = 0;
            return {};
        }
        const auto count = parse_number(text, 1, most_workers);
        if (!count) {
            return bad_value(
                text, fmt::format("auto or a whole number from 1 to {}", most_workers)
            );
        }
        return store<&s::workers>(to, count);
    };
    made.show = [](const settings& from) {
        return from.workers == 0 ? std::string("auto") : fmt::format("{}", from.workers);
    };
    return made;
}

/// Neither so often that the servers have nothing else to do, nor so seldom that nobody knows them.
constexpr access<settings> time_between_probes() {
    auto made = time<&s::topology_interval>();
    made.parse = [](settings& to, std::string_view text) -> result<void> {
        const auto value = parse_seconds(text);
        if (!value || *value < milliseconds(10) || *value > seconds(60)) {
            return bad_value(text, "seconds from 0.01 to 60");
        }
        return store<&s::topology_interval>(to, value);
    };
    return made;
}

constexpr access<settings> facility() {
    auto made = text<&s::syslog_facility>();
    made.parse = [](settings& to, std::string_view text) -> result<void> {
        constexpr std::string_view known[] = {
            "auth",   "authpriv", "cron",   "daemon", "ftp",    "kern",   "local0",
            "local1", "local2",   "local3", "local4", "local5", "local6", "local7",
            "lpr",    "mail",     "news",   "syslog", "user",   "uucp",
        };
        for (const std::string_view name : known) {
            if (equal_ignoring_case(name, text)) {
                to.syslog_facility = name;
                return {};
            }
        }
        return bad_value(text, fmt::format("one of {}", fmt::join(known, ", ")));
    };
    return made;
}

// clang-format off
constexpr key table[] = {
    {"admin_users",                 word_list<&s::admin_users>(),                   reload,  built},
    {"application_name_add_host",   flag<&s::application_name_add_host>(),          reload,  built},
    {"auth_dbname",                 auth_database(),                                reload,  built},
    {"auth_file",                   text<&s::auth_file>(),                          reload,  built},
    {"auth_hba_file",               text<&s::auth_hba_file>(),                      reload,  built},
    {"auth_ident_file",             text<&s::auth_ident_file>(),                    reload,  built},
    {"auth_ldap_options",           hidden<&s::auth_ldap_options>(),                reload,  built},
    {"auth_pam_service",            text<&s::auth_pam_service>(),                   reload,  built},
    {"auth_query",                  text<&s::auth_query>(),                         reload,  built},
    {"auth_query_cache_size",       number<&s::auth_query_cache_size, 1>(),         reload,  built},
    {"auth_query_cache_time",       time<&s::auth_query_cache_time>(),              reload,  built},
    {"auth_type",                   word<&s::auth_type>(),                          reload,  built},
    {"auth_user",                   text<&s::auth_user>(),                          reload,  built},
    {"autodb_idle_timeout",         time<&s::autodb_idle_timeout>(),                reload,  built},
    {"cache_unnamed_statements",    flag<&s::cache_unnamed_statements>(),           reload,  built},
    {"cancel_wait_timeout",         time<&s::cancel_wait_timeout>(),                reload,  built},
    {"client_idle_timeout",         time<&s::client_idle_timeout>(),                reload,  built},
    {"client_login_timeout",        time<&s::client_login_timeout>(),               reload,  built},
    {"client_tls13_ciphers",        text<&s::client_tls13_ciphers>(),               reload,  built},
    {"client_tls_ca_file",          text<&s::client_tls_ca_file>(),                 reload,  built},
    {"client_tls_cert_file",        text<&s::client_tls_cert_file>(),               reload,  built},
    {"client_tls_ciphers",          text<&s::client_tls_ciphers>(),                 reload,  built},
    {"client_tls_dheparams",        text<&s::client_tls_dheparams>(),               reload,  built},
    {"client_tls_ecdhcurve",        text<&s::client_tls_ecdhcurve>(),               reload,  built},
    {"client_tls_key_file",         text<&s::client_tls_key_file>(),                reload,  built},
    {"client_tls_protocols",        text<&s::client_tls_protocols>(),               reload,  built},
    {"client_tls_sslmode",          word<&s::client_tls_sslmode>(),                 reload,  built},
    {"conffile",                    text<&s::conffile>(),                           reload,  built},
    {"default_pool_size",           number<&s::default_pool_size>(),                reload,  built},
    {"deferred_begin",              flag<&s::deferred_begin>(),                     reload,  built},
    {"disable_pqexec",              flag<&s::disable_pqexec>(),                     reload,  built},
    {"dns_max_ttl",                 time<&s::dns_max_ttl>(),                        reload,  built},
    {"dns_nxdomain_ttl",            time<&s::dns_nxdomain_ttl>(),                   reload,  built},
    {"dns_zone_check_period",       time<&s::dns_zone_check_period>(),              reload,  built},
    {"failover_wait_clients",       number<&s::failover_wait_clients>(),            reload,  built},
    {"failover_wait_timeout",       time<&s::failover_wait_timeout>(),              reload,  built},
    {"idle_transaction_timeout",    time<&s::idle_transaction_timeout>(),           reload,  built},
    {"ignore_startup_parameters",   word_list<&s::ignore_startup_parameters>(),     reload,  built},
    {"io_engine",                   word<&s::io_engine>(),                          restart, built},
    {"job_name",                    text<&s::job_name>(),                           restart, moot},
    {"listen_addr",                 list<&s::listen_addr>(),                        restart, built},
    {"listen_backlog",              number<&s::listen_backlog, 1>(),                restart, built},
    {"listen_port",                 number<&s::listen_port, 0, 65535>(),            restart, built},
    {"listen_port_primary",         number<&s::listen_port_primary, 0, 65535>(),    restart, built},
    {"listen_port_standby",         number<&s::listen_port_standby, 0, 65535>(),    restart, built},
    {"log_connections",             flag<&s::log_connections>(),                    reload,  built},
    {"log_disconnections",          flag<&s::log_disconnections>(),                 reload,  built},
    {"log_pooler_errors",           flag<&s::log_pooler_errors>(),                  reload,  built},
    {"log_stats",                   flag<&s::log_stats>(),                          reload,  built},
    {"logfile",                     text<&s::logfile>(),                            reload,  built},
    {"login_notify_message",        text<&s::login_notify_message>(),               reload,  built},
    {"max_client_conn",             number<&s::max_client_conn>(),                  reload,  built},
    {"max_db_client_connections",   number<&s::max_db_client_connections>(),        reload,  built},
    {"max_db_connections",          number<&s::max_db_connections>(),               reload,  built},
    {"max_packet_size",             number<&s::max_packet_size, 1>(),               reload,  built},
    {"max_prepared_memory",         number<&s::max_prepared_memory>(),              reload,  built},
    {"max_prepared_statements",     number<&s::max_prepared_statements>(),          reload,  built},
    {"max_standby_lag",             size<&s::max_standby_lag>(),                    reload,  built},
    {"max_standby_lag_time",        time<&s::max_standby_lag_time>(),               reload,  built},
    {"max_user_client_connections", number<&s::max_user_client_connections>(),      reload,  built},
    {"max_user_connections",        number<&s::max_user_connections>(),             reload,  built},
    {"min_pool_size",               number<&s::min_pool_size>(),                    reload,  built},
    {"peer_id",                     number<&s::peer_id, 0, 16383>(),                reload,  built},
    {"pidfile",                     text<&s::pidfile>(),                            restart, built},
    {"pkt_buf",                     number<&s::pkt_buf>(),                          restart, moot},
    {"pool_mode",                   word<&s::pool_mode>(),                          reload,  built},
    {"pool_idle_timeout",           time<&s::pool_idle_timeout>(),                  reload,  built},
    {"primary_wait_timeout",        time<&s::primary_wait_timeout>(),               reload,  built},
    {"query_timeout",               time<&s::query_timeout>(),                      reload,  built},
    {"query_wait_notify",           whole_seconds<&s::query_wait_notify>(),         reload,  built},
    {"query_wait_timeout",          time<&s::query_wait_timeout>(),                 reload,  built},
    {"read_consistency",            word<&s::read_consistency>(),                   reload,  built},
    {"read_from_primary",           flag<&s::read_from_primary>(),                  reload,  built},
    {"read_wait_timeout",           time<&s::read_wait_timeout>(),                  reload,  built},
    {"reserve_pool_size",           number<&s::reserve_pool_size>(),                reload,  built},
    {"reserve_pool_timeout",        time<&s::reserve_pool_timeout>(),               reload,  built},
    {"resolv_conf",                 text<&s::resolv_conf>(),                        restart, not_built},
    {"routing",                     word<&s::routing>(),                            reload,  built},
    {"sbuf_loopcnt",                number<&s::sbuf_loopcnt>(),                     reload,  moot},
    {"scram_iterations",            number<&s::scram_iterations, 1>(),              reload,  built},
    {"server_check_delay",          time<&s::server_check_delay>(),                 reload,  built},
    {"server_check_query",          text<&s::server_check_query>(),                 reload,  built},
    {"server_connect_timeout",      time<&s::server_connect_timeout>(),             reload,  built},
    {"server_fast_close",           flag<&s::server_fast_close>(),                  reload,  built},
    {"server_idle_timeout",         time<&s::server_idle_timeout>(),                reload,  built},
    {"server_lifetime",             time<&s::server_lifetime>(),                    reload,  built},
    {"server_login_retry",          time<&s::server_login_retry>(),                 reload,  built},
    {"server_reset_query",          text<&s::server_reset_query>(),                 reload,  built},
    {"server_reset_query_always",   flag<&s::server_reset_query_always>(),          reload,  built},
    {"server_round_robin",          flag<&s::server_round_robin>(),                 reload,  built},
    {"server_tls13_ciphers",        text<&s::server_tls13_ciphers>(),               reload,  built},
    {"server_tls_ca_file",          text<&s::server_tls_ca_file>(),                 reload,  built},
    {"server_tls_cert_file",        text<&s::server_tls_cert_file>(),               reload,  built},
    {"server_tls_ciphers",          text<&s::server_tls_ciphers>(),                 reload,  built},
    {"server_tls_key_file",         text<&s::server_tls_key_file>(),                reload,  built},
    {"server_tls_protocols",        text<&s::server_tls_protocols>(),               reload,  built},
    {"server_tls_sslmode",          word<&s::server_tls_sslmode>(),                 reload,  built},
    {"service_name",                text<&s::service_name>(),                       restart, moot},
    {"so_reuseport",                flag<&s::so_reuseport>(),                       restart, built},
    {"stats_period",                whole_seconds<&s::stats_period, 1>(),           reload,  built},
    {"stats_users",                 word_list<&s::stats_users>(),                   reload,  built},
    {"suspend_timeout",             time<&s::suspend_timeout>(),                    reload,  not_built},
    {"syslog",                      flag<&s::syslog>(),                             reload,  built},
    {"syslog_facility",             facility(),                                     reload,  built},
    {"syslog_ident",                text<&s::syslog_ident>(),                       reload,  built},
    {"tcp_defer_accept",            flag<&s::tcp_defer_accept>(),                   reload,  built},
    {"tcp_keepalive",               flag<&s::tcp_keepalive>(),                      reload,  built},
    {"tcp_keepcnt",                 number<&s::tcp_keepcnt>(),                      reload,  built},
    {"tcp_keepidle",                number<&s::tcp_keepidle>(),                     reload,  built},
    {"tcp_keepintvl",               number<&s::tcp_keepintvl>(),                    reload,  built},
    {"tcp_socket_buffer",           number<&s::tcp_socket_buffer>(),                reload,  built},
    {"tcp_user_timeout",            number<&s::tcp_user_timeout>(),                 reload,  built},
    {"topology_dbname",             text<&s::topology_dbname>(),                    reload,  built},
    {"topology_interval",           time_between_probes(),                          reload,  built},
    {"topology_password",           text<&s::topology_password>(),                  reload,  built},
    {"topology_state_file",         text<&s::topology_state_file>(),                reload,  built},
    {"topology_user",               text<&s::topology_user>(),                      reload,  built},
    {"track_extra_parameters",      word_list<&s::track_extra_parameters>(),        restart, built},
    {"transaction_timeout",         time<&s::transaction_timeout>(),                reload,  built},
    {"unix_socket_dir",             text<&s::unix_socket_dir>(),                    restart, built},
    {"unix_socket_group",           text<&s::unix_socket_group>(),                  restart, built},
    {"unix_socket_mode",            file_mode<&s::unix_socket_mode>(),              restart, built},
    {"user",                        text<&s::user>(),                               restart, built},
    {"verbose",                     number<&s::verbose>(),                          reload,  built},
    {"workers",                     worker_threads(),                               restart, built},
};

// clang-format on

/// Levenshtein's distance: letters to change, add or leave out.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

}  // namespace

std::span<const key> keys() noexcept {
    return table;
}

const key* find_key(std::string_view name) noexcept {
    const auto* found = std::find_if(std::begin(table), std::end(table), [&](const key& k) {
        return k.name == name;
    });
    return found == std::end(table) ? nullptr : found;
}

bool is_ignored(const key& of, const settings& set) {
    switch (of.state) {
        case built:
        case moot:
            return false;
        case not_built:
            return of.value.show(set) != of.value.show(settings{});
    }
    return false;
}

std::string unknown_name(
    std::string_view what, std::string_view name, const std::vector<std::string_view>& known
) {
    constexpr std::size_t longest_shown = 60;
    constexpr std::size_t few = 12;
    const std::string_view shown = name.substr(0, longest_shown);
    const std::size_t close_enough = std::max<std::size_t>(2, shown.size() / 3);
    std::string_view nearest;
    std::size_t nearest_distance = close_enough + 1;
    for (const std::string_view candidate : known) {
        if (const std::size_t away = distance(shown, candidate); away < nearest_distance) {
            nearest = candidate;
            nearest_distance = away;
        }
    }
    if (!nearest.empty()) {
        return fmt::format("unknown {} \"{}\", did you mean \"{}\"?", what, shown, nearest);
    }
    if (known.size() <= few) {
        return fmt::format(
            "unknown {} \"{}\", expected one of {}", what, shown, fmt::join(known, ", ")
        );
    }
    return fmt::format("unknown {} \"{}\", expected a key of PgBouncer or pgweir", what, shown);
}

}  // namespace pgweir::config
