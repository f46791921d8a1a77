// How a client comes in: what is decided by client_login is carried out, up to a greeting, to the
// console, or to the end.

#include "base/log.hpp"
#include "net/loop.hpp"
#include "net/tls_stream.hpp"
#include "pool/pool_directory.hpp"
#include "session/auth_cache.hpp"
#include "session/client.hpp"
#include "session/routing_state.hpp"

#include <fmt/format.h>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace pgweir::session {

namespace {

using protocol::frame_scanner;
using protocol::transaction_status;

/// What the console reads whole is at most this long.
constexpr std::uint32_t console_limit = 64 * 1024;

/// The user at the other end of a Unix socket.
std::optional<::uid_t> user_of_peer(int socket) {
    ::ucred peer{};
    socklen_t size = sizeof peer;
    const bool known =
        ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid != 0;
    return known ? std::optional(peer.uid) : std::nullopt;
}

/// A stranger's text as it may stand in the log: bounded, and on one line.
std::string printable(std::string_view text) {
    constexpr std::size_t longest = 128;
    std::string shown(text.substr(0, longest));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c >= 0 && (c < 0x20 || c == 0x7f); }, '?'
    );
    return shown;
}

connection_facts facts_of(const net::address& peer, int socket, const config::settings& global) {
    connection_facts facts;
    facts.local = peer.kind == net::address::family::local;
    if (facts.local) {
        facts.uid = user_of_peer(socket);
        facts.own_user = facts.uid == ::geteuid();
    } else if (global.auth_type == config::auth_type::pam || global.auth_type == config::auth_type::hba) {
        facts.host = peer.host();  // PAM wants to know
    }
    facts.ip = peer.ip();
    if (global.application_name_add_host) {
        facts.shown = fmt::format("{}:{}", peer.host(), peer.port);
    }
    return facts;
}

}  // namespace

client::client(
    session_host& host,
    int socket,
    const net::address& peer,
    std::uint64_t id,
    std::optional<config::routing> listener_route
)
    : host_(host),
      id_(id),
      socket_(socket),
      listener_route_(listener_route),
      peer_(peer),
      stream_(host.loop().streams().adopt(socket, *this)),
      scanner_(request_scanner(host)),
      parameters_(host.parameters().empty()),
      connected_at_(net::loop::now()),
      login_(std::make_shared<client_login>(
          host.current_runtime(),
          host.parameters(),
          host.verifiers(),
          facts_of(peer_, socket, host.current_runtime()->configuration->global)
      )) {
    wait_worker = host.id();
    watch();
}

// Log-in.

void client::on_login(std::string_view bytes) {
    if (tls_ != nullptr && !login_->over_tls()) {
        // What comes through TLS comes when the handshake is over.
        login_->secured({tls_->certified(), tls_->peer(), tls_->end_point()});
    }
    std::string out;
    after_login_step(login_->feed(bytes, host_.room(), out), out);
    if (state_ == state::login && login_->buffered() > pending_limit) {
        stream_->pause();  // until there is an answer for it: see below
    }
}

void client::after_login_step(client_login::outcome outcome, std::string& out) {
    stream_->send(out);
    switch (outcome) {
        case client_login::outcome::wait:
            if (stream_->paused()) {
                stream_->resume();
            }
            return;
        case client_login::outcome::start_tls:
            return start_tls();
        case client_login::outcome::lookup:
            return look_up();
        case client_login::outcome::ask:
            return ask();
        case client_login::outcome::cancel:
            return on_cancel_request();
        case client_login::outcome::refused:
            return on_login_refused();
        case client_login::outcome::admitted:
            return admitted();
    }
}

void client::start_tls() {
    using begin = net::tls_session::begin;
    const begin how = login_->starts_directly() ? begin::direct : begin::asked;
    auto session = net::tls_session::accept(login_->tls(), how);
    tls_ = session.get();
    const std::string first = login_->take_rest();
    stream_ = net::secure(host_.loop(), std::move(stream_), *this, std::move(session), first);
}

void client::on_login_refused() {
    if (lookup_) {
        host_.looked_up_users().drop(lookup_->what());
    }
    if (host_.current_runtime()->configuration->global.log_pooler_errors) {
        log::warning(
            "client {} {}/{}@{}: log-in refused: {}",
            id_,
            printable(login_->database()),
            printable(login_->user()),
            peer_.host(),
            login_->reason()
        );
    }
    end(login_->reason());
}

void client::look_up() {
    lookup_ = std::make_unique<auth_lookup>(
        host_,
        login_->lookup(),
        [this, login = std::weak_ptr(login_)](looked_up answer) {
            if (!login.expired() && state_ == state::login) {
                std::string out;
                after_login_step(login_->on_looked_up(std::move(answer), out), out);
            }
        }
    );
    lookup_->start();
}

/// The answer may come when this client has ended, or is no more.
void client::ask() {
    host_.ask(
        login_->take_question(),
        [this, login = std::weak_ptr(login_)](const auth::slow_answer& answer) {
            if (!login.expired() && state_ == state::login) {
                std::string out;
                after_login_step(login_->on_answer(answer, out), out);
            }
        }
    );
}

void client::on_cancel_request() {
    state_ = state::canceling;
    watch();
    host_.cancel(login_->cancel_key(), *this);
}

void client::admitted() {
    identity_ = std::make_unique<identity>();
    identity_->user = login_->user();
    identity_->database = login_->database();
    if (login_->console()) {
        return enter_console();
    }
    enter_pool();
}

void client::enter_console() {
    const config::settings& global = host_.current_runtime()->configuration->global;
    const auto listed = [&](const std::vector<std::string>& names) {
        return std::find(names.begin(), names.end(), identity_->user) != names.end();
    };
    const auth::client_auth* proof = login_->authentication();
    console_access access = console_access::stats;
    if (proof == nullptr || listed(global.admin_users)) {
        access = console_access::admin;  // no proof: it is the very user that pgweir runs as
    } else if (!listed(global.stats_users) && global.auth_type != config::auth_type::any) {
        return refuse(errc::console_not_allowed);
    }
    state_ = state::console;
    host_.exempt(*this);
    scanner_ = frame_scanner(protocol::all_types, console_limit, console_limit);
    const std::string rest = login_->take_rest();
    login_.reset();
    lookup_.reset();
    watch();
    cancel_key_ = host_.new_cancel_key(*this);
    console_ = host_.open_console(*this, access, cancel_key_);
    if (global.log_connections) {
        log::info("client {} {}@{}: console", id_, identity_->user, peer_.host());
    }
    if (!rest.empty()) {
        on_console(rest);
    }
    if (state_ == state::console) {
        read_on();  // it may have sent much while it was logged in
    }
}

void client::enter_pool() {
    if (host_.shutting_down()) {
        return refuse(errc::shutting_down);
    }
    std::optional<errc> refusal;
    std::shared_ptr<const pool::welcome> greeting;
    const bool anybody = login_->method() == auth::auth_method::any;
    host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
        pool::database_entry* db = core.find_database(identity_->database);
        if (db == nullptr || db->disabled) {
            refusal = db == nullptr ? errc::no_such_database : errc::database_disabled;
            return;
        }
        if (anybody && !db->settings.user) {
            refusal = errc::forced_user_needed;
            return;
        }
        if (anybody) {
            identity_->user = *db->settings.user;  // what the client calls itself means nothing
        }
        pool::user_entry& account = core.find_user(identity_->user);
        pool::pool& of = core.find_pool(*db, db->settings.user.value_or(identity_->user));
        refusal = core.admit_client(of, account);
        if (refusal) {
            return;
        }
        counted_ = true;
        identity_->entry = db;
        identity_->account = &account;
        wanted = &of;
        greeting = wanted->greeting;
        if (!db->settings.user) {
            if (const auth::scram_keys* keys = login_->server_keys()) {
                wanted->learned.keys = *keys;
            }
            if (const secret* password = login_->server_password()) {
                wanted->learned.password = *password;
            }
        }
    });
    if (refusal) {
        const bool named =
            *refusal == errc::no_such_database || *refusal == errc::database_disabled;
        return refuse(*refusal, named ? std::string_view(identity_->database) : std::string_view());
    }
    stats().client_login_count.add(1);
    if (login_->replicates() != replication_kind::none) {
        return begin_replication();
    }
    enter_routing();
    if (greeting) {
        return greet(*greeting);
    }
    // The client has to know the server's parameters before it can begin, so it queues for a
    // server.
    state_ = state::greeting;
    acquire();
}

void client::greet(const pool::welcome& greeting) {
    std::string out;
    protocol::put_authentication_ok(out);
    out += greeting.messages;
    pool::parameter_values values = greeting.parameters->values();
    for (const auto& [index, value] : login_->parameters()) {
        values[index] = value;
        protocol::put_parameter_status(out, host_.parameters().name_of(index), value);
    }
    parameters_ = host_.parameters().intern(std::move(values), login_->extras());
    take_routing_options();
    identity_->defaults = parameters_;
    parameters_reported_ = parameters_ == greeting.parameters;
    cancel_key_ = host_.new_cancel_key(*this);
    protocol::put_cancel_key(out, cancel_key_);
    const config::settings& global = host_.current_runtime()->configuration->global;
    if (!global.login_notify_message.empty()) {
        protocol::put_notice(out, "00000", global.login_notify_message);
    }
    protocol::put_ready_for_query(out, transaction_status::idle);
    stream_->send(out);
    stats().sent.add(out.size());
    if (global.log_connections) {
        log::info(
            "client {} {}/{}@{}:{}: logged in",
            id_,
            identity_->database,
            identity_->user,
            peer_.host(),
            peer_.port
        );
    }
    pending_.insert(0, login_->take_rest());
    if (stream_->paused() && pending_.size() <= pending_limit) {
        stream_->resume();
    }
    login_.reset();
    lookup_.reset();
    state_ = state::idle;
    request_at_ = net::loop::now();
    watch();
    send_pending();
}

// Console.

void client::on_console(std::string_view bytes) {
    scanner_.feed(bytes);
    for (;;) {
        switch (scanner_.next()) {
            case frame_scanner::event::end:
                return;
            case frame_scanner::event::header:
            case frame_scanner::event::head:
            case frame_scanner::event::malformed:
                return refuse(errc::malformed_message);
            case frame_scanner::event::message:
                if (scanner_.type() == 'X') {
                    return end("client close request");
                }
                console_->on_message(scanner_.type(), scanner_.body());
                if (state_ == state::ended) {
                    return;
                }
        }
    }
}

void client::send_console(std::string_view bytes) {
    stream_->send(bytes);
    if (stream_->queued() > net::high_watermark) {
        stream_->pause();  // who does not read the answers shall not ask for more
    }
}

}  // namespace pgweir::session
