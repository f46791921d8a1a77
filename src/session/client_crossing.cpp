// How a client leaves this process for the next one, and arrives there (online restart).
//
// It leaves between two transactions, or while it waits for a server: what it has sent stays in
// pending_, what it is owed is sent, and the stream lets go of its socket. Who has something that
// is in no other process stays: TLS, a statement without a name that was parsed to be used next, a
// transaction, a server that has something of it in transaction mode. In session mode the server of
// a client goes with it.

#include "net/loop.hpp"
#include "pool/pool_directory.hpp"
#include "pool/server_connection.hpp"
#include "session/client.hpp"
#include "session/routing_state.hpp"

#include <algorithm>
#include <utility>

namespace pgweir::session {

namespace {

std::size_t size_of(const carried_client& c) noexcept {
    std::size_t size = c.pending.size();
    for (const carried_statement& one : c.statements) {
        size += one.name.size() + one.definition.size() + 256;
    }
    return size;
}

}  // namespace

// The process that it leaves.

/// Nothing of it is anywhere but here, or on a server that can go with it.
bool client::may_cross() const noexcept {
    const bool waits = state_ == state::waiting && routing_ == nullptr && !cancel_due_;
    const bool free = state_ == state::idle && server_ == nullptr;
    const bool paired = state_ == state::active && mode_ == config::pool_mode::session &&
                        server_ != nullptr && server_->may_leave();
    if ((!free && !waits && !paired) || tls_ != nullptr) {
        return false;
    }
    const bool settled = !in_transaction_ && !pinned_ && (!parsed_only_ || paired) &&
                         !scanner_.in_body() && !sent_again_;
    const bool guarded = guard_ != nullptr && !guard_->off();
    return settled && !guarded && !session_.collecting() && (!routing_ || !begun_here());
}

bool client::cross() {
    if (!may_cross()) {
        return false;
    }
    auto told = carry();
    if (!told || size_of(*told) > carried_limit) {
        return false;
    }
    if (state_ == state::waiting) {
        leave_queue();
    }
    crossing_ = std::make_unique<carried_client>(*std::move(told));
    state_ = state::crossing;
    pending_.insert(0, scanner_.kept_bytes());
    scanner_.reset();
    clear();
    if (server_ != nullptr) {
        server_->leave();
    } else {
        let_go();
    }
    return true;
}

void client::on_server_left(bool left) {
    if (left) {
        return let_go();
    }
    crossing_.reset();
    state_ = state::active;
    watch();
    send_pending();
}

/// As soon as the client has got all that it is owed.
void client::let_go() {
    const bool server_stays = server_ != nullptr && !server_->has_left();
    if (state_ != state::crossing || letting_go_ || server_stays) {
        return;
    }
    if (stream_->queued() != 0) {
        return host_.let_go_later();
    }
    letting_go_ = true;
    if (stream_->paused()) {
        stream_->resume();
    }
    stream_->release();
}

/// Everything but what comes until the stream has let go. Nothing if it cannot be told.
std::optional<carried_client> client::carry() const {
    const pool::parameter_store& store = host_.parameters();
    carried_client to;
    to.database = identity_->database;
    to.user = identity_->user;
    to.listener_route = listener_route_;
    to.cancel_key = cancel_key_;
    to.connected_at = connected_at_;
    to.request_at = request_at_;
    to.parameters = store.by_name(*parameters_);
    to.defaults = store.by_name(*identity_->defaults);
    if (routing_) {
        to.routing = routing_->session.carried();
        to.database_written_at = routing_->home.database.written_at.load();
    }
    if (statements_) {
        const bool complete =
            statements_->for_each_name([&](std::string_view name,
                                           const extended_query::known_statement& known) {
                carried_statement one;
                one.name = name;
                one.definition = known.statement.definition();
                one.form = known.statement.form();
                one.rows = known.rows;
                one.moved = known.moved;
                if (const auto& settings = known.statement.settings()) {
                    one.settings = store.by_name(*settings);
                }
                to.statements.push_back(std::move(one));
            });
        if (!complete) {
            return std::nullopt;
        }
    }
    return to;
}

void client::on_released(int socket) {
    crossing_->pending = std::move(pending_);
    const std::unique_ptr<carried_client> going = std::move(crossing_);
    int server_socket = -1;
    if (server_ != nullptr) {
        going->server = std::exchange(server_, nullptr)->tell_and_end(server_socket);
    }
    state_ = state::ended;
    leave_pool();
    stream_.reset();
    host_.crossed(std::move(*going), socket, server_socket);
    host_.remove(*this);
}

// The process that it comes to.

client::client(
    session_host& host,
    int socket,
    const net::address& peer,
    std::uint64_t id,
    const carried_client& before
)
    : host_(host),
      id_(id),
      socket_(socket),
      listener_route_(before.listener_route),
      state_(state::idle),
      peer_(peer),
      stream_(host.loop().streams().adopt(socket, *this)),
      scanner_(request_scanner(host)),
      connected_at_(std::min(before.connected_at, net::loop::now())) {
    wait_worker = host.id();
    request_at_ = std::min(before.request_at, net::loop::now());
    identity_ = std::make_unique<identity>();
    identity_->user = before.user;
    identity_->database = before.database;
    parameters_ = host.parameters().intern_named(before.parameters);
    identity_->defaults = host.parameters().intern_named(before.defaults);
    parameters_reported_ = false;
    pending_ = before.pending;
}

/// It is in its worker's list, and goes on. May end it, and with it the server that came with it.
void client::arrive(const carried_client& before, int server_socket) {
    const bool known = host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
        pool::database_entry* db = core.find_database(identity_->database);
        if (db == nullptr) {
            return false;
        }
        pool::user_entry& account = core.find_user(identity_->user);
        wanted = &core.find_pool(*db, db->settings.user.value_or(identity_->user));
        core.count_client(*wanted, account);
        counted_ = true;
        identity_->entry = db;
        identity_->account = &account;
        return true;
    });
    pool::server_connection* const server =
        before.server ? host_.take_server(*before.server, server_socket, known ? wanted : nullptr)
                      : nullptr;
    if (!known) {
        return refuse(errc::no_such_database, identity_->database);
    }
    if (host_.keep_cancel_key(before.cancel_key, *this)) {
        cancel_key_ = before.cancel_key;
    }
    enter_routing();
    if (routing_ && before.routing) {
        routing_->session.take(*before.routing);
        routing_->home.database.note_write(before.database_written_at);
    }
    take_statements(before.statements);
    if (server != nullptr) {
        state_ = state::active;
        server_ = server;
        mode_ = config::pool_mode::session;
        server_->lease_to(*this, pool::reset_policy::reset);
    }
    watch();
    send_pending();
}

void client::take_statements(const std::vector<carried_statement>& all) {
    for (const carried_statement& one : all) {
        const auto settings =
            one.settings ? host_.parameters().intern_named(*one.settings) : parameters_;
        using store = pool::statement_store;
        const pool::statement_ptr made = host_.statements().find_or_make(
            wanted, one.definition, settings, store::sharing::shared, one.form, store::room::made
        );
        if (!statements_) {
            statements_ = std::make_unique<extended_query>();
        }
        statements_->take(one.name, made, one.rows, one.moved, host_.statements().next_turn());
        // What it does to the session when it is executed.
        if (one.form == pool::statement_form::sql) {
            const std::string body = "prepare x" + one.definition + '\0';
            session_.request(protocol::request::query, body, body.size(), backslashes());
        } else if (!one.name.empty()) {
            const std::string body = one.name + '\0' + one.definition;
            session_.request(protocol::request::parse, body, body.size(), backslashes());
        }
    }
}

}  // namespace pgweir::session
