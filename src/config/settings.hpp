#pragma once

// What the configuration file says, as values: PgBouncer's keys under PgBouncer's names, and a few
// of our own. A `configuration` is built whole by load() (config/load.hpp), never changed
// afterwards and shared between threads as shared_ptr<const configuration>; a reload makes a new
// one. Times are microseconds and 0 mostly means "off"; sizes and limits are counts of connections,
// 0 mostly means "no limit". A default-constructed `settings` holds the defaults: they stand here
// and nowhere else. An empty string is an unset string unless the comment says otherwise.

#include "base/clock.hpp"
#include "base/secret.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::config {

/// When a server goes back to the pool.
enum class pool_mode : std::uint8_t { session, transaction, statement };

enum class auth_type : std::uint8_t {
    any,    ///< every client is let in, as the database's forced user
    trust,  ///< no password, but the user must be known
    plain,
    md5,
    cert,
    hba,  ///< the method comes from auth_hba_file
    ldap,
    pam,
    scram_sha_256,
};

/// How a list of hosts is used: each in turn, or the first that answers.
enum class load_balance : std::uint8_t { round_robin, disable };

enum class tls_mode : std::uint8_t { disable, allow, prefer, require, verify_ca, verify_full };

/// How bytes of connections are moved. `auto_` takes io_uring where the kernel allows it.
enum class io_engine : std::uint8_t { auto_, io_uring, epoll };

/// Where statements of a database with several hosts go. `off`: the list of hosts is what it is in
/// PgBouncer.
enum class routing : std::uint8_t { off, primary, standby, prefer_standby, automatic };

/// What a read on a standby has to show at least.
enum class read_consistency : std::uint8_t {
    eventual,    ///< what the limits of lag allow
    own_writes,  ///< what its session has written
    session,     ///< that, and all that its session has seen
    database,    ///< all that was written through this process to the database
    primary,     ///< everything: no reads on standbys
};

/// The keys of [pgbouncer], each under its own name. A key that only a restart can change is marked
/// "restart"; see restart_only_keys().
struct settings {
    // Where clients come in, and the process itself.
    std::string logfile;
    std::string pidfile;                   // restart
    std::vector<std::string> listen_addr;  // restart; names, addresses or "*"; none = no TCP
    int listen_port = 6432;                // restart; also the suffix of the Unix socket's name
    // restart; also where servers without host are. "@name" is abstract, empty is none.
    std::string unix_socket_dir = "/tmp";
    int unix_socket_mode = 0777;    // restart
    std::string unix_socket_group;  // restart
    int listen_backlog = 128;       // restart
    std::string user;               // restart; become this user before anything else
    std::string conffile;  // the file of the next reload: what was given to load(), unless set
    std::string job_name = "pgbouncer";      // restart
    std::string service_name = "pgbouncer";  // restart
    int peer_id = 0;
    int workers = 0;  // restart; 0 = auto: as many as there are cores, see worker_count()
    config::io_engine io_engine = config::io_engine::auto_;  // restart

    // Pools. A size of 0 is unlimited, a limit of 0 is none.
    config::pool_mode pool_mode = config::pool_mode::session;
    int max_client_conn = 100;
    int default_pool_size = 20;
    int min_pool_size = 0;
    int reserve_pool_size = 0;
    microseconds reserve_pool_timeout = seconds(5);  // 0 = the reserve is never used
    int max_db_connections = 0;
    int max_db_client_connections = 0;
    int max_user_connections = 0;
    int max_user_client_connections = 0;
    bool server_round_robin = false;  // of idle servers: the longest idle instead of the last used
    bool disable_pqexec = false;
    bool application_name_add_host = false;
    std::vector<std::string> track_extra_parameters = {"IntervalStyle"};  // restart
    std::vector<std::string> ignore_startup_parameters;
    int max_prepared_statements = 200;
    int max_prepared_memory = 256 * 1024 * 1024;  // bytes of all of them; 0 = no limit
    bool cache_unnamed_statements = true;
    int scram_iterations = 4096;
    microseconds stats_period = seconds(60);
    microseconds query_wait_notify = seconds(5);
    std::string login_notify_message;

    // Who may come in.
    config::auth_type auth_type = config::auth_type::md5;
    std::string auth_file;
    std::string auth_hba_file;
    std::string auth_ident_file;
    std::string auth_user;
    std::string auth_query =
        "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END "
        "FROM pg_authid WHERE rolname=$1 AND rolcanlogin";
    std::string auth_dbname;
    microseconds auth_query_cache_time{0};       // ours; 0 = every log-in asks
    int auth_query_cache_size = 1000;            // ours; users kept
    std::string auth_pam_service = "pgbouncer";  // ours
    secret auth_ldap_options;                    // may hold ldapbindpasswd
    std::vector<std::string> admin_users;
    std::vector<std::string> stats_users;

    // The log.
    bool syslog = false;
    std::string syslog_ident = "pgbouncer";
    std::string syslog_facility = "daemon";
    bool log_connections = true;
    bool log_disconnections = true;
    bool log_pooler_errors = true;
    bool log_stats = true;
    int verbose = 0;

    // The life of a server connection.
    std::string server_reset_query = "DISCARD ALL";  // empty = none
    bool server_reset_query_always = false;          // in every pool mode, not only in session mode
    microseconds server_check_delay = seconds(30);   // idle for longer: checked first; 0 = always
    std::string server_check_query = "<empty>";      // "<empty>" = an empty query; empty = no check
    bool server_fast_close = false;
    microseconds server_lifetime = seconds(3600);  // 0 = used once
    microseconds server_idle_timeout = seconds(600);
    microseconds server_connect_timeout = seconds(15);
    microseconds server_login_retry = seconds(15);
    microseconds client_login_timeout = seconds(60);
    microseconds autodb_idle_timeout = seconds(3600);
    microseconds pool_idle_timeout{0};
    microseconds suspend_timeout = seconds(10);

    // Limits of time, 0 = none.
    microseconds query_timeout{0};
    microseconds query_wait_timeout = seconds(120);
    microseconds cancel_wait_timeout = seconds(10);
    microseconds client_idle_timeout{0};
    microseconds idle_transaction_timeout{0};
    microseconds transaction_timeout{0};

    // Routing; all ours.
    config::routing routing = config::routing::off;
    config::read_consistency read_consistency = config::read_consistency::session;
    std::int64_t max_standby_lag = 10 * 1024 * 1024;    // bytes; 0 = no limit
    microseconds max_standby_lag_time = seconds(5);     // 0 = no limit
    microseconds read_wait_timeout = milliseconds(10);  // for a standby that is fresh enough
    microseconds primary_wait_timeout = seconds(1);     // for a primary that shows what was seen
    bool read_from_primary = true;  // it takes a part of the reads, too, by its weight
    bool deferred_begin = true;     // BEGIN is sent with the first request of the transaction
    microseconds topology_interval = milliseconds(100);
    std::string topology_user;      // empty = auth_user, else the database's forced user
    std::string topology_password;  // a file; empty = from auth_file
    std::string topology_dbname = "postgres";
    std::string topology_state_file;  // what was last known of clusters; empty = not kept
    microseconds failover_wait_timeout = seconds(30);  // without a primary; 0 = query_wait_timeout
    int failover_wait_clients = 0;  // that may wait for one at the same time; 0 = no limit
    int listen_port_primary = 0;    // restart; 0 = none
    int listen_port_standby = 0;    // restart; 0 = none

    // Names of hosts.
    microseconds dns_max_ttl = seconds(15);
    microseconds dns_nxdomain_ttl = seconds(15);
    microseconds dns_zone_check_period{0};
    std::string resolv_conf;  // restart

    // TLS.
    tls_mode client_tls_sslmode = tls_mode::disable;
    std::string client_tls_key_file;
    std::string client_tls_cert_file;
    std::string client_tls_ca_file;
    std::string client_tls_protocols = "secure";
    std::string client_tls_ciphers = "default";
    std::string client_tls13_ciphers;
    std::string client_tls_ecdhcurve = "auto";
    std::string client_tls_dheparams = "auto";
    tls_mode server_tls_sslmode = tls_mode::prefer;
    std::string server_tls_key_file;
    std::string server_tls_cert_file;
    std::string server_tls_ca_file;
    std::string server_tls_protocols = "secure";
    std::string server_tls_ciphers = "default";
    std::string server_tls13_ciphers;

    // Sockets.
    int pkt_buf = 4096;                // restart
    int max_packet_size = 2147483647;  // the longest message that is accepted, in bytes
    int sbuf_loopcnt = 5;
    bool so_reuseport = false;  // restart
    bool tcp_defer_accept = true;
    bool tcp_keepalive = true;
    int tcp_keepcnt = 0;        // 0 = the system's value, here and below
    int tcp_keepidle = 0;       // seconds
    int tcp_keepintvl = 0;      // seconds
    int tcp_socket_buffer = 0;  // bytes
    int tcp_user_timeout = 0;   // milliseconds
};

/// One entry of [databases]. What is not set is inherited: from the user, else from the settings.
struct database {
    std::string name;    // as clients know it; "*" in the template of automatic databases
    std::string dbname;  // as the server knows it; empty in the template = the client's name
    /// Names, addresses, "/directory" or "@abstract"; none = unix_socket_dir.
    std::vector<std::string> hosts;
    int port = 5432;           // of all hosts that have none of their own
    std::vector<int> ports;    // of each host; empty = `port` for all
    std::vector<int> weights;  // of each host when reads are spread; empty = all alike
    std::optional<config::routing> routing;
    std::optional<config::read_consistency> read_consistency;
    std::optional<std::string> user;  // the forced user: one pool, whoever the client is
    secret password;                  // of the forced user; empty = from auth_file
    std::string auth_user;
    std::string auth_query;
    std::string auth_dbname;
    std::optional<int> pool_size;
    std::optional<int> min_pool_size;
    std::optional<int> reserve_pool_size;
    std::string connect_query;  // run once on each new server
    std::optional<config::pool_mode> pool_mode;
    std::optional<microseconds> query_wait_timeout;
    load_balance load_balance_hosts = load_balance::round_robin;
    std::optional<int> max_db_connections;
    std::optional<int> max_db_client_connections;
    std::optional<microseconds> server_lifetime;

    // TLS to this database's servers; what is not set is as server_tls_* says.
    std::optional<tls_mode> sslmode;
    std::string sslrootcert;
    std::string sslcert;
    std::string sslkey;

    // Sent to the server in the startup message.
    std::optional<std::string> client_encoding;
    std::optional<std::string> datestyle;
    std::optional<std::string> timezone;
    std::optional<std::string> application_name;
};

/// One entry of [users]: overrides for everything that this user does.
struct user {
    std::string name;
    std::optional<config::pool_mode> pool_mode;
    std::optional<int> pool_size;
    std::optional<int> reserve_pool_size;
    std::optional<int> max_user_connections;
    std::optional<int> max_user_client_connections;
    std::optional<microseconds> query_timeout;
    std::optional<microseconds> query_wait_timeout;
    std::optional<microseconds> idle_transaction_timeout;
    std::optional<microseconds> transaction_timeout;
    std::optional<microseconds> client_idle_timeout;
    std::optional<config::routing> routing;
};

/// One entry of [peers]: another pooler to which cancel requests are passed on.
struct peer {
    int id = 0;
    std::string host;
    int port = 6432;
    std::optional<int> pool_size;
};

/// What the operator should know although the file was accepted. Begins with file and line.
struct warning {
    std::string text;
};

/// All that the files said. Immutable once loaded.
struct configuration {
    settings global;
    std::map<std::string, database, std::less<>> databases;
    std::optional<database> autodb_template;  // the entry "*"
    std::map<std::string, user, std::less<>> users;
    std::map<int, peer> peers;
    std::vector<warning> warnings;

    /// File and line ("pgweir.ini:12") of what was said last, by its name: a setting, or
    /// "database shop", "user ann", "peer 2".
    std::map<std::string, std::string, std::less<>> places;
};

/// The database that a client asks for: an entry, else one made from the template, else nothing.
std::optional<database> resolve_database(const configuration& all, std::string_view name);

/// The number of worker threads: `workers`, or the cores that the process may use.
int worker_count(const settings& global);

// Values in force. `user` is the *pool's* user for what concerns servers (the forced user where
// there is one), and the user that logged in for what concerns clients. The entry in [users] wins
// over the one in [databases], and that over the settings.
pool_mode effective_pool_mode(const configuration& all, const database& db, std::string_view user);
int effective_pool_size(const configuration& all, const database& db, std::string_view user);
int effective_min_pool_size(const configuration& all, const database& db);
int effective_reserve_pool_size(
    const configuration& all, const database& db, std::string_view user
);
int effective_max_db_connections(const configuration& all, const database& db);
int effective_max_db_client_connections(const configuration& all, const database& db);
int effective_max_user_connections(const configuration& all, std::string_view user);
int effective_max_user_client_connections(const configuration& all, std::string_view user);
microseconds effective_server_lifetime(const configuration& all, const database& db);
microseconds effective_query_wait_timeout(
    const configuration& all, const database& db, std::string_view user
);
microseconds effective_query_timeout(const configuration& all, std::string_view user);
microseconds effective_idle_transaction_timeout(const configuration& all, std::string_view user);
microseconds effective_transaction_timeout(const configuration& all, std::string_view user);
microseconds effective_client_idle_timeout(const configuration& all, std::string_view user);
routing effective_routing(const configuration& all, const database& db, std::string_view user);
read_consistency effective_read_consistency(const configuration& all, const database& db);

/// The port of the host with this index.
int port_of_host(const database& db, std::size_t host) noexcept;

// The words of the file for the values of its enumerations.
std::string_view name_of(pool_mode mode) noexcept;
std::string_view name_of(auth_type type) noexcept;
std::string_view name_of(load_balance how) noexcept;
std::string_view name_of(tls_mode mode) noexcept;
std::string_view name_of(io_engine engine) noexcept;
std::string_view name_of(routing where) noexcept;
std::string_view name_of(read_consistency what) noexcept;

}  // namespace pgweir::config
