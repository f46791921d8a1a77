#pragma once

// The columns of every SHOW: name, type and where the value comes from. The order here is the order
// on the wire, and monitoring reads columns by their place as well as by name: nothing may be moved
// or put in between. Only result.cpp includes this file. Cells hold views into the row that they
// were read from.

#include "admin/snapshot.hpp"

#include <fmt/format.h>

#include <time.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace pgweir::admin {

/// OIDs of PostgreSQL's types (pg_type.dat).
enum class column_type : std::int32_t { int8 = 20, int4 = 23, text = 25, numeric = 1700 };

/// A number with two digits behind the point.
struct hundredths {
    std::uint64_t value;
};

/// NULL, a number or a text.
using cell = std::
    variant<std::monostate, std::int64_t, std::uint64_t, hundredths, std::string_view, std::string>;

template <typename Row>
struct column_spec {
    std::string_view name;
    column_type type;
    cell (*get)(const Row&);
};

// Values of members, whatever their type.

inline cell to_cell(std::string_view text) {
    return text;
}

inline cell to_cell(std::int64_t number) {
    return number;
}

inline cell to_cell(std::uint64_t number) {
    return number;
}

inline cell to_cell(bool flag) {
    return std::int64_t{flag ? 1 : 0};
}

inline cell to_cell(const std::string& text) {
    return std::string_view(text);
}

inline cell to_cell(const std::optional<std::string>& text) {
    return text ? to_cell(*text) : cell{};
}

inline cell to_cell(const std::optional<std::int64_t>& number) {
    return number ? to_cell(*number) : cell{};
}

/// The member of the row.
template <auto Member, typename Row>
cell field(const Row& row) {
    return to_cell(row.*Member);
}

// Values that are made from members.

/// The time of this machine's zone, as in 2024-05-01 12:00:00 CEST; monitoring counts on local
/// time.
inline std::string local_time(wall_time when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    localtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    const std::size_t length =
        std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %Z", &parts);
    return {text.data(), length};
}

inline std::int64_t whole_seconds(microseconds time) {
    return time.count() / 1'000'000;
}

inline std::int64_t rest_of_second(microseconds time) {
    return time.count() % 1'000'000;
}

/// SHOW USERS has its sizes as text, nine wide, empty if the user has none of its own.
inline cell padded(const std::optional<std::int64_t>& size) {
    return size ? cell{fmt::format("{:>9}", *size)} : cell{std::string_view{}};
}

template <auto Member>
cell padded_field(const user_row& row) {
    return padded(row.*Member);
}

// Tables of names and values.

template <typename Value>
struct named_value {
    std::string_view name;
    Value value;
};

using named_count = named_value<std::int64_t>;
using named_total = named_value<std::uint64_t>;
using named_text = named_value<std::string_view>;

inline constexpr column_spec<named_count> list_columns[] = {
    {"list", column_type::text, &field<&named_count::name>},
    {"items", column_type::int4, &field<&named_count::value>},
};

inline constexpr column_spec<named_total> total_columns[] = {
    {"name", column_type::text, &field<&named_total::name>},
    {"value", column_type::numeric, &field<&named_total::value>},
};

inline constexpr column_spec<named_text> state_columns[] = {
    {"key", column_type::text, &field<&named_text::name>},
    {"value", column_type::text, &field<&named_text::value>},
};

inline constexpr column_spec<named_text> version_columns[] = {
    {"version", column_type::text, &field<&named_text::value>},
};

// One row for each thing.

inline constexpr column_spec<pool_row> pool_columns[] = {
    {"database", column_type::text, &field<&pool_row::database>},
    {"user", column_type::text, &field<&pool_row::user>},
    {"cl_active", column_type::int4, &field<&pool_row::cl_active>},
    {"cl_waiting", column_type::int4, &field<&pool_row::cl_waiting>},
    {"cl_active_cancel_req", column_type::int4, &field<&pool_row::cl_active_cancel_req>},
    {"cl_waiting_cancel_req", column_type::int4, &field<&pool_row::cl_waiting_cancel_req>},
    {"sv_active", column_type::int4, &field<&pool_row::sv_active>},
    {"sv_active_cancel", column_type::int4, &field<&pool_row::sv_active_cancel>},
    {"sv_being_canceled", column_type::int4, &field<&pool_row::sv_being_canceled>},
    {"sv_idle", column_type::int4, &field<&pool_row::sv_idle>},
    {"sv_used", column_type::int4, &field<&pool_row::sv_used>},
    {"sv_tested", column_type::int4, &field<&pool_row::sv_tested>},
    {"sv_login", column_type::int4, &field<&pool_row::sv_login>},
    {"maxwait",
     column_type::int4,
     [](const pool_row& row) { return cell{whole_seconds(row.max_wait)}; }},
    {"maxwait_us",
     column_type::int4,
     [](const pool_row& row) { return cell{rest_of_second(row.max_wait)}; }},
    {"pool_mode", column_type::text, &field<&pool_row::pool_mode>},
    {"load_balance_hosts", column_type::text, &field<&pool_row::load_balance_hosts>},
};

inline constexpr column_spec<database_row> database_columns[] = {
    {"name", column_type::text, &field<&database_row::name>},
    {"host", column_type::text, &field<&database_row::host>},
    {"port", column_type::int4, &field<&database_row::port>},
    {"database", column_type::text, &field<&database_row::database>},
    {"force_user", column_type::text, &field<&database_row::force_user>},
    {"pool_size", column_type::int4, &field<&database_row::pool_size>},
    {"min_pool_size", column_type::int4, &field<&database_row::min_pool_size>},
    {"reserve_pool_size", column_type::int4, &field<&database_row::reserve_pool_size>},
    {"server_lifetime", column_type::int4, &field<&database_row::server_lifetime>},
    {"pool_mode", column_type::text, &field<&database_row::pool_mode>},
    {"load_balance_hosts", column_type::text, &field<&database_row::load_balance_hosts>},
    {"max_connections", column_type::int4, &field<&database_row::max_connections>},
    {"current_connections", column_type::int4, &field<&database_row::current_connections>},
    {"max_client_connections", column_type::int4, &field<&database_row::max_client_connections>},
    {"current_client_connections",
     column_type::int4,
     &field<&database_row::current_client_connections>},
    {"paused", column_type::int4, &field<&database_row::paused>},
    {"disabled", column_type::int4, &field<&database_row::disabled>},
};

inline constexpr column_spec<user_row> user_columns[] = {
    {"name", column_type::text, &field<&user_row::name>},
    {"pool_size", column_type::text, &padded_field<&user_row::pool_size>},
    {"reserve_pool_size", column_type::text, &padded_field<&user_row::reserve_pool_size>},
    {"pool_mode", column_type::text, &field<&user_row::pool_mode>},
    {"max_user_connections", column_type::int4, &field<&user_row::max_user_connections>},
    {"current_connections", column_type::int4, &field<&user_row::current_connections>},
    {"max_user_client_connections",
     column_type::int4,
     &field<&user_row::max_user_client_connections>},
    {"current_client_connections",
     column_type::int4,
     &field<&user_row::current_client_connections>},
};

// Clients and servers.

/// A client or server as the table at hand calls it.
struct shown_socket {
    const socket_row* row;
    std::string_view type;   // C or S
    std::string_view state;  // a static text
    int rank;                // order of the states in a pool
};

template <auto Member>
cell socket_field(const shown_socket& socket) {
    return to_cell(socket.row->*Member);
}

template <auto Member>
cell socket_name(const shown_socket& socket, std::string_view unknown) {
    const std::string& name = socket.row->*Member;
    return name.empty() ? to_cell(unknown) : to_cell(name);
}

/// PgBouncer shows addresses of its memory here, which are of use only to pair a client with its
/// server; ids do that as well and tell nothing to an attacker.
inline cell handle(std::uint64_t id) {
    return id == 0 ? cell{std::string_view{}} : cell{fmt::format("{:#x}", id)};
}

inline cell request_time(const socket_row& row) {
    const bool none = row.request_time == wall_time{};
    return local_time(none ? row.connect_time : row.request_time);
}

inline std::string_view name_of(replication_kind kind) {
    constexpr std::string_view names[] = {"none", "logical", "physical"};
    return names[static_cast<std::size_t>(kind)];
}

/// CLIENTS and SERVERS show the first 21, SOCKETS and ACTIVE_SOCKETS all.
inline constexpr column_spec<shown_socket> socket_columns[] = {
    {"type", column_type::text, &field<&shown_socket::type>},
    {"user",
     column_type::text,
     [](const shown_socket& s) { return socket_name<&socket_row::user>(s, "(nouser)"); }},
    {"database",
     column_type::text,
     [](const shown_socket& s) { return socket_name<&socket_row::database>(s, "(nodb)"); }},
    {"replication",
     column_type::text,
     [](const shown_socket& s) { return cell{name_of(s.row->replication)}; }},
    {"state", column_type::text, &field<&shown_socket::state>},
    {"addr", column_type::text, &socket_field<&socket_row::addr>},
    {"port", column_type::int4, &socket_field<&socket_row::port>},
    {"local_addr", column_type::text, &socket_field<&socket_row::local_addr>},
    {"local_port", column_type::int4, &socket_field<&socket_row::local_port>},
    {"connect_time",
     column_type::text,
     [](const shown_socket& s) { return cell{local_time(s.row->connect_time)}; }},
    {"request_time", column_type::text, [](const shown_socket& s) { return request_time(*s.row); }},
    {"wait",
     column_type::int4,
     [](const shown_socket& s) { return cell{whole_seconds(s.row->wait)}; }},
    {"wait_us",
     column_type::int4,
     [](const shown_socket& s) { return cell{rest_of_second(s.row->wait)}; }},
    {"close_needed", column_type::int4, &socket_field<&socket_row::close_needed>},
    {"ptr", column_type::text, [](const shown_socket& s) { return handle(s.row->id); }},
    {"link", column_type::text, [](const shown_socket& s) { return handle(s.row->link_id); }},
    {"remote_pid", column_type::int4, &socket_field<&socket_row::remote_pid>},
    {"tls", column_type::text, &socket_field<&socket_row::tls>},
    {"application_name", column_type::text, &socket_field<&socket_row::application_name>},
    {"prepared_statements", column_type::int4, &socket_field<&socket_row::prepared_statements>},
    {"id", column_type::int4, &socket_field<&socket_row::id>},
    {"recv_pos", column_type::int4, &socket_field<&socket_row::recv_pos>},
    {"pkt_pos", column_type::int4, &socket_field<&socket_row::pkt_pos>},
    {"pkt_remain", column_type::int4, &socket_field<&socket_row::pkt_remain>},
    {"send_pos", column_type::int4, &socket_field<&socket_row::send_pos>},
    {"send_remain", column_type::int4, &socket_field<&socket_row::send_remain>},
    {"pkt_avail", column_type::int4, &socket_field<&socket_row::pkt_avail>},
    {"send_avail", column_type::int4, &socket_field<&socket_row::send_avail>},
};

inline constexpr std::size_t short_socket_columns = 21;

// Statistics. Names differ between the tables that show the same counter.

template <auto Counter>
cell total(const stats_row& row) {
    return row.total.*Counter;
}

template <auto Counter>
cell averaged(const stats_row& row) {
    return row.average.*Counter;
}

inline constexpr column_spec<stats_row> stats_columns[] = {
    {"database", column_type::text, &field<&stats_row::database>},
    {"total_server_assignment_count",
     column_type::numeric,
     &total<&stats_counters::server_assignment_count>},
    {"total_xact_count", column_type::numeric, &total<&stats_counters::xact_count>},
    {"total_query_count", column_type::numeric, &total<&stats_counters::query_count>},
    {"total_received", column_type::numeric, &total<&stats_counters::bytes_received>},
    {"total_sent", column_type::numeric, &total<&stats_counters::bytes_sent>},
    {"total_xact_time", column_type::numeric, &total<&stats_counters::xact_time>},
    {"total_query_time", column_type::numeric, &total<&stats_counters::query_time>},
    {"total_wait_time", column_type::numeric, &total<&stats_counters::wait_time>},
    {"total_client_parse_count", column_type::numeric, &total<&stats_counters::client_parse_count>},
    {"total_server_parse_count", column_type::numeric, &total<&stats_counters::server_parse_count>},
    {"total_bind_count", column_type::numeric, &total<&stats_counters::bind_count>},
    {"total_client_login_count", column_type::numeric, &total<&stats_counters::client_login_count>},
    {"avg_server_assignment_count",
     column_type::numeric,
     &averaged<&stats_counters::server_assignment_count>},
    {"avg_xact_count", column_type::numeric, &averaged<&stats_counters::xact_count>},
    {"avg_query_count", column_type::numeric, &averaged<&stats_counters::query_count>},
    {"avg_recv", column_type::numeric, &averaged<&stats_counters::bytes_received>},
    {"avg_sent", column_type::numeric, &averaged<&stats_counters::bytes_sent>},
    {"avg_xact_time", column_type::numeric, &averaged<&stats_counters::xact_time>},
    {"avg_query_time", column_type::numeric, &averaged<&stats_counters::query_time>},
    {"avg_wait_time", column_type::numeric, &averaged<&stats_counters::wait_time>},
    {"avg_client_parse_count",
     column_type::numeric,
     &averaged<&stats_counters::client_parse_count>},
    {"avg_server_parse_count",
     column_type::numeric,
     &averaged<&stats_counters::server_parse_count>},
    {"avg_bind_count", column_type::numeric, &averaged<&stats_counters::bind_count>},
    {"avg_client_login_count",
     column_type::numeric,
     &averaged<&stats_counters::client_login_count>},
};

inline constexpr column_spec<stats_row> stats_total_columns[] = {
    {"database", column_type::text, &field<&stats_row::database>},
    {"server_assignment_count",
     column_type::numeric,
     &total<&stats_counters::server_assignment_count>},
    {"xact_count", column_type::numeric, &total<&stats_counters::xact_count>},
    {"query_count", column_type::numeric, &total<&stats_counters::query_count>},
    {"bytes_received", column_type::numeric, &total<&stats_counters::bytes_received>},
    {"bytes_sent", column_type::numeric, &total<&stats_counters::bytes_sent>},
    {"xact_time", column_type::numeric, &total<&stats_counters::xact_time>},
    {"query_time", column_type::numeric, &total<&stats_counters::query_time>},
    {"wait_time", column_type::numeric, &total<&stats_counters::wait_time>},
    {"client_parse_count", column_type::numeric, &total<&stats_counters::client_parse_count>},
    {"server_parse_count", column_type::numeric, &total<&stats_counters::server_parse_count>},
    {"bind_count", column_type::numeric, &total<&stats_counters::bind_count>},
    {"client_login_count", column_type::numeric, &total<&stats_counters::client_login_count>},
};

inline constexpr column_spec<stats_row> stats_average_columns[] = {
    {"database", column_type::text, &field<&stats_row::database>},
    {"server_assignment_count",
     column_type::numeric,
     &averaged<&stats_counters::server_assignment_count>},
    {"xact_count", column_type::numeric, &averaged<&stats_counters::xact_count>},
    {"query_count", column_type::numeric, &averaged<&stats_counters::query_count>},
    {"bytes_received", column_type::numeric, &averaged<&stats_counters::bytes_received>},
    {"bytes_sent", column_type::numeric, &averaged<&stats_counters::bytes_sent>},
    {"xact_time", column_type::numeric, &averaged<&stats_counters::xact_time>},
    {"query_time", column_type::numeric, &averaged<&stats_counters::query_time>},
    {"wait_time", column_type::numeric, &averaged<&stats_counters::wait_time>},
    {"avg_client_parse_count",
     column_type::numeric,
     &averaged<&stats_counters::client_parse_count>},
    {"avg_server_parse_count",
     column_type::numeric,
     &averaged<&stats_counters::server_parse_count>},
    {"avg_bind_count", column_type::numeric, &averaged<&stats_counters::bind_count>},
    {"avg_client_login_count",
     column_type::numeric,
     &averaged<&stats_counters::client_login_count>},
};

/// A list and how many things are on it, in the order of SHOW LISTS.
struct list_entry {
    std::string_view name;
    std::int64_t list_counts::*count;
};

inline constexpr list_entry list_entries[] = {
    {"databases", &list_counts::databases},
    {"users", &list_counts::users},
    {"peers", &list_counts::peers},
    {"pools", &list_counts::pools},
    {"peer_pools", &list_counts::peer_pools},
    {"free_clients", &list_counts::free_clients},
    {"used_clients", &list_counts::used_clients},
    {"login_clients", &list_counts::login_clients},
    {"free_servers", &list_counts::free_servers},
    {"used_servers", &list_counts::used_servers},
    {"dns_names", &list_counts::dns_names},
    {"dns_zones", &list_counts::dns_zones},
    {"dns_queries", &list_counts::dns_queries},
    {"dns_pending", &list_counts::dns_pending},
};

/// A counter under its names in SHOW TOTALS: the sum, and the average.
struct total_entry {
    std::string_view total;
    std::string_view average;
    std::uint64_t stats_counters::*counter;
};

inline constexpr total_entry total_entries[] = {
    {"total_server_assignment_count",
     "avg_server_assignment_count",
     &stats_counters::server_assignment_count},
    {"total_xact_count", "avg_xact_count", &stats_counters::xact_count},
    {"total_query_count", "avg_query_count", &stats_counters::query_count},
    {"total_client_bytes", "avg_client_bytes", &stats_counters::bytes_received},
    {"total_server_bytes", "avg_server_bytes", &stats_counters::bytes_sent},
    {"total_xact_time", "avg_xact_time", &stats_counters::xact_time},
    {"total_query_time", "avg_query_time", &stats_counters::query_time},
    {"total_wait_time", "avg_wait_time", &stats_counters::wait_time},
    {"total_ps_client_parse_count",
     "avg_ps_client_parse_count",
     &stats_counters::client_parse_count},
    {"total_ps_server_parse_count",
     "avg_ps_server_parse_count",
     &stats_counters::server_parse_count},
    {"total_ps_bind_count", "avg_ps_bind_count", &stats_counters::bind_count},
    {"total_client_login_count", "avg_client_login_count", &stats_counters::client_login_count},
};

// The rest.

inline constexpr column_spec<config::config_row> config_columns[] = {
    {"key", column_type::text, &field<&config::config_row::key>},
    {"value", column_type::text, &field<&config::config_row::value>},
    {"default", column_type::text, &field<&config::config_row::default_value>},
    {"changeable",
     column_type::text,
     [](const config::config_row& row) {
         return to_cell(std::string_view(row.changeable ? "yes" : "no"));
     }},
};

inline constexpr column_spec<mem_row> mem_columns[] = {
    {"name", column_type::text, &field<&mem_row::name>},
    {"size", column_type::int4, &field<&mem_row::size>},
    {"used", column_type::int4, &field<&mem_row::used>},
    {"free", column_type::int4, &field<&mem_row::free>},
    {"memtotal", column_type::int4, &field<&mem_row::memtotal>},
};

inline constexpr column_spec<peer_row> peer_columns[] = {
    {"peer_id", column_type::int4, &field<&peer_row::peer_id>},
    {"host", column_type::text, &field<&peer_row::host>},
    {"port", column_type::int4, &field<&peer_row::port>},
    {"pool_size", column_type::int4, &field<&peer_row::pool_size>},
};

inline constexpr column_spec<peer_pool_row> peer_pool_columns[] = {
    {"peer_id", column_type::int4, &field<&peer_pool_row::peer_id>},
    {"cl_active_cancel_req", column_type::int4, &field<&peer_pool_row::cl_active_cancel_req>},
    {"cl_waiting_cancel_req", column_type::int4, &field<&peer_pool_row::cl_waiting_cancel_req>},
    {"sv_active_cancel", column_type::int4, &field<&peer_pool_row::sv_active_cancel>},
    {"sv_login", column_type::int4, &field<&peer_pool_row::sv_login>},
};

inline constexpr column_spec<topology_row> topology_columns[] = {
    {"database", column_type::text, &field<&topology_row::database>},
    {"cluster", column_type::int4, &field<&topology_row::cluster>},
    {"host", column_type::text, &field<&topology_row::host>},
    {"port", column_type::int4, &field<&topology_row::port>},
    {"address", column_type::text, &field<&topology_row::address>},
    {"role", column_type::text, &field<&topology_row::role>},
    {"state", column_type::text, &field<&topology_row::state>},
    {"timeline", column_type::int8, &field<&topology_row::timeline>},
    {"lsn", column_type::text, &field<&topology_row::lsn>},
    {"received", column_type::text, &field<&topology_row::received>},
    {"lag_bytes", column_type::int8, &field<&topology_row::lag_bytes>},
    {"lag_ms", column_type::int8, &field<&topology_row::lag_ms>},
    {"weight", column_type::int4, &field<&topology_row::weight>},
    {"age_ms", column_type::int8, &field<&topology_row::age_ms>},
    {"why", column_type::text, &field<&topology_row::why>},
};

/// An average; 0 of nothing.
inline cell events_per_turn(const worker_row& row) {
    return hundredths{row.turns == 0 ? 0 : row.events * 100 / row.turns};
}

inline constexpr column_spec<worker_row> worker_columns[] = {
    {"worker", column_type::int4, &field<&worker_row::worker>},
    {"engine", column_type::text, &field<&worker_row::engine>},
    {"clients", column_type::int4, &field<&worker_row::clients>},
    {"servers", column_type::int4, &field<&worker_row::servers>},
    {"turns", column_type::numeric, &field<&worker_row::turns>},
    {"events", column_type::numeric, &field<&worker_row::events>},
    {"events_per_turn", column_type::numeric, &events_per_turn},
    {"migrations_in", column_type::numeric, &field<&worker_row::migrations_in>},
    {"migrations_out", column_type::numeric, &field<&worker_row::migrations_out>},
    {"accepted", column_type::numeric, &field<&worker_row::accepted>},
};

inline constexpr column_spec<routing_row> routing_columns[] = {
    {"what", column_type::text, &field<&routing_row::what>},
    {"reason", column_type::text, &field<&routing_row::reason>},
    {"count", column_type::numeric, &field<&routing_row::count>},
};

inline constexpr column_spec<dns_host_row> dns_host_columns[] = {
    {"hostname", column_type::text, &field<&dns_host_row::hostname>},
    {"ttl", column_type::int8, &field<&dns_host_row::ttl>},
    {"addrs", column_type::text, &field<&dns_host_row::addrs>},
};

inline constexpr column_spec<dns_zone_row> dns_zone_columns[] = {
    {"zonename", column_type::text, &field<&dns_zone_row::zonename>},
    {"serial", column_type::int8, &field<&dns_zone_row::serial>},
    {"count", column_type::int4, &field<&dns_zone_row::count>},
};

}  // namespace pgweir::admin
