#pragma once

// Who gets which server: the decisions of all pools, for all workers, in one place.
//
// A pool is a (database, user) pair. Its servers are counted over all workers, so limits are exact.
// Where reads are routed it has further pools beside it, one for each host that is read from; its
// own servers are the primary's then. While there is no primary nobody gets or opens one of these.
// A server that is idle waits on the worker that used it last; a client takes one of its own
// worker, else one of another worker's (which is moved), else a new connection within the limits,
// else it queues. A freed server goes to the oldest waiter of its own worker, unless one elsewhere
// has waited longer by more than `fairness`: cheap in the middle, fair at the end.
//
// Decides only: what is to be done comes out as actions, which the caller carries out on the worker
// that they name. It is told the time and knows neither threads nor sockets; pool_directory guards
// it with a mutex and hands the actions on. All pointers between entries are valid only under that
// mutex; across workers a server is named by its id.
//
//   connecting --connected--> idle <--parked-- leased ... released
//        |                     |  \--granted--> leased     (the data path: acquire, release)
//        |                     |---check------> busy       (idle for long: proved alive before use)
//        |                     \---move-------> moving     (another worker needs it) --arrived-->
//        idle or leased
//        \-- any state --closed--> gone
//   leased --> busy: reset, drain, cancel under way: no client, not free --released--> idle or
//   leased

#include "auth/server_auth.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "config/settings.hpp"
#include "pool/parameters.hpp"
#include "pool/pool_stats.hpp"

#include <boost/intrusive/list.hpp>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pgweir::pool {

using worker_id = std::uint32_t;

/// Waiters elsewhere are served first if they have waited longer by more than this.
inline constexpr milliseconds fairness{1};

/// Connections that a pool opens at the same time: more would be a storm on a server that may just
/// have come back.
inline constexpr int connects_at_once = 4;

class pool;
class server_connection;
struct database_entry;
struct user_entry;
struct welcome;

namespace intrusive = boost::intrusive;
using list_hook = intrusive::list_member_hook<intrusive::link_mode<intrusive::safe_link>>;

/// A server connection as the pools see it. Base of server_connection.
class server_entry {
public:
    enum class state : std::uint8_t {
        connecting,  ///< being opened and logged in
        idle,        ///< free, on its worker's idle list
        leased,      ///< a client has it
        busy,        ///< ours: being checked, reset, drained, or held until a cancel is over
        moving,      ///< promised to another worker, or on its way there
    };

    server_entry() = default;
    server_entry(const server_entry&) = delete;
    server_entry& operator=(const server_entry&) = delete;

    // Guarded by the directory's mutex, but the server's own worker may read what only it changes.
    list_hook hook;      // in the idle list of its worker
    list_hook all_hook;  // in the pool's list of servers
    pool* owner = nullptr;
    std::uint64_t id = 0;
    worker_id worker = 0;
    worker_id destination = 0;  // while moving
    state where = state::connecting;
    std::size_t listed = 0;     // where its host is in the database's list
    bool close_needed = false;  // to be closed as soon as it is free
    bool checking = false;      // busy with being checked for a client that waits
    steady_time connected_at{};
    steady_time idle_since{};

protected:
    ~server_entry() = default;
};

/// A client that waits for a server. Base of a client session.
class waiter {
public:
    waiter() = default;
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    /// The server is leased to this client now. On the waiter's worker, outside of the mutex.
    virtual void on_granted(server_connection& server) = 0;

    /// The wait is over without a server: the pool's servers refuse the log-in, in these words.
    virtual void on_refused(std::string_view sqlstate, std::string_view message) = 0;

    list_hook wait_hook;
    pool* wanted = nullptr;
    worker_id wait_worker = 0;
    steady_time waiting_since{};

protected:
    ~waiter() = default;
};

using server_list = intrusive::
    list<server_entry, intrusive::member_hook<server_entry, list_hook, &server_entry::hook>>;
using all_server_list = intrusive::
    list<server_entry, intrusive::member_hook<server_entry, list_hook, &server_entry::all_hook>>;
using waiter_list =
    intrusive::list<waiter, intrusive::member_hook<waiter, list_hook, &waiter::wait_hook>>;

/// What a pool may do; in force from the next decision on.
struct pool_limits {
    config::pool_mode mode = config::pool_mode::session;
    int size = 20;  // 0: unlimited
    int min_size = 0;
    int reserve_size = 0;
    microseconds reserve_timeout{0};
    microseconds server_lifetime{0};
    microseconds server_idle_timeout{0};
    microseconds check_delay{0};
    microseconds login_retry{0};
    bool patient = false;  // a server that cannot be reached is waited for
    bool check_servers = true;
    bool round_robin = false;
};

/// What clients of a pool read without the mutex; 0: no limit.
struct client_terms {
    std::atomic<config::pool_mode> mode{config::pool_mode::session};
    std::atomic<bool> reset_always{false};
    std::atomic<microseconds> query_wait_timeout{microseconds(0)};
    std::atomic<microseconds> query_timeout{microseconds(0)};
    std::atomic<microseconds> idle_transaction_timeout{microseconds(0)};
    std::atomic<microseconds> transaction_timeout{microseconds(0)};
    std::atomic<microseconds> client_idle_timeout{microseconds(0)};
    std::atomic<config::routing> routing{config::routing::off};
    std::atomic<config::read_consistency> consistency{config::read_consistency::session};
};

/// Counts of a pool's servers by state, for the console.
struct pool_counts {
    int clients = 0;  // logged in, whatever they do
    int waiting = 0;
    int connecting = 0;
    int promised = 0;  // of these, not opened by their worker yet
    int idle = 0;
    int leased = 0;
    int busy = 0;
    int checking = 0;  // of these, about to serve a client if they are alive
    int moving = 0;

    int servers() const noexcept { return connecting + idle + leased + busy + moving; }
};

class pool {
public:
    pool(
        database_entry& db,
        user_entry& owner,
        std::string user_name,
        std::string host_name,
        worker_id workers
    );

    database_entry& database;
    user_entry& user_totals;
    const std::string user;
    const std::string host;         // "name:port" of the one it reads from; empty: the pool itself
    std::vector<pool_stats> stats;  // one for each worker, written by it only
    client_terms terms;

    // Guarded by the directory's mutex.
    pool_limits limits;
    pool_counts counts;
    std::string failure;           // of the last attempt to connect; empty after a success
    std::string failure_sqlstate;  // the server's, if it answered
    steady_time failed_at{};
    std::shared_ptr<const welcome> greeting;  // of the server that logged in last
    auth::server_credentials learned;         // what a client's log-in proved to know
    steady_time lifetime_close_at{};          // of the last server closed for its age
    bool hungry = false;                      // is in the core's list of pools with waiters
    int readers = 0;                          // sessions that keep to it for their reads
    steady_time unused_since{};               // as of the last look; none: it was not looked at yet
    std::uint64_t usual_load = 0;             // for the choice among hosts: router/read_choice.hpp
    all_server_list servers;

    struct side {
        server_list idle;
        waiter_list waiting;
        int incoming = 0;  // servers that move here
    };

    std::vector<side> sides;                               // one for each worker
    std::map<std::string, pool*, std::less<>> host_pools;  // beside it, by their host

    /// The waiter who has waited longest, over all workers. nullptr if nobody waits.
    const waiter* oldest() const noexcept;
};

/// Numbers of the clusters of routed databases, by the name of the entry; "*": of databases that
/// are made from the template.
using cluster_numbers = std::map<std::string, std::uint32_t, std::less<>>;

/// An entry of [databases], or one made from its template.
struct database_entry {
    std::string name;
    std::uint32_t number = 0;  // in the process; never 0 once it is here
    config::database settings;

    /// Of its servers, by which the view of them is found; 0: its statements are routed for nobody.
    /// May be read without the mutex.
    std::atomic<std::uint32_t> cluster{0};

    int max_connections = 0;  // 0: no limit
    int max_clients = 0;
    int connections = 0;  // servers
    int clients = 0;
    bool automatic = false;
    bool paused = false;
    bool disabled = false;
    bool removed = false;
    std::vector<std::unique_ptr<pool>> pools;  // those of hosts included
    pool_stats past;                           // of pools that were forgotten
    steady_time unused_since{};                // as of the last look; none: not looked at yet

    // Of a list of hosts that are used in turn, or one for as long as it answers.
    std::size_t next_listed = 0;
    std::vector<std::optional<steady_time>> listed_failed_at;  // of those that did not answer last
    std::vector<bool> listed_tried;  // did not answer since one has, or since clients were told
    std::unordered_map<std::string_view, pool*> pool_of_user;

    // Of a database that is routed. Any thread may read these.
    std::atomic<bool> no_primary{false};                      // now
    std::atomic<bool> names_wanted{false};                    // its catalogue is kept
    std::atomic<steady_time> written_at{steady_time::min()};  // the end of the last write

    /// A write has ended. From any thread: who has looked at the clock before another one may come
    /// here after it.
    void note_write(steady_time now) noexcept {
        steady_time last = written_at.load();
        while (last < now && !written_at.compare_exchange_weak(last, now)) {
        }
    }
};

struct user_entry {
    std::string name;
    int max_connections = 0;
    int max_clients = 0;
    int connections = 0;
    int clients = 0;  // by log-in name
};

/// What a server says when a client logs in, kept to greet the next clients with.
struct welcome {
    parameter_set_ptr parameters;
    std::string messages;  // ParameterStatus messages
};

/// Something to be done by a worker.
struct action {
    enum class kind : std::uint8_t {
        connect,  ///< open a server for `where`, on `worker`; it is counted already
        check,    ///< prove that the server is alive, then release it
        move,     ///< hand the server to `destination`
        close,    ///< close the server
        cross,    ///< the server goes to the process that serves now
        refuse,   ///< tell the worker's waiters of `where` that nothing is to be had (next_refused)
    };
    kind what;
    worker_id worker = 0;
    pool* where = nullptr;
    std::uint64_t server = 0;  // its id
    worker_id destination = 0;
};

using actions = std::vector<action>;

/// What becomes of a server that is free.
struct release_outcome {
    enum class kind : std::uint8_t {
        granted,  ///< `to` has it now
        parked,   ///< idle
        close,    ///< to be closed by the caller
        move,     ///< to be handed to `destination` by the caller
        cross,    ///< to go to the process that serves now
    };
    kind what;
    waiter* to = nullptr;
    worker_id destination = 0;
    microseconds look_again{0};  // parked: when claim_stale may have an answer; 0: never
};

/// What nobody has used for long (pool_core::forget_unused).
struct unused_entries {
    std::vector<std::unique_ptr<pool>> pools;
    std::vector<std::unique_ptr<database_entry>> databases;

    bool empty() const noexcept { return pools.empty() && databases.empty(); }
};

class pool_core {
public:
    explicit pool_core(worker_id workers) : workers_(workers) {}

    pool_core(const pool_core&) = delete;
    pool_core& operator=(const pool_core&) = delete;

    // Databases, pools and limits.

    /// Which cluster each database belongs to, from the next configure() on.
    void set_clusters(cluster_numbers numbers) { clusters_ = std::move(numbers); }

    /// Takes a configuration over. Servers of databases that now lie elsewhere are marked to be
    /// closed.
    void configure(std::shared_ptr<const config::configuration> all, actions& out);

    /// The database that a client asks for; nullptr if there is none.
    database_entry* find_database(std::string_view name);
    pool& find_pool(database_entry& db, std::string_view user);

    /// The pool beside `home` that reads from a host.
    pool& find_host_pool(pool& home, std::string_view host);

    /// Made when it is first asked for, and never removed.
    user_entry& find_user(std::string_view name);

    /// Counts a client in, or says why it is not let in. max_client_conn is counted by the caller.
    std::optional<errc> admit_client(pool& of, user_entry& user);
    void dismiss_client(pool& of, user_entry& user, actions& out);

    /// One who was let in by another process: whatever the limits are.
    void count_client(pool& of, user_entry& user) noexcept;

    // The data path.

    /// An idle server of the waiter's worker, leased to it; or nullptr, and it queues.
    /// REQUIRES: wanted and wait_worker are set, and it does not wait yet.
    server_entry* acquire(waiter& who, steady_time now, actions& out);

    /// How much is asked of a pool's servers now: leases, and clients that wait for one.
    static int load(const pool& p) noexcept { return p.counts.leased + p.counts.waiting; }

    /// The waiter leaves the queue without a server.
    void leave(waiter& who);

    /// A server is free on its worker: after a lease, after being connected, checked, reset, or
    /// after a move.
    release_outcome release(server_entry& server, steady_time now, actions& out);

    // The life of a server.

    /// A server object was made for an action::connect.
    /// Of several hosts, it is for the next one that has not failed of late.
    void opened(server_entry& server, pool& where, worker_id worker, steady_time now);

    /// A connection that is opened for one client and never leased. False if there is no room for
    /// it; `make_room`: an idle server has to go.
    bool open_apart(
        server_entry& server,
        pool& where,
        worker_id worker,
        bool make_room,
        steady_time now,
        actions& out
    );

    /// It could not be connected or logged in (with the server's SQLSTATE if it said one). It is
    /// gone.
    void connect_failed(
        server_entry& server,
        std::string_view message,
        std::string_view sqlstate,
        steady_time now,
        actions& out
    );

    /// Takes the next waiter of a worker out of the queue of a pool whose servers refuse the
    /// log-in; nullptr if there is none, or if things have changed for the better.
    waiter* next_refused(pool& p, worker_id worker);

    /// No client has it any more, but it is not free yet.
    void occupy(server_entry& server);

    /// It is gone, whatever state it was in.
    void closed(server_entry& server, steady_time now, actions& out);

    /// It has reached the worker it was moved to; release it next.
    void arrived(server_entry& server, worker_id at);

    /// Takes a server that has been idle for too long or has lived too long out of the pool, to be
    /// closed: says why. Nothing if it is in use or to be kept.
    std::string_view claim_stale(server_entry& server, steady_time now);

    // What time brings: the reserve, retries, the minimum of servers. Call about every 50 ms.
    void tick(steady_time now, actions& out);

    /// Pools (pool_idle_timeout) and databases made from the template (autodb_idle_timeout) that
    /// have had neither clients nor servers for their time, and are the caller's to destroy: when
    /// no worker can have a pointer to them any more. Call about once a second.
    unused_entries forget_unused(steady_time now);

    /// Of databases that were forgotten.
    const pool_stats& past() const noexcept { return past_; }

    /// A routed database has another primary, or none: its servers of the old one are closed at
    /// once, whoever has them, and nobody gets another one before there is a primary.
    void primary_changed(database_entry& db, bool known, steady_time now, actions& out);

    /// The server is not to be used any more: closed now if it is idle, else when it is free.
    void replace(server_entry& server, actions& out);

    /// A host is not to be read from any more: its idle servers are closed now, the others when
    /// they are free.
    void forsake_host(database_entry& db, std::string_view host, actions& out);

    /// Another process serves from now on: servers that are free go there, but for as many as the
    /// database has clients here, and none is opened ahead of its use. Or it does not any more.
    void retire(bool now, actions& out);

    /// A server that comes from another process, free or with a client of its own; release it next,
    /// or take it as leased. False if there is no room for one that is free.
    bool adopt(server_entry& server, pool& where, worker_id worker, bool leased);

    // The operator.

    /// Marks servers to be closed when they are free, and closes the idle ones now; nullptr: of all
    /// databases.
    void reconnect(const database_entry* db, actions& out);
    void pause(database_entry* db, actions& out);
    void resume(database_entry* db, steady_time now, actions& out);

    bool paused() const noexcept { return paused_; }

    /// Servers that clients or we ourselves are using.
    int servers_in_use(const database_entry* db) const noexcept;
    int servers_to_close(const database_entry* db) const noexcept;

    /// True if a new request should be refused at once: the last log-in failed, and nothing is
    /// there to wait for.
    bool failing(const pool& where, steady_time now) const noexcept;

    const std::map<std::string, std::unique_ptr<database_entry>, std::less<>>& databases(
    ) const noexcept {
        return databases_;
    }

    const std::map<std::string, std::unique_ptr<user_entry>, std::less<>>& users() const noexcept {
        return users_;
    }

    const config::configuration& configuration() const noexcept { return *configuration_; }

private:
    void enter(server_entry& server, pool& where, worker_id worker);
    static std::size_t next_of_list(database_entry& db, microseconds retry, steady_time now);
    static bool may_try_another(pool& p, std::size_t failed);
    void limit(pool& p);
    std::uint32_t cluster_of(const database_entry& db) const;
    void set_state(server_entry& server, server_entry::state next);
    void evaluate(pool& p, steady_time now, actions& out);
    enum class eviction : std::uint8_t { none, allowed };
    bool may_connect(pool& p, steady_time now, eviction others, actions& out);
    void promise(pool& p, worker_id worker, actions& out);
    static void count_promise(pool& p);
    bool within_limits(pool& p, eviction others, actions& out);
    void evict(pool& asking, const user_entry* only, actions& out);
    void evaluate_hungry(steady_time now, actions& out);
    void keep_minimum(pool& p, steady_time now, actions& out);
    bool take_elsewhere(pool& p, worker_id to, steady_time now, actions& out);
    bool use_idle(pool& p, steady_time now, actions& out);
    void rouse(pool& p, worker_id from, worker_id to, steady_time now, actions& out);
    static server_entry& next_idle(pool& p, worker_id at) noexcept;
    static bool needs_check(const pool& p, const server_entry& server, steady_time now) noexcept;
    std::optional<worker_id> better_place(const pool& p, worker_id here) const noexcept;
    static microseconds look_again(const pool& p) noexcept;
    bool too_old(pool& p, const server_entry& server, steady_time now);

    database_entry& entry_of(std::string_view name);
    pool& add_pool(database_entry& db, std::string_view user, std::string_view host);

    bool held(const pool& p) const noexcept {
        return paused_ || p.database.paused || (p.host.empty() && p.database.no_primary);
    }

    void take_out(server_entry& idle, action::kind what, actions& out);
    void close_unused(pool& p, actions& out);
    void close_idle(pool& p, actions& out);
    void send_unneeded(database_entry& db, actions& out);

    /// How many servers of it the next process could use better.
    int unneeded(const pool& p) const noexcept {
        return retired_ ? p.counts.servers() - p.counts.busy - p.database.clients : 0;
    }

    void close_all_when_free(pool& p, actions& out);
    void check_counts(const pool& p) const;

    static bool is_unused(const pool& p) noexcept;
    static bool is_unused_home(const pool& p) noexcept;
    void take_unused_pools(database_entry& db, steady_time now, unused_entries& out);
    void forget(pool& p);

    worker_id workers_;
    bool paused_ = false;
    bool retired_ = false;
    std::shared_ptr<const config::configuration> configuration_;
    cluster_numbers clusters_;
    std::map<std::string, std::unique_ptr<database_entry>, std::less<>> databases_;
    std::uint32_t last_number_ = 0;  // of a database
    pool_stats past_;
    std::map<std::string, std::unique_ptr<user_entry>, std::less<>> users_;
    std::vector<pool*> hungry_;   // pools with waiters
    std::vector<pool*> minimal_;  // pools with a min_pool_size
    std::vector<pool*> scratch_;
    steady_time minimum_checked_at_{};
};

}  // namespace pgweir::pool
