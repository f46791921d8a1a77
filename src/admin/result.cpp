#include "admin/result.hpp"

#include "admin/columns.hpp"
#include "protocol/message.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <set>
#include <span>
#include <tuple>

namespace pgweir::admin {

namespace {

constexpr std::string_view help_text =
    "\n"
    "\tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION\n"
    "\tSHOW PEERS|PEER_POOLS\n"
    "\tSHOW SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE\n"
    "\tSHOW DNS_HOSTS|DNS_ZONES\n"
    "\tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS\n"
    "\tSHOW ROUTING|TOPOLOGY|WORKERS\n"
    "\tSET key = arg\n"
    "\tRELOAD\n"
    "\tPAUSE [<db>]\n"
    "\tRESUME [<db>]\n"
    "\tDISABLE <db>\n"
    "\tENABLE <db>\n"
    "\tRECONNECT [<db>]\n"
    "\tKILL [<db>]\n"
    "\tKILL_CLIENT <client_id>\n"
    "\tSHUTDOWN\n"
    "\tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS\n"
    "\tWAIT_CLOSE [<db>]";

constexpr std::int16_t binary_format = 1;

// Values on the wire.

template <typename Number>
void append_big_endian(std::string& out, Number value) {
    const auto bits = static_cast<std::uint64_t>(value);
    for (int shift = 8 * (static_cast<int>(sizeof(Number)) - 1); shift >= 0; shift -= 8) {
        out += static_cast<char>(static_cast<unsigned char>(bits >> static_cast<unsigned>(shift)));
    }
}

/// Digits of base 10000, the highest first; the weight is the power of the first (numeric_send in
/// PostgreSQL's numeric.c).
void append_numeric(std::string& out, std::uint64_t whole, std::uint64_t hundredth, int scale) {
    std::vector<std::int16_t> digits;
    if (hundredth > 0) {
        digits.push_back(static_cast<std::int16_t>(hundredth * 100));
    }
    std::int16_t weight = -1;
    for (; whole > 0; whole /= 10'000) {
        digits.push_back(static_cast<std::int16_t>(whole % 10'000));
        weight++;
    }
    append_big_endian(out, static_cast<std::int16_t>(digits.size()));
    append_big_endian(out, digits.empty() ? std::int16_t{0} : weight);
    append_big_endian(out, std::int16_t{0});  // positive
    append_big_endian(out, static_cast<std::int16_t>(scale));
    for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
        append_big_endian(out, *digit);
    }
}

/// A driver that reads int4 fails on a larger number, so the largest stands for what is beyond.
std::int64_t in_range(std::int64_t value, column_type type) noexcept {
    using limits = std::numeric_limits<std::int32_t>;
    return type == column_type::int4
               ? std::clamp(value, std::int64_t{limits::min()}, std::int64_t{limits::max()})
               : value;
}

std::int64_t to_signed(std::uint64_t value) noexcept {
    constexpr auto largest = std::numeric_limits<std::int64_t>::max();
    return value > static_cast<std::uint64_t>(largest) ? largest : static_cast<std::int64_t>(value);
}

std::string encode_number(std::int64_t value, column_type type, std::int16_t format) {
    const std::int64_t shown = in_range(value, type);
    if (format != binary_format) {
        return fmt::to_string(shown);
    }
    std::string bytes;
    if (type == column_type::int4) {
        append_big_endian(bytes, static_cast<std::int32_t>(shown));
    } else {
        append_big_endian(bytes, shown);
    }
    return bytes;
}

std::string encode_total(std::uint64_t value, column_type type, std::int16_t format) {
    if (type != column_type::numeric) {
        return encode_number(to_signed(value), type, format);
    }
    if (format != binary_format) {
        return fmt::to_string(value);
    }
    std::string bytes;
    append_numeric(bytes, value, 0, 0);
    return bytes;
}

std::string encode_average(hundredths average, std::int16_t format) {
    const std::uint64_t whole = average.value / 100;
    const std::uint64_t rest = average.value % 100;
    if (format != binary_format) {
        return fmt::format("{}.{:02}", whole, rest);
    }
    std::string bytes;
    append_numeric(bytes, whole, rest, 2);
    return bytes;
}

void put_bytes(protocol::message_writer& message, std::string_view bytes) {
    message.int32(static_cast<std::int32_t>(bytes.size())).bytes(bytes);
}

void put_cell(
    protocol::message_writer& message, const cell& value, column_type type, std::int16_t format
) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
        put_bytes(message, encode_number(*number, type, format));
    } else if (const auto* total_value = std::get_if<std::uint64_t>(&value)) {
        put_bytes(message, encode_total(*total_value, type, format));
    } else if (const auto* average = std::get_if<hundredths>(&value)) {
        put_bytes(message, encode_average(*average, format));
    } else if (const auto* view = std::get_if<std::string_view>(&value)) {
        put_bytes(message, *view);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        put_bytes(message, *text);
    } else {
        message.int32(-1);
    }
}

// RowDescription: the size of the type, -1 if it varies.
std::int16_t size_of(column_type type) noexcept {
    switch (type) {
        case column_type::int4:
            return 4;
        case column_type::int8:
            return 8;
        case column_type::text:
        case column_type::numeric:
            break;
    }
    return -1;
}

void put_column(
    protocol::message_writer& message, std::string_view name, column_type type, std::int16_t format
) {
    message.cstring(name);
    message.int32(0).int16(0);  // of no table
    message.int32(static_cast<std::int32_t>(type)).int16(size_of(type)).int32(-1);
    message.int16(format);
}

template <typename Row>
using columns_of = std::span<const column_spec<Row>>;

template <typename Row>
void put_description(std::string& out, columns_of<Row> columns, const column_formats& formats) {
    protocol::message_writer message(out, 'T');
    message.int16(static_cast<std::int16_t>(columns.size()));
    for (std::size_t i = 0; i < columns.size(); ++i) {
        put_column(message, columns[i].name, columns[i].type, formats.of(i));
    }
}

template <typename Row>
void put_row(
    std::string& out, columns_of<Row> columns, const Row& row, const column_formats& formats
) {
    protocol::message_writer message(out, 'D');
    message.int16(static_cast<std::int16_t>(columns.size()));
    for (std::size_t i = 0; i < columns.size(); ++i) {
        put_cell(message, columns[i].get(row), columns[i].type, formats.of(i));
    }
}

// Rows in their order.

template <typename Row, typename Key>
std::vector<std::reference_wrapper<const Row>> sorted(const std::vector<Row>& rows, Key key) {
    std::vector<std::reference_wrapper<const Row>> order(rows.begin(), rows.end());
    std::stable_sort(order.begin(), order.end(), [&](const Row& a, const Row& b) {
        return key(a) < key(b);
    });
    return order;
}

struct state_name {
    std::string_view in_list;     // CLIENTS, SERVERS
    std::string_view in_sockets;  // SOCKETS, ACTIVE_SOCKETS; empty: not shown
    int rank;
};

state_name name_of(client_state state) noexcept {
    switch (state) {
        case client_state::active:
            return {"active", "cl_active", 0};
        case client_state::idle:
            return {"idle", "cl_active", 0};
        case client_state::waiting:
            return {"waiting", "cl_waiting", 1};
        case client_state::active_cancel_request:
            return {"active_cancel_req", "", 2};
        case client_state::waiting_cancel_request:
            return {"waiting_cancel_req", "", 3};
        case client_state::login:
            break;
    }
    return {"", "cl_login", 4};
}

state_name name_of(server_state state) noexcept {
    constexpr int servers = 10;  // behind the clients of their pool
    switch (state) {
        case server_state::active:
            return {"active", "sv_active", servers};
        case server_state::idle:
            return {"idle", "sv_idle", servers + 1};
        case server_state::used:
            return {"used", "sv_used", servers + 2};
        case server_state::tested:
            return {"tested", "sv_tested", servers + 3};
        case server_state::login:
            return {"new", "sv_login", servers + 4};
        case server_state::active_cancel:
            return {"active_cancel", "", servers + 5};
        case server_state::being_canceled:
            break;
    }
    return {"being_canceled", "", servers + 6};
}

enum class socket_table : std::uint8_t { list, sockets, active_sockets };

/// Something has been read and not passed on, or is waiting to be sent.
bool has_bytes(const socket_row& row) noexcept {
    return row.pkt_remain > 0 || row.pkt_avail > 0 || row.send_remain > 0 || row.send_avail > 0;
}

template <typename Row>
void collect(
    std::vector<shown_socket>& into,
    const std::vector<Row>& rows,
    std::string_view type,
    socket_table table
) {
    for (const Row& row : rows) {
        const state_name names = name_of(row.state);
        const std::string_view state =
            table == socket_table::list ? names.in_list : names.in_sockets;
        if (state.empty() || (table == socket_table::active_sockets && !has_bytes(row))) {
            continue;
        }
        into.push_back({&row, type, state, names.rank});
    }
}

/// By pool, then by state; those that have not logged in belong to no pool and come last.
void sort_sockets(std::vector<shown_socket>& sockets) {
    const auto key = [](const shown_socket& s) {
        const bool in_login = s.state == "cl_login";
        return std::tuple(
            in_login,
            std::string_view(s.row->database),
            std::string_view(s.row->user),
            s.rank,
            s.row->id
        );
    };
    std::stable_sort(sockets.begin(), sockets.end(), [&](const auto& a, const auto& b) {
        return key(a) < key(b);
    });
}

std::vector<shown_socket> client_list(const snapshot& data) {
    std::vector<shown_socket> shown;
    collect(shown, data.clients, "C", socket_table::list);
    sort_sockets(shown);
    return shown;
}

std::vector<shown_socket> server_list(const snapshot& data) {
    std::vector<shown_socket> shown;
    collect(shown, data.servers, "S", socket_table::list);
    sort_sockets(shown);
    return shown;
}

std::vector<shown_socket> all_sockets(const snapshot& data, socket_table table) {
    std::vector<shown_socket> shown;
    collect(shown, data.clients, "C", table);
    collect(shown, data.servers, "S", table);
    sort_sockets(shown);
    return shown;
}

std::vector<named_count> list_rows(const list_counts& lists) {
    std::vector<named_count> rows;
    for (const list_entry& entry : list_entries) {
        rows.push_back({entry.name, lists.*entry.count});
    }
    return rows;
}

std::vector<named_total> total_rows(const snapshot& data) {
    stats_counters sum = data.past;
    for (const stats_row& row : data.stats) {
        sum += row.total;
    }
    std::vector<named_total> rows;
    for (const total_entry& entry : total_entries) {
        rows.push_back({entry.total, sum.*entry.counter});
    }
    for (const total_entry& entry : total_entries) {
        rows.push_back({entry.average, data.overall_average.*entry.counter});
    }
    return rows;
}

/// PgBouncer's three rows first; below them the engines that the workers run on, each once.
std::vector<named_text> state_rows(const snapshot& data) {
    const auto answer = [&](pooler_state asked) -> std::string_view {
        return data.state == asked ? "yes" : "no";
    };
    std::vector<named_text> rows = {
        {"active", answer(pooler_state::active)},
        {"paused", answer(pooler_state::paused)},
        {"suspended", answer(pooler_state::suspended)},
    };
    std::set<std::string_view> engines;
    for (const worker_row& row : data.workers) {
        if (engines.insert(row.engine).second) {
            rows.push_back({"io_engine", row.engine});
        }
    }
    return rows;
}

std::vector<named_text> version_rows() {
    return {{"version", version_text}};
}

// What tables are sorted by. Byte by byte, whatever the locale.

constexpr auto by_name = [](const auto& row) { return std::string_view(row.name); };
constexpr auto by_database = [](const auto& row) { return std::string_view(row.database); };
constexpr auto by_host = [](const dns_host_row& row) { return std::string_view(row.hostname); };
constexpr auto by_zone = [](const dns_zone_row& row) { return std::string_view(row.zonename); };
constexpr auto by_peer = [](const auto& row) { return row.peer_id; };
constexpr auto by_pool = [](const pool_row& row) {
    return std::pair<std::string_view, std::string_view>(row.database, row.user);
};

/// Calls the visitor with the columns of a kind and the rows that the snapshot has for it. HELP and
/// FDS have none.
template <typename Visitor>
void visit_table(show_kind what, const snapshot& data, const Visitor& visit) {
    const auto table = [&]<typename Row>(columns_of<Row> columns, const auto& rows) {
        visit(columns, rows);
    };
    const auto sockets = columns_of<shown_socket>(socket_columns);
    switch (what) {
        case show_kind::active_sockets:
            return table(sockets, all_sockets(data, socket_table::active_sockets));
        case show_kind::clients:
            return table(sockets.first(short_socket_columns), client_list(data));
        case show_kind::config:
            return table(columns_of<config::config_row>(config_columns), data.config);
        case show_kind::databases:
            return table(
                columns_of<database_row>(database_columns), sorted(data.databases, by_name)
            );
        case show_kind::dns_hosts:
            return table(
                columns_of<dns_host_row>(dns_host_columns), sorted(data.dns_hosts, by_host)
            );
        case show_kind::dns_zones:
            return table(
                columns_of<dns_zone_row>(dns_zone_columns), sorted(data.dns_zones, by_zone)
            );
        case show_kind::lists:
            return table(columns_of<named_count>(list_columns), list_rows(data.lists));
        case show_kind::mem:
            return table(columns_of<mem_row>(mem_columns), data.mem);
        case show_kind::peer_pools:
            return table(
                columns_of<peer_pool_row>(peer_pool_columns), sorted(data.peer_pools, by_peer)
            );
        case show_kind::peers:
            return table(columns_of<peer_row>(peer_columns), sorted(data.peers, by_peer));
        case show_kind::pools:
            return table(columns_of<pool_row>(pool_columns), sorted(data.pools, by_pool));
        case show_kind::routing:
            return table(columns_of<routing_row>(routing_columns), data.routing);
        case show_kind::servers:
            return table(sockets.first(short_socket_columns), server_list(data));
        case show_kind::sockets:
            return table(sockets, all_sockets(data, socket_table::sockets));
        case show_kind::state:
            return table(columns_of<named_text>(state_columns), state_rows(data));
        case show_kind::stats:
            return table(columns_of<stats_row>(stats_columns), sorted(data.stats, by_database));
        case show_kind::stats_averages:
            return table(
                columns_of<stats_row>(stats_average_columns), sorted(data.stats, by_database)
            );
        case show_kind::stats_totals:
            return table(
                columns_of<stats_row>(stats_total_columns), sorted(data.stats, by_database)
            );
        case show_kind::totals:
            return table(columns_of<named_total>(total_columns), total_rows(data));
        case show_kind::users:
            return table(columns_of<user_row>(user_columns), sorted(data.users, by_name));
        case show_kind::version:
            return table(columns_of<named_text>(version_columns), version_rows());
        case show_kind::topology:
            return table(
                columns_of<topology_row>(topology_columns), sorted(data.topology, by_database)
            );
        case show_kind::workers:
            return table(columns_of<worker_row>(worker_columns), data.workers);
        case show_kind::fds:
        case show_kind::help:
            return;
    }
}

}  // namespace

bool column_formats::fits(std::size_t columns) const noexcept {
    return codes_.size() <= 1 || codes_.size() == columns;
}

std::int16_t column_formats::of(std::size_t column) const noexcept {
    if (codes_.empty()) {
        return 0;
    }
    return codes_.size() == 1 ? codes_.front() : codes_[column];
}

std::size_t column_count(show_kind what) noexcept {
    std::size_t count = 0;
    visit_table(what, snapshot{}, [&](const auto& columns, const auto&) {
        count = columns.size();
    });
    return count;
}

void describe_show(std::string& out, show_kind what, const column_formats& formats) {
    visit_table(what, snapshot{}, [&](const auto& columns, const auto&) {
        put_description(out, columns, formats);
    });
}

void put_show_rows(
    std::string& out, show_kind what, const snapshot& data, const column_formats& formats
) {
    if (what == show_kind::help) {
        protocol::put_notice(out, "00000", "Console usage", help_text);
    }
    visit_table(
        what,
        data,
        [&]<typename Row>(std::span<const column_spec<Row>> columns, const auto& rows) {
            for (const Row& row : rows) {
                put_row(out, columns, row, formats);
            }
        }
    );
}

void put_show(std::string& out, show_kind what, const snapshot& data) {
    if (column_count(what) > 0) {
        describe_show(out, what);
    }
    put_show_rows(out, what, data);
    protocol::put_command_complete(out, "SHOW");
}

void describe_parameter(
    std::string& out, const show_parameter& parameter, const column_formats& formats
) {
    protocol::message_writer message(out, 'T');
    message.int16(1);
    put_column(message, parameter.name, column_type::text, formats.of(0));
}

void put_parameter_row(std::string& out, const show_parameter& parameter) {
    protocol::put_data_row(out, {parameter.value});
}

void put_console_welcome(std::string& out) {
    protocol::put_parameter_status(out, "server_version", server_version);
    protocol::put_parameter_status(out, "client_encoding", "UTF8");
    protocol::put_parameter_status(out, "server_encoding", "UTF8");
    protocol::put_parameter_status(out, "DateStyle", "ISO");
    protocol::put_parameter_status(out, "TimeZone", "GMT");
    protocol::put_parameter_status(out, "standard_conforming_strings", "on");
    protocol::put_parameter_status(out, "is_superuser", "on");
}

}  // namespace pgweir::admin
