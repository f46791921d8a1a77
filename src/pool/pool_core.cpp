#include "pool/pool_core.hpp"

#include "base/log.hpp"
#include "config/changes.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace pgweir::pool {

namespace {

/// Between two attempts at a server that has failed, even if server_login_retry = 0.
constexpr milliseconds shortest_retry{100};

/// A server that does not answer, that is starting up or shutting down.
bool may_be_back_soon(std::string_view sqlstate) noexcept {
    return sqlstate.empty() || sqlstate == "57P03";
}

int& count_of(pool_counts& counts, server_entry::state where) {
    switch (where) {
        case server_entry::state::connecting:
            return counts.connecting;
        case server_entry::state::idle:
            return counts.idle;
        case server_entry::state::leased:
            return counts.leased;
        case server_entry::state::busy:
            return counts.busy;
        case server_entry::state::moving:
            return counts.moving;
    }
    std::abort();
}

/// Pools of automatic databases are made on demand, so an entry can be there before its database is
/// known.
template <typename Map>
auto& find_or_add(Map& map, std::string_view name) {
    auto found = map.find(name);
    if (found == map.end()) {
        using entry = typename Map::mapped_type::element_type;
        auto made = std::make_unique<entry>();
        made->name = name;
        found = map.emplace(std::string(name), std::move(made)).first;
    }
    return *found->second;
}

}  // namespace

pool::pool(
    database_entry& db,
    user_entry& owner,
    std::string user_name,
    std::string host_name,
    worker_id workers
)
    : database(db),
      user_totals(owner),
      user(std::move(user_name)),
      host(std::move(host_name)),
      stats(workers),
      sides(workers) {}

const waiter* pool::oldest() const noexcept {
    const waiter* found = nullptr;
    for (const side& s : sides) {
        if (!s.waiting.empty() &&
            (found == nullptr || s.waiting.front().waiting_since < found->waiting_since)) {
            found = &s.waiting.front();
        }
    }
    return found;
}

// Databases, pools and limits.

void pool_core::configure(std::shared_ptr<const config::configuration> all, actions& out) {
    const auto before = std::exchange(configuration_, std::move(all));
    if (before) {
        const config::change_set changes = config::compare(*before, *configuration_);
        for (const std::string& name : changes.databases_changed) {
            reconnect(&entry_of(name), out);
        }
        for (const auto& [name, db] : databases_) {
            // Made from the template, which is another now, or no longer what counts.
            if (db->automatic &&
                (changes.autodb_changed || configuration_->databases.contains(name))) {
                reconnect(db.get(), out);
            }
        }
    }
    for (const auto& [name, settings] : configuration_->databases) {
        database_entry& db = entry_of(name);
        if (db.settings.hosts != settings.hosts) {
            db.listed_failed_at.clear();  // they were others
            db.listed_tried.clear();
        }
        db.settings = settings;
        db.automatic = false;
        db.removed = false;
    }
    for (auto& [name, db] : databases_) {
        if (!configuration_->databases.contains(name)) {
            const auto made = config::resolve_database(*configuration_, name);
            db->removed = !(db->automatic && made);
            if (db->removed) {
                reconnect(db.get(), out);
                db->paused = false;
                db->disabled = false;
            } else {
                db->settings = *made;
            }
        }
        db->max_connections = config::effective_max_db_connections(*configuration_, db->settings);
        db->max_clients =
            config::effective_max_db_client_connections(*configuration_, db->settings);
        db->cluster = cluster_of(*db);
        for (auto& p : db->pools) {
            limit(*p);
        }
    }
    for (auto& [name, user] : users_) {
        user->max_connections = config::effective_max_user_connections(*configuration_, name);
        user->max_clients = config::effective_max_user_client_connections(*configuration_, name);
    }
}

std::uint32_t pool_core::cluster_of(const database_entry& db) const {
    const auto found = clusters_.find(db.automatic ? std::string_view("*") : db.name);
    return found == clusters_.end() || db.removed ? 0 : found->second;
}

void pool_core::limit(pool& p) {
    const config::settings& global = configuration_->global;
    const config::database& db = p.database.settings;
    p.limits.mode = config::effective_pool_mode(*configuration_, db, p.user);
    p.limits.size = config::effective_pool_size(*configuration_, db, p.user);
    p.limits.min_size = p.host.empty() ? config::effective_min_pool_size(*configuration_, db) : 0;
    p.limits.reserve_size = config::effective_reserve_pool_size(*configuration_, db, p.user);
    p.limits.reserve_timeout = global.reserve_pool_timeout;
    p.limits.server_lifetime = config::effective_server_lifetime(*configuration_, db);
    p.limits.server_idle_timeout = global.server_idle_timeout;
    p.limits.check_delay = global.server_check_delay;
    p.limits.check_servers = !global.server_check_query.empty();
    const config::routing routing = config::effective_routing(*configuration_, db, p.user);
    // Where hosts are watched, it is known soon whether one is back.
    p.limits.patient = routing != config::routing::off;
    p.limits.login_retry = p.limits.patient
                               ? shortest_retry
                               : std::max<microseconds>(global.server_login_retry, shortest_retry);
    p.limits.round_robin = global.server_round_robin;
    p.terms.mode = p.limits.mode;
    p.terms.reset_always = global.server_reset_query_always;
    p.terms.query_wait_timeout = config::effective_query_wait_timeout(*configuration_, db, p.user);
    p.terms.query_timeout = config::effective_query_timeout(*configuration_, p.user);
    p.terms.idle_transaction_timeout =
        config::effective_idle_transaction_timeout(*configuration_, p.user);
    p.terms.transaction_timeout = config::effective_transaction_timeout(*configuration_, p.user);
    p.terms.client_idle_timeout = config::effective_client_idle_timeout(*configuration_, p.user);
    p.terms.routing = routing;
    p.terms.consistency = config::effective_read_consistency(*configuration_, db);
    std::erase(minimal_, &p);
    if (p.limits.min_size > 0 && !p.database.removed) {
        minimal_.push_back(&p);
    }
}

database_entry* pool_core::find_database(std::string_view name) {
    if (const auto found = databases_.find(name);
        found != databases_.end() && !found->second->removed) {
        return found->second.get();
    }
    auto made = config::resolve_database(*configuration_, name);
    if (!made) {
        return nullptr;
    }
    database_entry& db = entry_of(name);
    db.settings = std::move(*made);
    db.automatic = true;
    db.removed = false;
    db.max_connections = config::effective_max_db_connections(*configuration_, db.settings);
    db.max_clients = config::effective_max_db_client_connections(*configuration_, db.settings);
    db.cluster = cluster_of(db);
    for (auto& p : db.pools) {
        limit(*p);  // it was removed, and has come back
    }
    return &db;
}

database_entry& pool_core::entry_of(std::string_view name) {
    database_entry& db = find_or_add(databases_, name);
    if (db.number == 0) {
        db.number = ++last_number_;
    }
    return db;
}

user_entry& pool_core::find_user(std::string_view name) {
    const bool known = users_.contains(name);
    user_entry& user = find_or_add(users_, name);
    if (!known) {
        user.max_connections = config::effective_max_user_connections(*configuration_, name);
        user.max_clients = config::effective_max_user_client_connections(*configuration_, name);
    }
    return user;
}

pool& pool_core::find_pool(database_entry& db, std::string_view user) {
    if (const auto found = db.pool_of_user.find(user); found != db.pool_of_user.end()) {
        return *found->second;
    }
    pool& made = add_pool(db, user, {});
    db.pool_of_user.emplace(made.user, &made);
    return made;
}

pool& pool_core::find_host_pool(pool& home, std::string_view host) {
    if (const auto found = home.host_pools.find(host); found != home.host_pools.end()) {
        return *found->second;
    }
    pool& made = add_pool(home.database, home.user, host);
    home.host_pools.emplace(made.host, &made);
    return made;
}

pool& pool_core::add_pool(database_entry& db, std::string_view user, std::string_view host) {
    db.pools.push_back(
        std::make_unique<pool>(db, find_user(user), std::string(user), std::string(host), workers_)
    );
    limit(*db.pools.back());
    return *db.pools.back();
}

std::optional<errc> pool_core::admit_client(pool& of, user_entry& user) {
    database_entry& db = of.database;
    if (db.max_clients > 0 && db.clients >= db.max_clients) {
        return errc::too_many_database_clients;
    }
    if (user.max_clients > 0 && user.clients >= user.max_clients) {
        return errc::too_many_user_clients;
    }
    count_client(of, user);
    return std::nullopt;
}

void pool_core::count_client(pool& of, user_entry& user) noexcept {
    of.counts.clients++;
    of.database.clients++;
    user.clients++;
}

void pool_core::dismiss_client(pool& of, user_entry& user, actions& out) {
    of.counts.clients--;
    of.database.clients--;
    user.clients--;
    if (retired_) {
        send_unneeded(of.database, out);
    }
}

// The data path.

void pool_core::set_state(server_entry& server, server_entry::state next) {
    pool& p = *server.owner;
    if (server.hook.is_linked()) {
        auto& idle = p.sides[server.worker].idle;
        idle.erase(idle.iterator_to(server));
    }
    if (server.where == server_entry::state::moving && next != server.where) {
        p.sides[server.destination].incoming--;
    }
    if (std::exchange(server.checking, false)) {
        p.counts.checking--;
    }
    count_of(p.counts, server.where)--;
    count_of(p.counts, next)++;
    server.where = next;
    check_counts(p);
}

void pool_core::check_counts(const pool& p) const {
    const pool_counts& c = p.counts;
    if (c.servers() != static_cast<int>(p.servers.size()) + c.promised || c.connecting < 0 ||
        c.idle < 0 || c.leased < 0 || c.busy < 0 || c.moving < 0) [[unlikely]] {
        log::write(
            log::level::fatal,
            "bug: pool {}/{} has {} servers but counts connecting {} idle {} leased {} busy {} "
            "moving {}",
            p.database.name,
            p.user,
            p.servers.size(),
            c.connecting,
            c.idle,
            c.leased,
            c.busy,
            c.moving
        );
        std::abort();
    }
}

server_entry* pool_core::acquire(waiter& who, steady_time now, actions& out) {
    pool& p = *who.wanted;
    pool::side& here = p.sides[who.wait_worker];
    if (!held(p) && here.waiting.empty() && !here.idle.empty()) {
        server_entry& server = next_idle(p, who.wait_worker);
        if (!needs_check(p, server, now)) {
            set_state(server, server_entry::state::leased);
            return &server;
        }
        rouse(p, who.wait_worker, who.wait_worker, now, out);
    } else if (!held(p) && here.idle.empty()) {
        take_elsewhere(p, who.wait_worker, now, out);
    }
    who.waiting_since = now;
    here.waiting.push_back(who);
    p.counts.waiting++;
    if (!p.hungry) {
        p.hungry = true;
        hungry_.push_back(&p);
    }
    evaluate(p, now, out);
    return nullptr;
}

server_entry& pool_core::next_idle(pool& p, worker_id at) noexcept {
    auto& idle = p.sides[at].idle;
    return p.limits.round_robin ? idle.front() : idle.back();
}

bool pool_core::needs_check(const pool& p, const server_entry& server, steady_time now) noexcept {
    return p.limits.check_servers && now - server.idle_since > p.limits.check_delay;
}

/// Puts an idle server on its way to a waiter of `to`, which may be its own worker. One that has to
/// be checked first is moved when it has passed.
void pool_core::rouse(pool& p, worker_id from, worker_id to, steady_time now, actions& out) {
    server_entry& server = next_idle(p, from);
    if (needs_check(p, server, now)) {
        set_state(server, server_entry::state::busy);
        server.checking = true;
        p.counts.checking++;
        out.push_back({action::kind::check, from, &p, server.id});
        return;
    }
    set_state(server, server_entry::state::moving);
    server.destination = to;
    p.sides[to].incoming++;
    out.push_back({action::kind::move, from, &p, server.id, to});
}

/// Has an idle server of another worker moved to `to`, if there is one.
bool pool_core::take_elsewhere(pool& p, worker_id to, steady_time now, actions& out) {
    for (worker_id from = 0; from < workers_; from++) {
        if (from != to && !p.sides[from].idle.empty()) {
            rouse(p, from, to, now, out);
            return true;
        }
    }
    return false;
}

/// An idle server for a waiter who has none coming: what was on its way to it may have been lost.
bool pool_core::use_idle(pool& p, steady_time now, actions& out) {
    if (p.counts.idle == 0 || held(p)) {
        return false;
    }
    for (worker_id w = 0; w < workers_; w++) {
        const pool::side& here = p.sides[w];
        if (!here.idle.empty() && !here.waiting.empty()) {
            rouse(p, w, w, now, out);
            return true;
        }
    }
    return take_elsewhere(p, p.oldest()->wait_worker, now, out);
}

void pool_core::leave(waiter& who) {
    if (!who.wait_hook.is_linked()) {
        return;
    }
    pool& p = *who.wanted;
    auto& waiting = p.sides[who.wait_worker].waiting;
    waiting.erase(waiting.iterator_to(who));
    p.counts.waiting--;
    if (p.counts.waiting == 0 && p.hungry) {
        p.hungry = false;
        std::erase(hungry_, &p);
    }
}

/// The worker whose oldest waiter should have a server that is free on `here`; nothing if it is to
/// stay.
std::optional<worker_id> pool_core::better_place(const pool& p, worker_id here) const noexcept {
    if (p.counts.waiting == 0) {
        return std::nullopt;
    }
    std::optional<worker_id> best;
    const waiter* own = p.sides[here].waiting.empty() ? nullptr : &p.sides[here].waiting.front();
    steady_time bound = own != nullptr ? own->waiting_since - fairness : steady_time::max();
    for (worker_id w = 0; w < workers_; w++) {
        const pool::side& there = p.sides[w];
        if (w != here && static_cast<int>(there.waiting.size()) > there.incoming &&
            there.waiting.front().waiting_since < bound) {
            bound = there.waiting.front().waiting_since;
            best = w;
        }
    }
    return best;
}

bool pool_core::too_old(pool& p, const server_entry& server, steady_time now) {
    const microseconds lifetime = p.limits.server_lifetime;
    if (now - server.connected_at < lifetime) {
        return false;
    }
    // Closes are spread, so that a pool that was filled at once is not emptied at once.
    const auto apart = lifetime / std::max(p.limits.size, 1);
    if (lifetime.count() > 0 && now - p.lifetime_close_at < apart) {
        return false;
    }
    p.lifetime_close_at = now;
    return true;
}

release_outcome pool_core::release(server_entry& server, steady_time now, actions& out) {
    pool& p = *server.owner;
    const bool fresh = server.where == server_entry::state::connecting;
    if (fresh) {
        p.failure.clear();
        p.failure_sqlstate.clear();
        server.connected_at = now;
    }
    if (server.close_needed || p.database.removed || held(p) ||
        (!fresh && too_old(p, server, now))) {
        return {release_outcome::kind::close};
    }
    if (const auto place = better_place(p, server.worker)) {
        set_state(server, server_entry::state::moving);
        server.destination = *place;
        p.sides[*place].incoming++;
        return {release_outcome::kind::move, nullptr, *place};
    }
    auto& waiting = p.sides[server.worker].waiting;
    if (!waiting.empty()) {
        waiter& next = waiting.front();
        leave(next);
        set_state(server, server_entry::state::leased);
        if (fresh) {
            evaluate(p, now, out);
        }
        return {release_outcome::kind::granted, &next};
    }
    const bool was_busy = server.where == server_entry::state::busy;
    if (retired_ && unneeded(p) + (was_busy ? 1 : 0) > 0) {
        set_state(server, server_entry::state::busy);
        return {release_outcome::kind::cross};
    }
    if (p.limits.size > 0 && p.counts.servers() > p.limits.size) {
        // A reserve server, say, and nobody waits any more.
        return {release_outcome::kind::close};
    }
    set_state(server, server_entry::state::idle);
    server.idle_since = now;
    p.sides[server.worker].idle.push_back(server);
    return {release_outcome::kind::parked, nullptr, 0, look_again(p)};
}

// The life of a server.

void pool_core::opened(server_entry& server, pool& where, worker_id worker, steady_time now) {
    server.connected_at = now;
    server.listed = next_of_list(where.database, where.limits.login_retry, now);
    enter(server, where, worker);
}

/// A server that was promised is there.
void pool_core::enter(server_entry& server, pool& where, worker_id worker) {
    server.owner = &where;
    server.worker = worker;
    server.where = server_entry::state::connecting;
    where.counts.promised--;
    where.servers.push_back(server);
    check_counts(where);
}

namespace {

bool failed_of_late(
    const database_entry& db, std::size_t host, microseconds retry, steady_time now
) {
    const auto& at = db.listed_failed_at[host];
    return at && now - *at < retry;
}

}  // namespace

/// If all of them have failed, the one whose turn it is.
std::size_t pool_core::next_of_list(database_entry& db, microseconds retry, steady_time now) {
    const std::size_t total = db.settings.hosts.size();
    db.listed_failed_at.resize(total);
    if (total < 2) {
        return 0;
    }
    const bool in_turn = db.settings.load_balance_hosts == config::load_balance::round_robin;
    std::size_t found = db.next_listed % total;
    for (std::size_t step = 0; step < total; step++) {
        const std::size_t host = (db.next_listed + step) % total;
        if (!failed_of_late(db, host, retry, now)) {
            found = host;
            break;
        }
    }
    const bool moves_on = in_turn || failed_of_late(db, found, retry, now);
    db.next_listed = moves_on ? found + 1 : found;
    return found;
}

/// Whether there is a host that has not failed in this round. If there is none, the round is over.
/// Times do not count here: one attempt may take longer than server_login_retry.
bool pool_core::may_try_another(pool& p, std::size_t failed) {
    database_entry& db = p.database;
    if (!p.host.empty() || db.cluster != 0) {
        return false;  // its host is the cluster's to say
    }
    db.listed_tried.resize(db.listed_failed_at.size());
    db.listed_tried[failed] = true;
    if (std::find(db.listed_tried.begin(), db.listed_tried.end(), false) != db.listed_tried.end()) {
        return true;
    }
    db.listed_tried.clear();
    return false;
}

void pool_core::connect_failed(
    server_entry& server,
    std::string_view message,
    std::string_view sqlstate,
    steady_time now,
    actions& out
) {
    pool& p = *server.owner;
    if (server.close_needed) {
        return closed(server, now, out);  // it says nothing of those that come after it
    }
    if (may_be_back_soon(sqlstate) && server.listed < p.database.listed_failed_at.size()) {
        p.database.listed_failed_at[server.listed] = now;
        if (may_try_another(p, server.listed)) {
            return closed(server, now, out);  // who waits is worth another attempt at once
        }
    }
    p.failure = message;
    p.failure_sqlstate = sqlstate;
    p.failed_at = now;
    // Any other refusal of the log-in would be the same for all who wait.
    if (!may_be_back_soon(sqlstate) && p.counts.servers() == p.counts.connecting) {
        for (worker_id w = 0; w < workers_; w++) {
            if (!p.sides[w].waiting.empty()) {
                out.push_back({action::kind::refuse, w, &p});
            }
        }
    }
    closed(server, now, out);
}

waiter* pool_core::next_refused(pool& p, worker_id worker) {
    auto& waiting = p.sides[worker].waiting;
    if (p.failure.empty() || waiting.empty()) {
        return nullptr;
    }
    waiter& next = waiting.front();
    leave(next);
    return &next;
}

bool pool_core::open_apart(
    server_entry& server,
    pool& where,
    worker_id worker,
    bool make_room,
    steady_time now,
    actions& out
) {
    const bool full = where.limits.size > 0 && where.counts.servers() >= where.limits.size;
    if (full && make_room) {
        for (auto& side : where.sides) {
            if (!side.idle.empty()) {
                server_entry& oldest = side.idle.front();
                take_out(oldest, action::kind::close, out);
                break;
            }
        }
    }
    if (full || !may_connect(where, now, make_room ? eviction::allowed : eviction::none, out)) {
        return false;
    }
    count_promise(where);
    opened(server, where, worker, now);
    return true;
}

void pool_core::occupy(server_entry& server) {
    set_state(server, server_entry::state::busy);
}

void pool_core::closed(server_entry& server, steady_time now, actions& out) {
    pool& p = *server.owner;
    set_state(server, server_entry::state::busy);
    p.counts.busy--;
    p.servers.erase(p.servers.iterator_to(server));
    p.database.connections--;
    p.user_totals.connections--;
    server.owner = nullptr;
    evaluate(p, now, out);
    if (p.database.max_connections > 0 || p.user_totals.max_connections > 0) {
        evaluate_hungry(now, out);
    }
}

void pool_core::arrived(server_entry& server, worker_id at) {
    set_state(server, server_entry::state::busy);
    server.worker = at;
}

std::string_view pool_core::claim_stale(server_entry& server, steady_time now) {
    if (server.where != server_entry::state::idle) {
        return {};
    }
    pool& p = *server.owner;
    const microseconds idle_limit = p.limits.server_idle_timeout;
    std::string_view why;
    if (too_old(p, server, now)) {
        why = "server lifetime over";
    } else if (idle_limit.count() > 0 && now - server.idle_since >= idle_limit &&
               p.counts.servers() > p.limits.min_size) {
        why = "server idle timeout";
    } else {
        return {};
    }
    set_state(server, server_entry::state::busy);
    return why;
}

microseconds pool_core::look_again(const pool& p) noexcept {
    const microseconds idle = p.limits.server_idle_timeout;
    const microseconds life = p.limits.server_lifetime;
    if (idle.count() <= 0 || life.count() <= 0) {
        return std::max(idle, life);
    }
    return std::min(idle, life);
}

bool pool_core::failing(const pool& p, steady_time now) const noexcept {
    const bool awaited = p.limits.patient && may_be_back_soon(p.failure_sqlstate);
    return !p.failure.empty() && !awaited && p.counts.servers() == p.counts.connecting &&
           now - p.failed_at < p.limits.login_retry;
}

// Connecting.

void pool_core::evaluate(pool& p, steady_time now, actions& out) {
    for (;;) {
        // Servers on their way, and those being checked, serve a waiter each.
        const int coming = p.counts.connecting + p.counts.moving + p.counts.checking;
        if (p.counts.waiting <= coming) {
            return;
        }
        if (use_idle(p, now, out)) {
            continue;
        }
        if (p.counts.connecting >= connects_at_once ||
            !may_connect(p, now, eviction::allowed, out)) {
            return;
        }
        promise(p, p.oldest()->wait_worker, out);
    }
}

void pool_core::promise(pool& p, worker_id worker, actions& out) {
    count_promise(p);
    out.push_back({action::kind::connect, worker, &p});
}

void pool_core::count_promise(pool& p) {
    p.counts.connecting++;
    p.counts.promised++;
    p.database.connections++;
    p.user_totals.connections++;
}

bool pool_core::may_connect(pool& p, steady_time now, eviction others, actions& out) {
    if (held(p) || p.database.removed ||
        (!p.failure.empty() && now - p.failed_at < p.limits.login_retry)) {
        return false;
    }
    const int servers = p.counts.servers();
    if (p.limits.size > 0 && servers >= p.limits.size) {
        const waiter* first = p.oldest();
        const bool reserve = p.limits.reserve_timeout.count() > 0 && first != nullptr &&
                             now - first->waiting_since >= p.limits.reserve_timeout &&
                             servers < p.limits.size + p.limits.reserve_size;
        if (!reserve) {
            return false;
        }
    }
    return within_limits(p, others, out);
}

bool pool_core::within_limits(pool& p, eviction others, actions& out) {
    const database_entry& db = p.database;
    const user_entry& user = p.user_totals;
    const bool db_full = db.max_connections > 0 && db.connections >= db.max_connections;
    const bool user_full = user.max_connections > 0 && user.connections >= user.max_connections;
    if ((db_full || user_full) && others == eviction::allowed) {
        evict(p, db_full ? nullptr : &user, out);
    }
    return !db_full && !user_full;
}

/// Closes the server of another pool that has been idle longest, of the same database or (if `only`
/// is given) of the same user, to make room. The connection is opened when that one is gone.
void pool_core::evict(pool& asking, const user_entry* only, actions& out) {
    server_entry* oldest = nullptr;
    const auto look_at = [&](pool& p) {
        if (&p == &asking || (only != nullptr && &p.user_totals != only)) {
            return;
        }
        for (auto& side : p.sides) {
            if (!side.idle.empty() &&
                (oldest == nullptr || side.idle.front().idle_since < oldest->idle_since)) {
                oldest = &side.idle.front();
            }
        }
    };
    if (only == nullptr) {
        for (auto& p : asking.database.pools) {
            look_at(*p);
        }
    } else {
        for (auto& [name, db] : databases_) {
            for (auto& p : db->pools) {
                look_at(*p);
            }
        }
    }
    if (oldest != nullptr) {
        take_out(*oldest, action::kind::close, out);
    }
}

void pool_core::evaluate_hungry(steady_time now, actions& out) {
    scratch_ = hungry_;
    for (pool* p : scratch_) {
        evaluate(*p, now, out);
    }
}

void pool_core::tick(steady_time now, actions& out) {
    evaluate_hungry(now, out);
    if (!retired_ && now - minimum_checked_at_ >= milliseconds(333)) {
        minimum_checked_at_ = now;
        for (pool* p : minimal_) {
            keep_minimum(*p, now, out);
        }
    }
}

/// One connection at a time, only for pools that somebody uses, and at the cost of no other pool:
/// two that need the same room would take it from each other for ever.
void pool_core::keep_minimum(pool& p, steady_time now, actions& out) {
    const bool used = p.counts.clients > 0 || p.database.settings.user.has_value();
    if (used && p.counts.connecting == 0 && p.counts.servers() < p.limits.min_size &&
        may_connect(p, now, eviction::none, out)) {
        promise(p, 0, out);
    }
}

bool pool_core::is_unused(const pool& p) noexcept {
    return p.counts.clients == 0 && p.counts.servers() == 0 && p.counts.waiting == 0 &&
           p.readers == 0;
}

bool pool_core::is_unused_home(const pool& p) noexcept {
    return p.host.empty() && is_unused(p) &&
           std::all_of(p.host_pools.begin(), p.host_pools.end(), [](const auto& entry) {
               return is_unused(*entry.second);
           });
}

namespace {

/// Notes how long it has been so. True if that is long enough.
bool long_enough(bool unused, steady_time& since, microseconds limit, steady_time now) {
    if (!unused || since == steady_time{}) {
        since = now;
    }
    return unused && limit.count() > 0 && now - since >= limit;
}

}  // namespace

unused_entries pool_core::forget_unused(steady_time now) {
    const config::settings& global = configuration_->global;
    unused_entries out;
    for (auto at = databases_.begin(); at != databases_.end();) {
        database_entry& db = *at->second;
        const bool unused = db.automatic && !db.paused && !db.disabled && db.clients == 0 &&
                            db.connections == 0 &&
                            std::all_of(db.pools.begin(), db.pools.end(), [](const auto& p) {
                                return is_unused(*p);
                            });
        if (!long_enough(unused, db.unused_since, global.autodb_idle_timeout, now)) {
            take_unused_pools(db, now, out);
            ++at;
            continue;
        }
        for (auto& p : db.pools) {
            forget(*p);
        }
        add(past_, db.past);
        out.databases.push_back(std::move(at->second));
        at = databases_.erase(at);
    }
    return out;
}

void pool_core::take_unused_pools(database_entry& db, steady_time now, unused_entries& out) {
    const microseconds limit = configuration_->global.pool_idle_timeout;
    std::vector<pool*> going;
    for (auto& p : db.pools) {
        if (long_enough(is_unused_home(*p), p->unused_since, limit, now)) {
            going.push_back(p.get());
            for (auto& [host, of_host] : p->host_pools) {
                going.push_back(of_host);
            }
        }
    }
    for (pool* gone : going) {
        forget(*gone);
        const auto found = std::find_if(db.pools.begin(), db.pools.end(), [&](const auto& p) {
            return p.get() == gone;
        });
        out.pools.push_back(std::move(*found));
        db.pools.erase(found);
    }
}

/// It is found no more.
void pool_core::forget(pool& p) {
    std::erase(minimal_, &p);
    if (p.host.empty()) {
        p.database.pool_of_user.erase(p.user);
    }
    for (const pool_stats& each : p.stats) {
        add(p.database.past, each);
    }
}

void pool_core::primary_changed(database_entry& db, bool known, steady_time now, actions& out) {
    db.no_primary = !known;
    for (auto& p : db.pools) {
        if (p->host.empty()) {
            p->failure.clear();
            for (server_entry& server : p->servers) {
                server.close_needed = true;
                if (server.where != server_entry::state::idle) {
                    out.push_back({action::kind::close, server.worker, p.get(), server.id});
                }
            }
            close_idle(*p, out);
        }
    }
    evaluate_hungry(now, out);
}

void pool_core::replace(server_entry& server, actions& out) {
    server.close_needed = true;
    if (server.where == server_entry::state::idle) {
        take_out(server, action::kind::close, out);
    }
}

void pool_core::forsake_host(database_entry& db, std::string_view host, actions& out) {
    for (auto& p : db.pools) {
        if (p->host == host) {
            close_all_when_free(*p, out);
        }
    }
}

// The operator.

void pool_core::close_all_when_free(pool& p, actions& out) {
    p.failure.clear();
    p.greeting.reset();
    for (server_entry& server : p.servers) {
        server.close_needed = true;
    }
    close_unused(p, out);
}

void pool_core::retire(bool now, actions& out) {
    retired_ = now;
    for (auto& [name, db] : databases_) {
        send_unneeded(*db, out);
    }
}

void pool_core::send_unneeded(database_entry& db, actions& out) {
    for (auto& p : db.pools) {
        int surplus = unneeded(*p);
        for (auto& side : p->sides) {
            for (; surplus > 0 && !side.idle.empty(); surplus--) {
                server_entry& server = side.idle.front();
                take_out(server, action::kind::cross, out);
            }
        }
    }
}

bool pool_core::adopt(server_entry& server, pool& where, worker_id worker, bool leased) {
    const bool full = where.limits.size > 0 && where.counts.servers() >= where.limits.size;
    actions nothing;
    if (!leased &&
        (full || where.database.removed || !within_limits(where, eviction::none, nothing))) {
        return false;
    }
    count_promise(where);
    enter(server, where, worker);
    set_state(server, leased ? server_entry::state::leased : server_entry::state::busy);
    return true;
}

/// It is nobody's to take any more, and the worker that has it is told what becomes of it.
void pool_core::take_out(server_entry& idle, action::kind what, actions& out) {
    set_state(idle, server_entry::state::busy);
    out.push_back({what, idle.worker, idle.owner, idle.id});
}

/// Those that nobody has had yet, too.
void pool_core::close_unused(pool& p, actions& out) {
    for (server_entry& server : p.servers) {
        if (server.where == server_entry::state::connecting) {
            server.close_needed = true;
            out.push_back({action::kind::close, server.worker, &p, server.id});
        }
    }
    close_idle(p, out);
}

void pool_core::close_idle(pool& p, actions& out) {
    for (auto& side : p.sides) {
        while (!side.idle.empty()) {
            server_entry& server = side.idle.front();
            take_out(server, action::kind::close, out);
        }
    }
}

void pool_core::reconnect(const database_entry* db, actions& out) {
    for (auto& [name, entry] : databases_) {
        if (db != nullptr && db != entry.get()) {
            continue;
        }
        entry->listed_failed_at.clear();  // each of its hosts is tried again
        entry->listed_tried.clear();
        for (auto& p : entry->pools) {
            close_all_when_free(*p, out);
        }
    }
}

void pool_core::pause(database_entry* db, actions& out) {
    (db != nullptr ? db->paused : paused_) = true;
    for (auto& [name, entry] : databases_) {
        if (db == nullptr || db == entry.get()) {
            for (auto& p : entry->pools) {
                close_unused(*p, out);
            }
        }
    }
}

void pool_core::resume(database_entry* db, steady_time now, actions& out) {
    (db != nullptr ? db->paused : paused_) = false;
    evaluate_hungry(now, out);
}

namespace {

template <typename Count>
int sum(
    const std::map<std::string, std::unique_ptr<database_entry>, std::less<>>& databases,
    const database_entry* only,
    Count count
) {
    int total = 0;
    for (const auto& [name, db] : databases) {
        if (only == nullptr || only == db.get()) {
            for (const auto& p : db->pools) {
                total += count(*p);
            }
        }
    }
    return total;
}

}  // namespace

int pool_core::servers_in_use(const database_entry* db) const noexcept {
    return sum(databases_, db, [](const pool& p) { return p.counts.servers() - p.counts.idle; });
}

int pool_core::servers_to_close(const database_entry* db) const noexcept {
    return sum(databases_, db, [](const pool& p) {
        return static_cast<int>(std::count_if(
            p.servers.begin(), p.servers.end(), [](const server_entry& s) { return s.close_needed; }
        ));
    });
}

}  // namespace pgweir::pool
