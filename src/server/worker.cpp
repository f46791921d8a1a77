#include "server/worker.hpp"

#include "auth/crypto.hpp"
#include "base/log.hpp"
#include "external/outside.hpp"
#include "protocol/cancel_key.hpp"
#include "server/console_session.hpp"
#include "server/supervisor.hpp"

#include <fmt/format.h>

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace pgweir::server {

namespace {

net::socket_options socket_options_of(const config::settings& global) {
    net::socket_options options;
    options.keepalive = global.tcp_keepalive;
    options.keepcnt = global.tcp_keepcnt;
    options.keepidle = global.tcp_keepidle;
    options.keepintvl = global.tcp_keepintvl;
    options.socket_buffer = global.tcp_socket_buffer;
    options.user_timeout = global.tcp_user_timeout;
    return options;
}

/// The host that a pool's servers are on, one without an address if it is not known; nothing if
/// its database is not routed. Under the pools' mutex.
std::optional<router::host_view> host_of(
    const pool::pool& p, const std::map<std::uint32_t, router::cluster_view_ptr>& views
) {
    if (p.database.cluster == 0) {
        return std::nullopt;
    }
    const auto found = views.find(p.database.cluster);
    if (found != views.end()) {
        const router::cluster_view& view = *found->second;
        for (std::size_t i = 0; i < view.hosts.size(); i++) {
            const router::host_view& host = view.hosts[i];
            if (p.host.empty() ? view.primary == i
                               : router::key_of(host.name, host.port) == p.host) {
                return host;
            }
        }
    }
    return router::host_view{};
}

/// A cancel key leads to its worker: these bits of it are the worker's number. The highest bit is
/// zero, so that the process id in it is positive.

}  // namespace

worker::worker(process& shared, supervisor& boss, pool::worker_id id, session::runtime_ptr settings)
    : shared_(shared),
      supervisor_(boss),
      id_(id),
      runtime_(std::move(settings)),
      loop_(shared.engine) {
    loop_.share(shared.names);
    shared_.pools.attach(id, *this);
}

worker::~worker() = default;

void worker::start() {
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), fmt::format("worker-{}", id_).c_str());
        loop_.run();
    });
}

void worker::join() {
    thread_.join();
}

void worker::post(std::function<void()> task) {
    loop_.post(std::move(task));
}

void worker::accept(int socket, const net::address& peer, std::optional<config::routing> route) {
    if (peer.kind != net::address::family::local) {
        net::apply_to_accepted(socket_options_of(settings()), socket);
    }
    shared_.clients++;
    done_.accepted++;
    auto c = std::make_unique<session::client>(*this, socket, peer, shared_.next_id++, route);
    clients_.push_back(*c.release());
}

void worker::apply(session::runtime_ptr settings) {
    runtime_ = std::move(settings);
    kill_clients(
        [this](const session::client& c) {
            const pool::pool* p = c.pool_of();
            return p != nullptr && shared_.pools.run(id_, [p](pool::pool_core&, pool::actions&) {
                return p->database.removed;
            });
        },
        errc::database_removed
    );
}

// Online restart.

void worker::take_client(int socket, int server_socket, const session::carried_client& who) {
    const net::address peer = net::address::of_peer(socket);
    if (peer.kind == net::address::family::none) {
        load_.fetch_sub(1, std::memory_order_relaxed);
        ::close(socket);  // it has gone meanwhile
        if (server_socket >= 0) {
            pool::terminate(descriptor(server_socket));
        }
        return;
    }
    shared_.clients++;
    auto c = std::make_unique<session::client>(*this, socket, peer, shared_.next_id++, who);
    clients_.push_back(*c);
    c.release()->arrive(who, server_socket);
}

pool::server_connection* worker::take_server(
    const pool::carried_server& what, int socket, pool::pool* where
) {
    auto made = std::make_shared<pool::server_connection>(*this, what, socket, shared_.next_id++);
    if (where == nullptr || !made->enter(*where, what, true)) {
        pool::terminate(descriptor(socket));
        return nullptr;
    }
    return servers_.emplace(made->id, made).first->second.get();
}

void worker::take_server(const pool::carried_server& what, int socket) {
    pool::pool* where =
        shared_.pools.run(id_, [&](pool::pool_core& core, pool::actions&) -> pool::pool* {
            pool::database_entry* db = core.find_database(what.database);
            if (db == nullptr) {
                return nullptr;
            }
            pool::pool& home = core.find_pool(*db, what.user);
            return what.host.empty() ? &home : &core.find_host_pool(home, what.host);
        });
    auto made = std::make_shared<pool::server_connection>(*this, what, socket, shared_.next_id++);
    if (where == nullptr || !made->enter(*where, what, false)) {
        return pool::terminate(descriptor(socket));
    }
    servers_.emplace(made->id, made);
    made->arrive(what);
}

void worker::give_clients(bool now) {
    giving_ = now;
    if (now) {
        cross_clients();
    }
}

void worker::cross_clients() {
    if (giving_) {
        for (session::client& c : clients_) {
            c.cross();
        }
    }
}

void worker::let_go_later() {
    constexpr milliseconds soon{5};
    if (last_look_.at() == net::deadline::never) {
        loop_.set(last_look_, net::loop::now() + soon);
    }
}

void worker::last_look::on_deadline(steady_time) {
    for (session::client& c : owner.clients_) {
        c.let_go();
    }
}

void worker::crossed(session::carried_client&& who, int socket, int server_socket) {
    supervisor_.send_client(std::move(who), descriptor(socket), descriptor(server_socket));
}

void worker::crossed(pool::carried_server&& what, int socket) {
    supervisor_.send_server(std::move(what), descriptor(socket));
}

bool worker::keep_cancel_key(std::uint64_t key, session::client& owner) {
    return cancel_keys_.emplace(key, &owner).second;
}

void worker::leave_old_addresses(const std::string& host) {
    std::vector<std::uint64_t> found;
    for (const auto& [server_id, server] : servers_) {
        if (server->address().host == host && server->at_old_address()) {
            found.push_back(server_id);
        }
    }
    for (const std::uint64_t server_id : found) {
        pool::server_connection* server = find_server(server_id);
        if (server != nullptr) {
            log::info("server {} is at an address that {} does not have any more", server_id, host);
            shared_.pools.run(id_, [server](pool::pool_core& core, pool::actions& out) {
                core.replace(*server, out);
            });
        }
    }
}

// Clusters.

void worker::take_view(std::uint32_t cluster, router::cluster_view_ptr view) {
    if (views_.size() <= cluster) {
        views_.resize(cluster + 1);
    }
    views_[cluster] = std::move(view);
    // Who is told may wait for the next one.
    view_waiters told;
    told.swap(waiting_for_views_);
    while (!told.empty()) {
        session::view_waiter& next = told.front();
        told.pop_front();
        next.on_view();
    }
}

const router::cluster_view_ptr& worker::view_of(const pool::database_entry& db) const noexcept {
    static const router::cluster_view_ptr nothing;
    const std::uint32_t cluster = db.cluster.load(std::memory_order_relaxed);
    return cluster < views_.size() ? views_[cluster] : nothing;
}

void worker::request_sample(const pool::database_entry& db, router::awaited what) {
    const config::settings& now = settings();
    supervisor_.sample(
        db.cluster.load(std::memory_order_relaxed),
        what,
        what == router::awaited::fresh_standby ? now.read_wait_timeout : now.primary_wait_timeout
    );
}

void worker::want_names(pool::database_entry& db) {
    if (!db.names_wanted.exchange(true)) {
        const std::string dbname = shared_.pools.run(id_, [&](pool::pool_core&, pool::actions&) {
            return db.settings.dbname;
        });
        supervisor_.keep_names(db.number, db.name, dbname);
    }
}

void worker::miss_name(const pool::database_entry& db) {
    constexpr seconds apart{1};
    const steady_time now = net::loop::now();
    if (now - names_missed_at_ >= apart) {
        names_missed_at_ = now;
        supervisor_.refresh_names(db.number);
    }
}

void worker::await_view(session::view_waiter& who) {
    if (!who.is_linked()) {
        waiting_for_views_.push_back(who);
    }
}

bool worker::kill_clients(const std::function<bool(const session::client&)>& fits, errc why) {
    // The server of one that ends may go to another, which may end of that at once, so the list is
    // not walked meanwhile. Who has ended stays in memory until this turn is over.
    std::vector<session::client*> found;
    for (session::client& c : clients_) {
        if (fits(c)) {
            found.push_back(&c);
        }
    }
    for (session::client* c : found) {
        c->kill(why);
    }
    return !found.empty();
}

void worker::end_all() {
    kill_clients([](const session::client&) { return true; }, errc::server_shutting_down);
    while (!servers_.empty()) {
        servers_.begin()->second->close("pooler is shutting down");
    }
}

void worker::stop() {
    loop_.post([this] { loop_.stop(); });
}

// Log-ins of both sides.

void worker::ask(auth::slow_question question, std::function<void(const auth::slow_answer&)> done) {
    auto told = std::make_shared<auth::slow_answer>();
    auto deliver = [this, told, done = std::move(done)] { post([told, done] { done(*told); }); };
    helper_threads& helpers =
        auth::is_computed(question) ? shared_.computing : shared_.asking_outside;
    const auto asked = std::make_shared<const auth::slow_question>(std::move(question));
    if (!helpers.submit([asked, told] { *told = external::answer(*asked); }, deliver)) {
        told->full = true;
        deliver();
    }
}

// Servers.

pool::server_connection* worker::find_server(std::uint64_t server_id) noexcept {
    const auto found = servers_.find(server_id);
    return found == servers_.end() ? nullptr : found->second.get();
}

void worker::carry_out(const pool::action& what) {
    if (what.what == pool::action::kind::connect) {
        auto made =
            std::make_shared<pool::server_connection>(*this, *what.where, shared_.next_id++);
        pool::server_connection& server = *made;
        servers_.emplace(server.id, std::move(made));
        return server.connect();
    }
    if (what.what == pool::action::kind::refuse) {
        return refuse_waiters(*what.where);
    }
    pool::server_connection* server = find_server(what.server);
    if (server == nullptr) {
        return;  // it has gone meanwhile, and its accounts are settled
    }
    switch (what.what) {
        case pool::action::kind::check:
            return server->check();
        case pool::action::kind::move:
            return server->detach();
        case pool::action::kind::close:
            return server->close("not needed any more");
        case pool::action::kind::cross:
            return server->leave();
        case pool::action::kind::connect:
        case pool::action::kind::refuse:
            return;
    }
}

void worker::refuse_waiters(pool::pool& p) {
    for (;;) {
        std::string sqlstate;
        std::string message;
        pool::waiter* next =
            shared_.pools.run(id_, [&](pool::pool_core& core, pool::actions&) -> pool::waiter* {
                sqlstate = p.failure_sqlstate;
                message = p.failure;
                return core.next_refused(p, id_);
            });
        if (next == nullptr) {
            return;
        }
        next->on_refused(sqlstate, message);
    }
}

pool::server_address worker::address_of(const pool::pool& p, std::size_t listed) {
    pool::server_address to;
    config::database db;
    std::optional<router::host_view> routed;
    shared_.pools.run(id_, [&](pool::pool_core&, pool::actions&) {
        db = p.database.settings;
        const auto home = p.database.pool_of_user.find(p.user);
        to.login.credentials =
            home == p.database.pool_of_user.end() ? p.learned : home->second->learned;
        routed = host_of(p, shared_.views);
    });
    const config::settings& global = settings();
    // The list may be shorter by now.
    const std::size_t at = listed < db.hosts.size() ? listed : 0;
    to.where.host = db.hosts.empty() ? global.unix_socket_dir : db.hosts[at];
    to.where.port = config::port_of_host(db, at);
    if (routed) {
        // The very machine that was asked what it is, whatever its name means by now.
        to.where.host = routed->address;
        to.where.port = routed->port;
    }
    if (runtime_->server_tls != nullptr && !net::is_local(to.where)) {
        to.tls = runtime_->server_tls->terms_of(global, db);
        to.tls.host = routed ? routed->name : to.where.host;
    }
    to.options = socket_options_of(global);
    to.connect_timeout = global.server_connect_timeout;
    to.connect_query = db.connect_query;
    auth::server_credentials& credentials = to.login.credentials;
    credentials.user = p.user;
    if (!db.password.empty() && db.user == p.user) {
        credentials.password = db.password;  // of the forced user, not of the auth_user beside it
    } else if (const secret* stored = runtime_->users->find(p.user);
               stored != nullptr && auth::classify(stored->view()) != auth::secret_kind::scram &&
               !stored->empty()) {
        credentials.password = *stored;
    }
    auto& startup = to.login.startup;
    startup = {{"user", p.user}, {"database", db.dbname}};
    const auto add = [&](const char* name, const std::optional<std::string>& value) {
        if (value) {
            startup.emplace_back(name, *value);
        }
    };
    add("client_encoding", db.client_encoding);
    add("datestyle", db.datestyle);
    add("timezone", db.timezone);
    add("application_name", db.application_name);
    return to;
}

void worker::grant(pool::waiter& to, pool::server_connection& server) {
    grants_.emplace_back(&to, &server);
    if (granting_) {
        return;
    }
    granting_ = true;
    while (!grants_.empty()) {
        const auto [next, granted] = grants_.front();
        grants_.pop_front();
        next->on_granted(*granted);
    }
    granting_ = false;
}

void worker::hand_over(pool::server_connection& server, pool::worker_id to) {
    const auto found = servers_.find(server.id);
    std::shared_ptr<pool::server_connection> moving(std::move(found->second));
    servers_.erase(found);
    done_.migrations_out++;
    // Nothing of it stays here, or its end could come on two threads.
    supervisor_.worker_of(to).post([&taker = supervisor_.worker_of(to), moving = std::move(moving)](
                                   ) mutable { taker.take_over(std::move(moving)); });
}

void worker::take_over(std::shared_ptr<pool::server_connection> server) {
    pool::server_connection& taken = *server;
    done_.migrations_in++;
    servers_.emplace(taken.id, std::move(server));
    taken.attach(*this);
}

void worker::later(const pool::action& what) {
    loop_.post([this, what] { carry_out(what); });
}

void worker::remove(pool::server_connection& server) noexcept {
    const auto found = servers_.find(server.id);
    dead_servers_.push_back(std::move(found->second));
    servers_.erase(found);
    for (auto at = cancels_.begin(); at != cancels_.end();) {
        const auto here = at++;
        if (here->server == server.id) {
            dead_cancels_.splice(dead_cancels_.end(), cancels_, here);
        }
    }
    bury();
}

// Cancel requests.

/// From the cryptographic generator, of which a small request costs as much as a large one.
std::uint64_t worker::random_number() {
    if (random_left_ == 0) {
        std::memcpy(random_.data(), auth::random_bytes(sizeof random_).data(), sizeof random_);
        random_left_ = random_.size();
    }
    return std::exchange(random_[--random_left_], 0);
}

std::uint64_t worker::new_cancel_key(session::client& owner) {
    for (;;) {
        const std::uint64_t key = protocol::make_cancel_key(
            random_number(),
            static_cast<std::uint8_t>(id_),
            static_cast<std::uint16_t>(settings().peer_id)
        );
        if ((key >> 32) != 0 && cancel_keys_.emplace(key, &owner).second) {
            return key;
        }
    }
}

void worker::cancel(std::uint64_t key, session::client& requester) {
    const std::uint64_t requester_id = requester.id();
    cancel_requesters_.emplace(requester_id, &requester);
    const auto answer = [this, requester_id] {
        post([this, requester_id] {
            const auto found = cancel_requesters_.find(requester_id);
            if (found != cancel_requesters_.end()) {
                found->second->cancel_done();
            }
        });
    };
    if (const int self = settings().peer_id; self != 0) {
        const int maker = protocol::peer_of_key(key);
        if (maker != self) {
            const auto& peers = runtime_->configuration->peers;
            const auto peer = peers.find(maker);
            if (peer == peers.end() || protocol::passes_left(key) == 0) {
                return answer();
            }
            const auto wanted = [this, requester_id] {
                return cancel_requesters_.contains(requester_id);
            };
            return peers_.forward(
                peer->second,
                settings(),
                socket_options_of(settings()),
                protocol::passed_on(key),
                wanted,
                answer
            );
        }
        key = protocol::original_key(key);
    }
    const pool::worker_id owner = supervisor_.worker_of_key(key);
    const auto elsewhere = [this, key, requester_id, answer] {
        post([this, key, requester_id, answer] { cancel_elsewhere(key, requester_id, answer); });
    };
    supervisor_.worker_of(owner).post(
        [&there = supervisor_.worker_of(owner), key, answer, elsewhere] {
            const auto found = there.cancel_keys_.find(key);
            if (found == there.cancel_keys_.end()) {
                return elsewhere();
            }
            found->second->cancel_running(answer);
        }
    );
}

/// The client may still be in the process whose place this one has taken.
void worker::cancel_elsewhere(
    std::uint64_t key, std::uint64_t requester_id, const std::function<void()>& answer
) {
    const auto before = shared_.predecessor.get();
    if (!before) {
        return answer();
    }
    constexpr int number = 0;  // peers have others
    const auto wanted = [this, requester_id] { return cancel_requesters_.contains(requester_id); };
    peers_.forward(
        {number, before->host, before->port, std::nullopt},
        settings(),
        socket_options_of(settings()),
        key,
        wanted,
        answer
    );
}

void worker::send_cancel(pool::server_connection& server) {
    net::target where = server.address();
    const net::address peer = net::address::of_peer(server.socket());
    if (!peer.ip().empty()) {
        where.host = peer.host();  // the very machine, whatever its name means by now
    }
    pool::tls_terms tls;
    if (server.tls() != nullptr) {
        tls = {server.tls()->shared_context(), true, server.tls()->host()};
    }
    cancels_.push_back({server.id, nullptr});
    const auto which = std::prev(cancels_.end());
    which->request = std::make_unique<pool::cancel_request>(
        loop_,
        where,
        std::move(tls),
        socket_options_of(settings()),
        settings().server_connect_timeout,
        server.key(),
        [this, server_id = server.id, which](bool known) { cancel_over(server_id, which, known); }
    );
}

void worker::cancel_over(
    std::uint64_t server_id, std::list<cancel_under_way>::iterator which, bool known
) {
    // Without its server the request is among the dead already.
    if (pool::server_connection* server = find_server(server_id)) {
        dead_cancels_.splice(dead_cancels_.end(), cancels_, which);
        bury();
        server->cancel_over(known);
    }
}

// Clients.

std::unique_ptr<session::console_port> worker::open_console(
    session::client& owner, session::console_access access, std::uint64_t cancel_key
) {
    return std::make_unique<console_session>(*this, supervisor_, owner, access, cancel_key);
}

session::client_login::room worker::room() const noexcept {
    return shared_.clients - shared_.exempt > settings().max_client_conn
               ? session::client_login::room::full
               : session::client_login::room::free;
}

void worker::exempt(session::client& owner) noexcept {
    owner.exempt = true;
    shared_.exempt++;
}

void worker::remove(session::client& owner) noexcept {
    load_.fetch_sub(1, std::memory_order_relaxed);
    shared_.clients--;
    shared_.exempt -= owner.exempt ? 1 : 0;
    cancel_requesters_.erase(owner.id());
    clients_.erase(clients_.iterator_to(owner));
    dead_clients_.emplace_back(&owner);
    bury();
}

void worker::bury() {
    if (!burial_posted_) {
        burial_posted_ = true;
        loop_.post([this] {
            burial_posted_ = false;
            dead_clients_.clear();
            dead_servers_.clear();
            dead_cancels_.clear();
        });
    }
}

}  // namespace pgweir::server
