#include "server/snapshots.hpp"

#include "config/show.hpp"
#include "server/worker.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pgweir::server {

namespace {

using pool::server_entry;

admin::stats_counters counters_of(const pool::pool_stats& from) {
    admin::stats_counters out;
    out.server_assignment_count = from.server_assignment_count.get();
    out.xact_count = from.xact_count.get();
    out.query_count = from.query_count.get();
    out.bytes_received = from.received.get();
    out.bytes_sent = from.sent.get();
    out.xact_time = from.xact_time.get();
    out.query_time = from.query_time.get();
    out.wait_time = from.wait_time.get();
    out.client_parse_count = from.client_parse_count.get();
    out.server_parse_count = from.server_parse_count.get();
    out.bind_count = from.bind_count.get();
    out.client_login_count = from.client_login_count.get();
    return out;
}

std::optional<std::string> load_balance_of(const config::database& db) {
    if (db.hosts.size() < 2) {
        return std::nullopt;
    }
    return std::string(config::name_of(db.load_balance_hosts));
}

std::optional<std::string> hosts_of(const config::database& db) {
    if (db.hosts.empty()) {
        return std::nullopt;
    }
    std::string joined = db.hosts[0];
    for (std::size_t i = 1; i < db.hosts.size(); i++) {
        joined += "," + db.hosts[i];
    }
    return joined;
}

void add_counts(admin::pool_row& row, const pool::pool& p, steady_time now) {
    row.cl_waiting += p.counts.waiting;
    row.sv_active += p.counts.leased;
    row.sv_idle += p.counts.idle;
    row.sv_used += p.counts.moving;
    row.sv_tested += p.counts.busy;
    row.sv_login += p.counts.connecting;
    if (const pool::waiter* oldest = p.oldest()) {
        const auto waited = std::chrono::duration_cast<microseconds>(now - oldest->waiting_since);
        row.max_wait = std::max(row.max_wait, waited);
    }
}

/// One row, with the sums of the pools of hosts beside it.
admin::pool_row row_of(const pool::pool& p, steady_time now) {
    admin::pool_row row;
    row.database = p.database.name;
    row.user = p.user;
    add_counts(row, p, now);
    for (const auto& [host, beside] : p.host_pools) {
        add_counts(row, *beside, now);
    }
    // Who waits for its log-in is not one of the pool's yet.
    row.cl_active = std::max<std::int64_t>(p.counts.clients - row.cl_waiting, 0);
    row.pool_mode = config::name_of(p.limits.mode);
    row.load_balance_hosts = load_balance_of(p.database.settings);
    return row;
}

admin::database_row row_of(const pool::database_entry& db, const config::configuration& all) {
    const config::database& settings = db.settings;
    admin::database_row row;
    row.name = db.name;
    row.host = hosts_of(settings);
    row.port = config::port_of_host(settings, 0);
    row.database = settings.dbname;
    row.force_user = settings.user;
    row.pool_size = settings.pool_size.value_or(all.global.default_pool_size);
    row.min_pool_size = config::effective_min_pool_size(all, settings);
    row.reserve_pool_size = settings.reserve_pool_size.value_or(all.global.reserve_pool_size);
    row.server_lifetime =
        std::chrono::duration_cast<seconds>(config::effective_server_lifetime(all, settings))
            .count();
    if (settings.pool_mode) {
        row.pool_mode = config::name_of(*settings.pool_mode);
    }
    row.load_balance_hosts = load_balance_of(settings);
    row.max_connections = db.max_connections;
    row.current_connections = db.connections;
    row.max_client_connections = db.max_clients;
    row.current_client_connections = db.clients;
    row.paused = db.paused;
    row.disabled = db.disabled;
    return row;
}

admin::user_row row_of(
    const std::string& name, const pool::pool_core& core, const config::configuration& all
) {
    admin::user_row row;
    row.name = name;
    if (const auto set = all.users.find(name); set != all.users.end()) {
        row.pool_size = set->second.pool_size;
        row.reserve_pool_size = set->second.reserve_pool_size;
        if (set->second.pool_mode) {
            row.pool_mode = config::name_of(*set->second.pool_mode);
        }
    }
    row.max_user_connections = config::effective_max_user_connections(all, name);
    row.max_user_client_connections = config::effective_max_user_client_connections(all, name);
    if (const auto known = core.users().find(name); known != core.users().end()) {
        row.current_connections = known->second->connections;
        row.current_client_connections = known->second->clients;
    }
    return row;
}

/// The console itself is a database, and a pool, too.
void add_console(const config::configuration& all, int consoles, admin::snapshot& into) {
    admin::database_row db;
    db.name = "pgbouncer";
    db.port = all.global.listen_port;
    db.database = "pgbouncer";
    db.force_user = "pgbouncer";
    db.pool_size = 2;
    db.pool_mode = "statement";
    into.databases.push_back(std::move(db));
    admin::pool_row p;
    p.database = "pgbouncer";
    p.user = "pgbouncer";
    p.cl_active = consoles;
    p.pool_mode = "statement";
    into.pools.push_back(std::move(p));
}

admin::mem_row memory(std::string name, std::size_t size, std::int64_t used) {
    admin::mem_row row;
    row.name = std::move(name);
    row.size = static_cast<std::int64_t>(size);
    row.used = used;
    row.memtotal = row.size * used;
    return row;
}

admin::wall_time wall(steady_time at) {
    return std::chrono::system_clock::now() -
           std::chrono::duration_cast<std::chrono::system_clock::duration>(net::loop::now() - at);
}

std::string application_name_of(
    const pool::parameter_set_ptr& values, const pool::parameter_store& store
) {
    const auto index = store.index_of("application_name");
    return values && index ? values->values()[*index].value_or("") : "";
}

void put_addresses(admin::socket_row& row, const net::address& peer, const net::address& own) {
    row.addr = peer.host();
    row.port = peer.port;
    row.local_addr = own.host();
    row.local_port = own.port;
}

admin::client_state state_of(const session::client& c) {
    using state = session::client::state;
    switch (c.current()) {
        case state::login:
            return admin::client_state::login;
        case state::canceling:
            return admin::client_state::active_cancel_request;
        case state::greeting:
        case state::waiting:
            return admin::client_state::waiting;
        case state::idle:
        case state::crossing:
            return admin::client_state::idle;
        case state::console:
        case state::preparing:
        case state::active:
        case state::replicating:
        case state::ended:
            break;
    }
    return admin::client_state::active;
}

admin::replication_kind kind_of(session::replication_kind what) {
    switch (what) {
        case session::replication_kind::none:
            break;
        case session::replication_kind::logical:
            return admin::replication_kind::logical;
        case session::replication_kind::physical:
            return admin::replication_kind::physical;
    }
    return admin::replication_kind::none;
}

admin::client_row row_of(const session::client& c, const pool::parameter_store& store) {
    admin::client_row row;
    row.state = state_of(c);
    row.user = c.user();
    row.database = c.database();
    row.replication = kind_of(c.replicates());
    if (c.current() == session::client::state::console) {
        row.database = "pgbouncer";
    }
    put_addresses(row, c.peer(), c.local());
    if (c.peer().kind == net::address::family::local) {
        row.port = row.local_port;
    }
    row.connect_time = wall(c.connected_at());
    if (c.request_at() != steady_time{}) {
        row.request_time = wall(c.request_at());
    }
    if (row.state == admin::client_state::waiting) {
        row.wait = std::chrono::duration_cast<microseconds>(net::loop::now() - c.waiting_since);
    }
    if (c.tls() != nullptr) {
        row.tls = c.tls()->description();
    }
    row.link_id = c.server() != nullptr            ? c.server()->id
                  : c.replicates_with() != nullptr ? c.replicates_with()->id
                                                   : 0;
    row.application_name = application_name_of(c.parameters(), store);
    row.prepared_statements = static_cast<std::int64_t>(c.statements());
    row.id = c.id();
    return row;
}

std::int64_t milliseconds_of(steady_time::duration time) {
    return std::chrono::duration_cast<milliseconds>(time).count();
}

/// Without the database and the cluster, which the caller knows.
admin::topology_row row_of(const router::host_view& host, steady_time now) {
    admin::topology_row row;
    row.host = host.name;
    row.port = host.port;
    if (!host.address.empty()) {
        row.address = host.address;
    }
    row.role = router::name_of(host.role);
    row.state = router::name_of(host.state);
    row.weight = host.weight;
    row.why = host.why;
    if (host.position.known()) {
        row.timeline = host.position.timeline;
    }
    if (host.position.lsn != 0) {
        row.lsn = lsn_text(host.position.lsn);
    }
    if (host.received != 0) {
        row.received = lsn_text(host.received);
    }
    if (host.lag_bytes) {
        row.lag_bytes = static_cast<std::int64_t>(*host.lag_bytes);
    }
    if (host.lag_time) {
        row.lag_ms = milliseconds_of(*host.lag_time);
    }
    if (host.asked_at != steady_time{}) {
        row.age_ms = milliseconds_of(now - host.asked_at);
    }
    return row;
}

admin::server_state state_of(const pool::server_connection& s, server_entry::state where) {
    switch (where) {
        case server_entry::state::connecting:
            return admin::server_state::login;
        case server_entry::state::idle:
            return admin::server_state::idle;
        case server_entry::state::leased:
            return admin::server_state::active;
        case server_entry::state::busy:
            return s.being_canceled() ? admin::server_state::being_canceled
                                      : admin::server_state::tested;
        case server_entry::state::moving:
            break;
    }
    return admin::server_state::used;
}

}  // namespace

std::map<std::string, admin::stats_counters> stats_by_database(process& shared) {
    std::map<std::string, admin::stats_counters> out;
    shared.pools.run(pool::pool_directory::outside, [&](pool::pool_core& core, pool::actions&) {
        for (const auto& [name, db] : core.databases()) {
            admin::stats_counters& sum = out[name];
            sum += counters_of(db->past);
            for (const auto& p : db->pools) {
                for (const pool::pool_stats& s : p->stats) {
                    sum += counters_of(s);
                }
            }
        }
    });
    return out;
}

admin::stats_counters past_stats(process& shared) {
    return shared.pools.run(pool::pool_directory::outside, [](auto& core, pool::actions&) {
        return counters_of(core.past());
    });
}

void fill_pools(process& shared, const session::runtime& settings, admin::snapshot& into) {
    const config::configuration& all = *settings.configuration;
    const steady_time now = net::loop::now();
    for (const auto& [id, peer] : all.peers) {
        if (id != all.global.peer_id) {
            const int size = peer.pool_size.value_or(all.global.default_pool_size);
            into.peers.push_back({id, peer.host, peer.port, size});
            into.peer_pools.emplace_back().peer_id = id;
        }
    }
    admin::list_counts& lists = into.lists;
    shared.pools.run(pool::pool_directory::outside, [&](pool::pool_core& core, pool::actions&) {
        std::map<std::string, bool> names;
        for (const auto& [name, user] : settings.users->users()) {
            names[name] = true;
        }
        for (const auto& [name, user] : core.users()) {
            names[name] = true;
        }
        for (const auto& [name, unused] : names) {
            into.users.push_back(row_of(name, core, all));
        }
        for (const auto& [name, db] : core.databases()) {
            if (db->removed) {
                continue;
            }
            into.databases.push_back(row_of(*db, all));
            for (const auto& p : db->pools) {
                if (p->host.empty()) {
                    into.pools.push_back(row_of(*p, now));
                }
                lists.free_servers += p->counts.idle;
                lists.used_servers += p->counts.servers() - p->counts.idle;
            }
        }
        into.state = core.paused() ? admin::pooler_state::paused : admin::pooler_state::active;
    });
    add_console(all, shared.exempt, into);
    for (const net::name_cache::row& row : shared.names.rows(now)) {
        into.dns_hosts.push_back(
            {row.name, row.left.count(), fmt::format("{}", fmt::join(row.addresses, ","))}
        );
    }
    lists.dns_names = static_cast<std::int64_t>(into.dns_hosts.size());
    lists.dns_queries = shared.names.under_way();
    lists.databases = static_cast<std::int64_t>(into.databases.size());
    lists.pools = static_cast<std::int64_t>(into.pools.size());
    lists.users = static_cast<std::int64_t>(into.users.size());
    lists.used_clients = shared.clients;
    const std::int64_t servers = lists.free_servers + lists.used_servers;
    into.mem = {
        memory("user_cache", sizeof(pool::user_entry), lists.users),
        memory("db_cache", sizeof(pool::database_entry), lists.databases),
        memory("pool_cache", sizeof(pool::pool), lists.pools),
        memory("server_cache", sizeof(pool::server_connection), servers),
        memory("client_cache", sizeof(session::client), lists.used_clients),
    };
}

namespace {

/// Adds a worker's counts to those of the workers before it.
void add_routing(const session::routing_counts& from, std::vector<admin::routing_row>& into) {
    std::size_t next = 0;
    const auto add = [&](std::string_view what, std::string_view reason, const pool::counter& c) {
        if (next == into.size()) {
            into.push_back({std::string(what), std::string(reason), 0});
        }
        into[next++].count += c.get();
    };
    add("read on a standby", {}, from.reads_on_standby);
    add("read on the primary", "its part", from.reads_on_primary);
    add("read on the primary", "no standby fresh in time", from.not_fresh);
    for (std::size_t i = 0; i < from.to_primary.size(); i++) {
        add("to the primary", router::name_of(static_cast<router::reason>(i)), from.to_primary[i]);
    }
    for (std::size_t i = 0; i < from.repaired.size(); i++) {
        add("sent again to the primary",
            session::name_of(static_cast<session::repair_reason>(i)),
            from.repaired[i]);
    }
    add("fixed route", {}, from.fixed);
    add("waited for a fresh standby", {}, from.waited);
    add("to the primary", "what was seen is not shown in time", from.not_shown);
    add("answered without a server", {}, from.answered);
}

}  // namespace

void fill_topology(const topology::cluster_watch& from, admin::snapshot& into) {
    const steady_time now = net::loop::now();
    for (const topology::cluster_report& cluster : from.clusters()) {
        for (const std::string& database : cluster.databases) {
            for (const router::host_view& host : cluster.view->hosts) {
                admin::topology_row row = row_of(host, now);
                row.database = database;
                row.cluster = cluster.number;
                into.topology.push_back(std::move(row));
            }
        }
    }
}

void fill_worker(const worker& from, admin::snapshot& into) {
    add_routing(from.routing(), into.routing);
    const net::engine& engine = from.loop().streams();
    const net::engine_counts counts = engine.counts();
    const worker::activity& done = from.done();
    admin::worker_row row;
    row.worker = from.id();
    row.engine = engine.name();
    row.clients = static_cast<std::int64_t>(from.client_total());
    row.servers = static_cast<std::int64_t>(from.server_total());
    row.turns = counts.turns;
    row.events = counts.events;
    row.migrations_in = done.migrations_in;
    row.migrations_out = done.migrations_out;
    row.accepted = done.accepted;
    into.workers.push_back(std::move(row));
    for (const auto& [id, cancels] : from.peers().count()) {
        const auto peer = std::find_if(
            into.peer_pools.begin(),
            into.peer_pools.end(),
            [number = id](const admin::peer_pool_row& each) { return each.peer_id == number; }
        );
        if (peer != into.peer_pools.end()) {
            peer->cl_active_cancel_req += static_cast<std::int64_t>(cancels.active);
            peer->cl_waiting_cancel_req += static_cast<std::int64_t>(cancels.waiting);
            peer->sv_active_cancel += static_cast<std::int64_t>(cancels.active);
        }
    }
}

namespace {

void put_addresses(admin::server_row& row, const net::target& where, int socket) {
    row.addr = where.host;
    row.port = where.port;
    if (socket >= 0) {
        put_addresses(row, net::address::of_peer(socket), net::address::of_socket(socket));
        if (row.port == 0) {
            row.port = where.port;
        }
    }
}

/// The server of a client that replicates, which is in no pool's hands.
admin::server_row row_of(const session::replication& s, const session::client& of) {
    admin::server_row row;
    row.state = s.ready() ? admin::server_state::active : admin::server_state::login;
    row.user = s.owner->user;
    row.database = s.owner->database.name;
    row.replication = kind_of(of.replicates());
    put_addresses(row, s.address(), s.socket());
    row.connect_time = wall(s.connected_at);
    row.link_id = of.id();
    row.remote_pid = s.key().process_id;
    if (s.tls() != nullptr) {
        row.tls = s.tls()->description();
    }
    row.id = s.id;
    return row;
}

}  // namespace

void fill_sockets(const worker& from, process& shared, admin::snapshot& into) {
    const pool::parameter_store& store = shared.parameters;
    from.for_each_client([&](const session::client& c) {
        into.clients.push_back(row_of(c, store));
        if (const session::replication* server = c.replicates_with();
            server != nullptr && server->owner != nullptr) {
            into.servers.push_back(row_of(*server, c));
        }
    });
    std::map<std::uint64_t, std::uint64_t> client_of;
    for (const admin::client_row& c : into.clients) {
        if (c.link_id != 0) {
            client_of[c.link_id] = c.id;
        }
    }
    from.for_each_server([&](const pool::server_connection& s) {
        if (s.owner == nullptr) {
            return;
        }
        // Others may be taking it away just now.
        const auto [where, close_needed] =
            shared.pools.run(pool::pool_directory::outside, [&](pool::pool_core&, pool::actions&) {
                return std::pair(s.where, s.close_needed);
            });
        admin::server_row row;
        row.state = state_of(s, where);
        row.user = s.owner->user;
        row.database = s.owner->database.name;
        put_addresses(row, s.address(), s.socket());
        row.connect_time = wall(s.connected_at);
        row.close_needed = close_needed;
        if (const auto link = client_of.find(s.id); link != client_of.end()) {
            row.link_id = link->second;
        }
        row.remote_pid = s.key().process_id;
        if (s.tls() != nullptr) {
            row.tls = s.tls()->description();
        }
        row.application_name = application_name_of(s.parameters(), store);
        row.prepared_statements = static_cast<std::int64_t>(s.statements().size());
        row.id = s.id;
        into.servers.push_back(std::move(row));
    });
}

}  // namespace pgweir::server
