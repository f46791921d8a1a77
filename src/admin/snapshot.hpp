#pragma once

// What the console shows, as plain values: whoever owns pools and connections gathers them from all
// threads and hands over a copy. Fields are named after the columns and stand in their order.
// Rows need no order; the console sorts. An unset optional is NULL.
//
// Numbers of columns that are int4 on the wire are cut to its range when they are shown, so socket
// ids must stay within it to be of use to KILL_CLIENT.

#include "admin/stats.hpp"
#include "config/show.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::admin {

using wall_time = std::chrono::system_clock::time_point;

/// SHOW POOLS. The console's own pool is a row too.
struct pool_row {
    std::string database;
    std::string user;
    std::int64_t cl_active = 0;
    std::int64_t cl_waiting = 0;
    std::int64_t cl_active_cancel_req = 0;
    std::int64_t cl_waiting_cancel_req = 0;
    std::int64_t sv_active = 0;
    std::int64_t sv_active_cancel = 0;
    std::int64_t sv_being_canceled = 0;
    std::int64_t sv_idle = 0;
    std::int64_t sv_used = 0;
    std::int64_t sv_tested = 0;
    std::int64_t sv_login = 0;
    microseconds max_wait{0};  // of the oldest waiter; becomes maxwait and maxwait_us
    std::string pool_mode;
    std::optional<std::string> load_balance_hosts;  // set if the host is a list
};

enum class replication_kind : std::uint8_t { none, logical, physical };

/// Where a client stands. `idle` has no server linked.
enum class client_state : std::uint8_t {
    active,
    idle,
    waiting,
    active_cancel_request,
    waiting_cancel_request,
    login,  // only in SOCKETS
};

/// Where a server connection stands. `used` waits for its check, `login` is shown as "new".
enum class server_state : std::uint8_t {
    active,
    idle,
    used,
    tested,
    login,
    active_cancel,
    being_canceled,
};

/// What CLIENTS, SERVERS, SOCKETS and ACTIVE_SOCKETS have in common.
struct socket_row {
    std::string user;      // empty: "(nouser)"
    std::string database;  // empty: "(nodb)"
    replication_kind replication = replication_kind::none;
    std::string addr;  // "unix" for a Unix socket
    std::int64_t port = 0;
    std::string local_addr;
    std::int64_t local_port = 0;
    wall_time connect_time;
    wall_time request_time;  // the epoch: none yet, shown as connect_time
    microseconds wait{0};    // becomes wait and wait_us
    bool close_needed = false;
    std::uint64_t link_id = 0;  // id of the linked socket; 0: none
    std::int64_t remote_pid = 0;
    std::string tls;
    std::string application_name;
    std::int64_t prepared_statements = 0;
    std::uint64_t id = 0;  // one counter for clients and servers
    // Only in SOCKETS and ACTIVE_SOCKETS, in bytes.
    std::int64_t recv_pos = 0;
    std::int64_t pkt_pos = 0;
    std::int64_t pkt_remain = 0;
    std::int64_t send_pos = 0;
    std::int64_t send_remain = 0;
    std::int64_t pkt_avail = 0;
    std::int64_t send_avail = 0;
};

struct client_row : socket_row {
    client_state state = client_state::idle;
};

struct server_row : socket_row {
    server_state state = server_state::idle;
};

/// SHOW DATABASES.
struct database_row {
    std::string name;
    std::optional<std::string> host;  // unset: Unix socket
    std::int64_t port = 0;
    std::string database;  // its name on the server
    std::optional<std::string> force_user;
    std::int64_t pool_size = 0;
    std::int64_t min_pool_size = 0;
    std::int64_t reserve_pool_size = 0;
    std::int64_t server_lifetime = 0;               // seconds
    std::optional<std::string> pool_mode;           // set if the database has its own
    std::optional<std::string> load_balance_hosts;  // set if the host is a list
    std::int64_t max_connections = 0;
    std::int64_t current_connections = 0;
    std::int64_t max_client_connections = 0;
    std::int64_t current_client_connections = 0;
    bool paused = false;
    bool disabled = false;
};

/// SHOW USERS.
struct user_row {
    std::string name;
    std::optional<std::int64_t> pool_size;  // unset is an empty text here, not NULL
    std::optional<std::int64_t> reserve_pool_size;
    std::optional<std::string> pool_mode;
    std::int64_t max_user_connections = 0;
    std::int64_t current_connections = 0;
    std::int64_t max_user_client_connections = 0;
    std::int64_t current_client_connections = 0;
};

/// SHOW STATS, STATS_TOTALS, STATS_AVERAGES; TOTALS sums the totals.
struct stats_row {
    std::string database;
    stats_counters total;
    stats_counters average;
};

/// SHOW LISTS.
struct list_counts {
    std::int64_t databases = 0;
    std::int64_t users = 0;
    std::int64_t peers = 0;
    std::int64_t pools = 0;
    std::int64_t peer_pools = 0;
    std::int64_t free_clients = 0;
    std::int64_t used_clients = 0;
    std::int64_t login_clients = 0;
    std::int64_t free_servers = 0;
    std::int64_t used_servers = 0;
    std::int64_t dns_names = 0;
    std::int64_t dns_zones = 0;
    std::int64_t dns_queries = 0;
    std::int64_t dns_pending = 0;
};

/// SHOW MEM: a kind of object, the bytes of one, how many are in use and kept for reuse.
struct mem_row {
    std::string name;
    std::int64_t size = 0;
    std::int64_t used = 0;
    std::int64_t free = 0;
    std::int64_t memtotal = 0;
};

struct peer_row {
    std::int64_t peer_id = 0;
    std::string host;
    std::int64_t port = 0;
    std::int64_t pool_size = 0;
};

struct peer_pool_row {
    std::int64_t peer_id = 0;
    std::int64_t cl_active_cancel_req = 0;
    std::int64_t cl_waiting_cancel_req = 0;
    std::int64_t sv_active_cancel = 0;
    std::int64_t sv_login = 0;
};

struct dns_host_row {
    std::string hostname;
    std::int64_t ttl = 0;  // seconds left
    std::string addrs;     // joined by commas
};

struct dns_zone_row {
    std::string zonename;
    std::int64_t serial = 0;
    std::int64_t count = 0;
};

/// SHOW WORKERS. Counts since the start.
struct worker_row {
    std::int64_t worker = 0;
    std::string engine;
    std::int64_t clients = 0;
    std::int64_t servers = 0;
    std::uint64_t turns = 0;   // times that the engine looked for what has happened
    std::uint64_t events = 0;  // and what it found
    std::uint64_t migrations_in = 0;
    std::uint64_t migrations_out = 0;  // servers that went to another worker
    std::uint64_t accepted = 0;        // clients
};

/// SHOW ROUTING. How often since the start, over all workers.
struct routing_row {
    std::string what;    // became of requests
    std::string reason;  // why; empty: there is but one
    std::uint64_t count = 0;
};

/// SHOW TOPOLOGY: a server of a routed database. What nobody knows is unset.
struct topology_row {
    std::string database;      // "*": those that are made from the template
    std::int64_t cluster = 0;  // the same for databases with the same servers
    std::string host;          // as configured
    std::int64_t port = 0;
    std::optional<std::string> address;  // where it answered
    std::string role;
    std::string state;
    std::optional<std::int64_t> timeline;
    std::optional<std::string> lsn;       // inserted on a primary, replayed on a standby
    std::optional<std::string> received;  // on a standby
    std::optional<std::int64_t> lag_bytes;
    std::optional<std::int64_t> lag_ms;
    std::int64_t weight = 1;
    std::optional<std::int64_t> age_ms;  // since it was asked for its last answer
    std::string why;                     // of the state, if it does not serve
};

/// SHOW STATE, which shows the engines of the workers too.
enum class pooler_state : std::uint8_t { active, paused, suspended };

/// Everything that one SHOW may need. Only what the asked kind shows has to be filled:
/// CLIENTS clients; SERVERS servers; SOCKETS and ACTIVE_SOCKETS both; TOTALS and STATS* stats;
/// STATE state and workers; the others the field of their name.
struct snapshot {
    std::vector<pool_row> pools;
    std::vector<client_row> clients;
    std::vector<server_row> servers;
    std::vector<database_row> databases;
    std::vector<user_row> users;
    std::vector<stats_row> stats;
    stats_counters overall_average;  // of all databases together
    stats_counters past;             // of databases that are no more
    list_counts lists;
    std::vector<config::config_row> config;  // shown in the order given
    std::vector<mem_row> mem;                // shown in the order given
    std::vector<peer_row> peers;
    std::vector<peer_pool_row> peer_pools;
    std::vector<dns_host_row> dns_hosts;
    std::vector<dns_zone_row> dns_zones;
    std::vector<topology_row> topology;  // of one database in the order of its hosts
    std::vector<worker_row> workers;
    std::vector<routing_row> routing;  // shown in the order given
    pooler_state state = pooler_state::active;
};

}  // namespace pgweir::admin
