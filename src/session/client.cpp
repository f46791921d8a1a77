#include "session/client.hpp"

#include "base/log.hpp"
#include "net/loop.hpp"
#include "net/tls_stream.hpp"
#include "pool/pool_directory.hpp"
#include "session/auth_cache.hpp"
#include "session/followed_settings.hpp"
#include "session/routing_state.hpp"

#include <fmt/format.h>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace pgweir::session {

namespace {

using protocol::frame_scanner;
using protocol::request;
using protocol::transaction_status;

/// Of requests, no message is read whole: bodies pass by.
constexpr protocol::type_set no_types{""};

/// The same where prepared statements are shared: what names one is looked at, and whether all are
/// dropped.
constexpr protocol::type_set statement_types{"DC", "PBQE"};

/// Descriptions are short: longer ones are none.
constexpr std::uint32_t short_limit = 64 * 1024;

/// A named statement is held in memory, at most this large.
constexpr std::uint32_t statement_limit = 16 * 1024 * 1024;

/// Pieces up to this size are joined instead of being sent alone.
constexpr std::size_t join_limit = 4 * 1024;

/// What the console reads whole is at most this long.
constexpr std::uint32_t console_limit = 64 * 1024;

/// A first message up to this length is waited for before a server is taken for it, so that a slow
/// sender keeps no server busy.
constexpr std::size_t wait_for_whole = 16 * 1024;

/// What a client may send ahead while it waits for a server.
constexpr std::size_t pending_limit = 64 * 1024;

/// A query that is canceled while it waits is read to its end, if that is no further than this.
constexpr std::size_t canceled_limit = 1024 * 1024;

/// What pending_ keeps for the next time.
constexpr std::size_t kept_capacity = 1024;

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

/// Who the client is, once that is known.
struct client::identity {
    std::string user;
    std::string database;
    pool::database_entry* entry = nullptr;  // null for the console
    pool::user_entry* account = nullptr;
    pool::parameter_set_ptr defaults;  // of the session: what its startup packet asked for
};

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
      scanner_(
          no_types,
          short_limit,
          static_cast<std::uint32_t>(host.current_runtime()->configuration->global.max_packet_size)
      ),
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

client::~client() = default;

const std::string& client::user() const noexcept {
    static const std::string nobody;
    return identity_ ? identity_->user : nobody;
}

const std::string& client::database() const noexcept {
    static const std::string nothing;
    return identity_ ? identity_->database : nothing;
}

void client::on_received(std::string_view bytes) {
    switch (state_) {
        case state::login:
            return on_login(bytes);
        case state::greeting:
        case state::waiting:
        case state::preparing:
            stats().received.add(bytes.size());
            return keep(bytes);
        case state::console:
            return on_console(bytes);
        case state::idle:
        case state::active:
            stats().received.add(bytes.size());
            if (routing_ && routing_->one_segment) {
                return keep(bytes);  // where that goes is decided when the segment is over
            }
            if (guard_ != nullptr && guard_->dropping()) {
                return keep(bytes);  // behind what is to be sent again
            }
            if (pending_.empty()) {
                return relay(bytes);
            }
            keep(bytes);
            if (server_ == nullptr || !server_->progress_awaited()) {
                send_pending();
            }
            return;
        case state::canceling:
        case state::ended:
            return;
    }
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
    console_ = host_.open_console(*this, access);
    if (global.log_connections) {
        log::info("client {} {}@{}: console", id_, identity_->user, peer_.host());
    }
    if (!rest.empty()) {
        on_console(rest);
    }
}

void client::enter_pool() {
    if (host_.shutting_down()) {
        return refuse(errc::shutting_down);
    }
    std::optional<errc> refusal;
    std::shared_ptr<const pool::welcome> greeting;
    host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
        pool::database_entry* db = core.find_database(identity_->database);
        if (db == nullptr || db->disabled) {
            refusal = db == nullptr ? errc::no_such_database : errc::database_disabled;
            return;
        }
        pool::user_entry& account = core.find_user(identity_->user);
        refusal = core.admit_client(*db, account);
        if (refusal) {
            return;
        }
        counted_ = true;
        identity_->entry = db;
        identity_->account = &account;
        wanted = &core.find_pool(*db, db->settings.user.value_or(identity_->user));
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
    protocol::put_backend_key_data(
        out,
        static_cast<std::int32_t>(cancel_key_ >> 32),
        static_cast<std::int32_t>(cancel_key_ & 0xffffffff)
    );
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

// Requests.

void client::relay(std::string_view bytes) {
    if (routing_ == nullptr) {
        return relay_requests(bytes);
    }
    if (server_ == nullptr && scanner_.at_boundary()) {
        return route(bytes);
    }
    routing_->harmless = false;
    relay_requests(bytes);
}

/// Requests, to the server that is leased, or to one of the pool that is wanted.
void client::relay_requests(std::string_view bytes) {
    if (server_ == nullptr && scanner_.at_boundary()) {
        look_at_mode();
    }
    if (session_.collecting()) {
        note_rest(bytes);
    }
    guard_from_ = guard_ != nullptr && guard_->watching() ? 0 : nowhere;
    scanner_.feed(bytes);
    std::size_t run = 0;  // where the bytes begin that are to be forwarded next
    for (;;) {
        switch (scanner_.next()) {
            case frame_scanner::event::header:
            case frame_scanner::event::head:
            case frame_scanner::event::message:
                if (!on_request(bytes, run)) {
                    return;
                }
                continue;
            case frame_scanner::event::malformed:
                if (server_ != nullptr) {
                    forward(
                        bytes.substr(run, scanner_.position() - std::min(run, scanner_.position()))
                    );
                }
                return refuse(errc::malformed_message);
            case frame_scanner::event::end:
                break;
        }
        break;
    }
    if (server_ == nullptr) {
        return;
    }
    forward(bytes.substr(run, scanner_.position() - run));
    if (guard_from_ != nowhere) {
        guard_chunk(bytes.substr(0, scanner_.position()));
    }
    if (server_->requests().releasable() && is_done(transaction_status::idle)) {
        give_back();  // a Flush, say, to which nothing is answered
    }
}

/// One request, by its header. False if nothing more of the chunk is to be looked at.
bool client::on_request(std::string_view bytes, std::size_t& run) {
    const char type = scanner_.type();
    const auto what = protocol::request_of(type);
    if (!what) {
        if (server_ != nullptr && scanner_.raw_in_chunk()) {
            forward(bytes.substr(run, scanner_.position() - scanner_.raw().size() - run));
        }
        if (type == 'X') {
            end("client close request");
        } else {
            refuse(type == 'p' ? errc::malformed_message : errc::unknown_message);
        }
        return false;
    }
    if (*what == request::query && simple_query_refused()) {
        return false;
    }
    if (server_ == nullptr) {
        if (*what == request::copy_data || *what == request::copy_end) {
            return true;  // of a COPY that has failed: PostgreSQL ignores it, too
        }
        if (!need_server(bytes, run)) {
            return false;
        }
    }
    if (at_risk_ && server_->requests().ready_owed() != 0 && guarding()) {
        return hold_segment(bytes, run);
    }
    if (shares_statements_ && concerns_statements(*what)) {
        return share(*what, bytes, run);
    }
    if (shares_statements_) {
        note_unnamed(*what, scanner_.body());
    }
    note(*what, bytes);
    if (*what == request::parse) {
        stats().client_parse_count.add(1);
        stats().server_parse_count.add(1);
    } else if (*what == request::bind) {
        stats().bind_count.add(1);
    }
    if (!scanner_.raw_in_chunk()) {
        forward(scanner_.raw());
        run = scanner_.position();
        guard_raw();
    }
    if (*what == request::flush) {
        give_up_guard();  // the client waits for what is held
        server_->answer_locals();
    }
    return true;
}

/// As disable_pqexec says. True if the client was sent away.
bool client::simple_query_refused() {
    if (!host_.current_runtime()->configuration->global.disable_pqexec) {
        return false;
    }
    refuse(errc::query_disallowed);
    return true;
}

void client::note(request what, std::string_view bytes) {
    const bool first = note_begins();
    const std::string_view body = body_at_hand(bytes);
    server_->work().sent(what, body, body.size() == scanner_.body_length());
    const std::uint64_t number = server_->requests().next_number();
    server_->requests().sent(what);
    watch_session(what, bytes, body, number);
    if (first) {
        request_begins();
    }
}

/// What there is to do before a request is entered in the pipeline. True if nothing else is under
/// way.
bool client::note_begins() {
    const protocol::pipeline& requests = server_->requests();
    const bool first = requests.settled();
    if (first) {
        server_->work().begin(requests.status());
    }
    if (shares_statements_) {
        if (first) {
            segment_begins();
        } else if (guard_from_ != nowhere && requests.ready_owed() != 0) {
            give_up_guard();  // a second segment: its answers would come too early
        }
    }
    return first;
}

/// The body of the message whose event this is, as far as it is in one piece.
std::string_view client::body_at_hand(std::string_view bytes) const noexcept {
    const std::string_view body = scanner_.raw().substr(protocol::header_size);
    return scanner_.raw_in_chunk() || body.empty()
               ? bytes.substr(scanner_.position() - body.size()).substr(0, scanner_.body_length())
               : body;
}

// Prepared statements.

/// Whether statements are shared is asked before each lease. A client that has names keeps them
/// when the settings change.
void client::look_at_mode() noexcept {
    const config::pool_mode mode = wanted->terms.mode.load(std::memory_order_relaxed);
    const config::settings& global = host_.current_runtime()->configuration->global;
    const bool shares = mode != config::pool_mode::session && global.max_prepared_statements > 0;
    keeps_unnamed_ = shares && global.cache_unnamed_statements && !pipelines_;
    shares_statements_ = shares || (statements_ && statements_->has_any());
    scanner_.set_whole(shares_statements_ ? statement_types : no_types);
}

/// REQUIRES: the message's event is that of statement_types.
bool client::concerns_statements(request what) noexcept {
    const std::string_view body = scanner_.body();
    if (statements_ && statements_->waits_for_more() && statements_->concerns_too(what, body)) {
        return true;
    }
    if (what == request::execute) {
        return false;
    }
    if (extended_query::concerns(what, body)) {
        return true;
    }
    if (what == request::parse) {
        return keeps_unnamed_ &&
               extended_query::recurs(
                   body, scanner_.body_length(), server_->requests(), host_.statements().recurring()
               );
    }
    return !unnamed_is_own_ && extended_query::concerns_unnamed(what, body);
}

/// A request that the server gets as it is. What replaces the server's unnamed statement makes it
/// this client's, and what the client has left on other servers nobody's.
void client::note_unnamed(request what, std::string_view body) noexcept {
    const bool own = what == request::query || (what == request::parse && body.starts_with('\0'));
    if (own && !unnamed_is_own_) {
        unnamed_is_own_ = true;
        unnamed_turn_ = host_.statements().next_turn();
        server_->statements().set_unnamed_owner(unnamed_turn_);
    } else if (what == request::close && body.size() == 2 && body[0] == 'S') {
        unnamed_turn_ = 0;
    }
}

extended_query::server client::target() {
    const int limit = host_.current_runtime()->configuration->global.max_prepared_statements;
    return {
        server_->requests(),
        server_->statements(),
        static_cast<std::size_t>(std::max(limit, 0)),
        routing_ ? &routing_->home : wanted,
        parameters_,
        host_.statements(),
        keeps_unnamed_,
        unnamed_is_own_};
}

extended_query::step client::step_of(request what, std::string& out, std::string_view& bound_text) {
    if (!statements_) {
        statements_ = std::make_unique<extended_query>();
        statements_->begin_undo();
    }
    extended_query::server to = target();
    const auto step =
        statements_->on_message(what, scanner_.body(), scanner_.body_length(), to, out);
    stats().server_parse_count.add(to.parses);
    bound_text = to.bound;
    if (step <= extended_query::step::replaced && !to.unnamed) {
        note_unnamed(what, scanner_.body());
    } else if (what == request::parse && to.unnamed) {
        unnamed_is_own_ = false;
        unnamed_turn_ = 0;
    }
    guard_wanted_ = guard_wanted_ || to.uses_shared;
    at_risk_ = at_risk_ || to.at_risk;
    if (!to.pin.empty() && !pinned_) {
        pinned_ = true;
        log::warning(
            "client {} {}/{}: keeps its server until it leaves: {}", id_, database(), user(), to.pin
        );
    }
    return step;
}

/// A message that may name a statement. False if nothing more of the chunk is to be looked at.
bool client::share(request what, std::string_view bytes, std::size_t& run) {
    using step = extended_query::step;
    const std::size_t begin =
        scanner_.raw_in_chunk() ? scanner_.position() - scanner_.raw().size() : run;
    std::string& out = host_.sending().rewritten;
    out.clear();
    const bool first = note_begins();
    const std::uint64_t next_number = server_->requests().next_number();
    std::string_view bound_text;
    step next = step_of(what, out, bound_text);
    if (next == step::hold && server_->requests().local_next()) {
        // What we owe ourselves must not be waited for.
        forward(bytes.substr(run, begin - run));
        run = begin;
        give_up_guard();
        server_->answer_locals();
        next = step_of(what, out, bound_text);
    }
    switch (next) {
        case step::whole:
            if (!scanner_.want_whole(statement_limit)) {
                forward(bytes.substr(run, begin - run));
                refuse(errc::message_too_large);
                return false;
            }
            run = scanner_.raw_in_chunk() ? run : scanner_.position();
            return true;
        case step::too_long:
            forward(bytes.substr(run, begin - run));
            refuse(errc::message_too_large);
            return false;
        case step::hold:
            join(bytes.substr(run, begin - run));
            join(out);
            forward({});
            if (first) {
                request_begins();
            }
            return hold(bytes, run);
        case step::as_is:
            server_->requests().sent(what);
            if (!out.empty()) {
                join(bytes.substr(run, begin - run));
                join(out);
                run = begin;
            }
            break;
        case step::noted:
        case step::replaced:
            break;
    }
    if (next == step::replaced) {
        join(bytes.substr(run, begin - run));
        join(out);
        run = scanner_.position();
        server_->look_for_rows();
    } else if (!scanner_.raw_in_chunk()) {
        forward(scanner_.raw());
        run = scanner_.position();
    }
    if (what == request::parse) {
        stats().client_parse_count.add(1);
        stats().server_parse_count.add(next == step::replaced ? 0 : 1);
    } else if (what == request::bind) {
        stats().bind_count.add(1);
    }
    const std::string_view body = body_at_hand(bytes);
    if (what == request::bind && !bound_text.empty()) {
        server_->work().bound(bound_text);
    } else {
        server_->work().sent(what, body, body.size() == scanner_.body_length());
    }
    if (!scanner_.raw_in_chunk()) {
        guard_raw();
    }
    // What was put ahead of it has numbers, too: its own is the last one, if it has one.
    const std::uint64_t sent = server_->requests().next_number();
    watch_session(what, bytes, body, sent == next_number ? sent : sent - 1);
    if (first) {
        request_begins();
    }
    return true;
}

/// The message whose beginning was read waits, with all that follows it, until replies have come.
bool client::hold(std::string_view bytes, std::size_t& run) {
    give_up_guard();
    return hold_rest(bytes, run);
}

/// The message begins a segment behind one that may have to be sent again: it waits for the answer.
/// That happens once to a client, for what is at risk each time is not shared with it any more.
bool client::hold_segment(std::string_view bytes, std::size_t& run) {
    pipelines_ = true;
    keeps_unnamed_ = false;
    const std::size_t begin =
        scanner_.raw_in_chunk() ? scanner_.position() - scanner_.raw().size() : run;
    forward(bytes.substr(run, begin - run));
    guard_chunk(bytes.substr(0, begin));
    return hold_rest(bytes, run);
}

bool client::hold_rest(std::string_view bytes, std::size_t& run) {
    std::string rest;
    if (!scanner_.raw_in_chunk()) {
        rest = scanner_.raw();
    }
    rest += bytes.substr(
        scanner_.raw_in_chunk() ? scanner_.position() - scanner_.raw().size() : scanner_.position()
    );
    put_back(rest);
    scanner_.reset();
    run = bytes.size();
    server_->look_for_rows();
    server_->await_progress();
    return false;
}

void client::on_statement(const pool::statement_effect& effect, std::uint64_t rows) {
    if (statements_) {
        statements_->on_effect(effect, rows);
    }
}

void client::on_statement_failed(const pool::statement_effect& effect) {
    if (statements_) {
        statements_->on_failure(effect);
    }
}

void client::on_statements_forgotten() {
    if (statements_) {
        statements_->forget_all();
    }
}

std::string_view client::name_of(std::uint64_t statement_number) const noexcept {
    return statements_ ? statements_->name_of(statement_number) : std::string_view();
}

void client::on_progress() {
    const bool again = guard_ != nullptr && guard_->dropping();
    if (state_ == state::active && !pending_.empty() && !again) {
        send_pending();
    }
}

// Requests that may be sent again, because they depend on statements that the server is believed to
// have.

/// With the message whose event this is. Nothing else is under way.
void client::segment_begins() noexcept {
    guard_wanted_ = false;
    at_risk_ = false;
    const bool may = server_->requests().status() == transaction_status::idle && !sent_again_ &&
                     (routing_ == nullptr || routing_->guard.off());
    const std::size_t begin =
        scanner_.raw_in_chunk() ? scanner_.position() - scanner_.raw().size() : 0;
    guard_from_ = may ? begin : nowhere;
}

/// What is sent may have to be sent again.
bool client::guarding() const noexcept {
    return guard_from_ != nowhere || (guard_ != nullptr && guard_->watching());
}

void client::begin_guard() {
    if (guard_ == nullptr) {
        guard_ = std::make_unique<reply_guard>();
    }
    if (!guard_->watching()) {
        guard_->begin();
        if (statements_) {
            statements_->begin_undo();
        }
    }
}

/// A message of the segment that began in an earlier chunk.
void client::guard_raw() {
    if (guard_from_ == nowhere) {
        return;
    }
    begin_guard();
    guard_from_ = scanner_.position();
    if (!guard_->keep(scanner_.raw())) {
        give_up_guard();
    }
}

/// What of a segment is in the chunk is kept, if something depends on it, or may when more comes.
void client::guard_chunk(std::string_view bytes) {
    const std::size_t from = std::exchange(guard_from_, nowhere);
    if (from == nowhere) {
        return;
    }
    const bool begun = guard_ != nullptr && guard_->watching();
    const bool unfinished = statements_ && server_->requests().needs_sync();
    if (!begun && !guard_wanted_ && !unfinished) {
        return;
    }
    begin_guard();
    if (!guard_->keep(bytes.substr(from))) {
        give_up_guard();
    }
}

/// What comes from now on is the client's.
void client::give_up_guard() {
    guard_from_ = nowhere;
    if (guard_ != nullptr && !guard_->off()) {
        give(guard_->end());
    }
}

/// False if the replies are not for the client, or not yet.
bool client::passes_guard(std::string_view bytes) {
    switch (guard_->feed(bytes)) {
        case reply_guard::verdict::pass:
            return true;
        case reply_guard::verdict::hold:
            return false;
        case reply_guard::verdict::release:
            if (at_risk_ && statements_) {
                statements_->confirm(target());
            }
            release(guard_->end(), bytes);
            return false;
        case reply_guard::verdict::refused:
            if (can_send_again()) {
                guard_->drop();
            } else {
                give(guard_->end());
            }
            return false;
    }
    return true;
}

/// What was held, and what came behind it: in one piece if that is cheaper.
void client::release(std::string held, std::string_view bytes) {
    if (held.empty() || bytes.size() > join_limit) {
        give(held);
        return give(bytes);
    }
    held += bytes;
    give(held);
}

/// The segment is sent whole, nothing of the next one has come, and its error is one of those that
/// can be repaired.
bool client::can_send_again() const noexcept {
    const protocol::pipeline& requests = server_->requests();
    return state_ == state::active && statements_ && scanner_.at_boundary() &&
           !requests.needs_sync() && requests.ready_owed() <= 1 &&
           statements_->can_repair(guard_->why(), server_->statements());
}

/// All replies to the segment have come, and the client knows of none.
void client::send_again() {
    std::string told;
    pending_.insert(0, guard_->again(told));
    give(told);
    statements_->undo(target());
    sent_again_ = true;
    send_pending();
}

/// Takes a server for the request whose header was read. False if there is none yet: then the rest
/// of the chunk is kept.
bool client::need_server(std::string_view bytes, std::size_t& run) {
    const std::size_t position = scanner_.position();
    const std::string_view raw = scanner_.raw();
    std::string joined;
    std::string_view first;
    if (scanner_.raw_in_chunk()) {
        run = position - raw.size();
        first = bytes.substr(run);
    } else {
        joined.append(raw).append(bytes.substr(position));
        first = joined;
        run = position;
    }
    const std::size_t whole = std::size_t{scanner_.body_length()} + protocol::header_size;
    if (first.size() >= std::min(whole, wait_for_whole) && acquire()) {
        return true;
    }
    if (state_ != state::ended) {
        put_back(first);
        scanner_.reset();
    }
    return false;
}

/// Requests that could not be sent on yet.
void client::put_back(std::string_view bytes) {
    pending_.insert(0, bytes);
    if (routing_ && routing_->one_segment) {
        routing_->left = bytes.size();
    }
}

void client::leave_queue() noexcept {
    host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
        core.leave(*this);
    });
}

void client::keep(std::string_view bytes) {
    pending_.append(bytes);
    if (cancel_due_) {
        cancel_waiting();
    } else if (pending_.size() > pending_limit) {
        stream_->pause();
    }
}

void client::send_pending() {
    if (pending_.empty()) {
        return;
    }
    std::string whole;
    whole.swap(pending_);
    if (routing_ && routing_->one_segment) {
        pending_.assign(whole, routing_->left);
        whole.resize(std::exchange(routing_->left, 0));
    }
    if (stream_->paused()) {
        stream_->resume();
    }
    relay(whole);
    if (pending_.empty() && whole.capacity() <= kept_capacity) {
        whole.clear();
        pending_.swap(whole);
    }
}

/// Leases a server, or queues for one. True if requests can be sent now.
bool client::acquire() {
    const steady_time now = net::loop::now();
    pool::server_entry* found = nullptr;
    std::string failure;
    std::string sqlstate;
    const int patience = host_.current_runtime()->configuration->global.failover_wait_clients;
    bool too_many = false;
    host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions& out) {
        if (routing_ && core.failing(*wanted, now)) {
            prefer_home();
        }
        too_many = patience > 0 && wanted->database.no_primary && wanted->host.empty() &&
                   wanted->counts.waiting >= patience;
        if (too_many) {
            return;
        }
        if (core.failing(*wanted, now)) {
            failure = wanted->failure;
            sqlstate = wanted->failure_sqlstate;
            return;
        }
        found = core.acquire(*this, now, out);
    });
    if (too_many) {
        refuse(errc::too_many_without_primary);
        return false;
    }
    if (!failure.empty()) {
        refuse(
            sqlstate.empty() ? text_of(errc::server_login_failing).sqlstate : sqlstate,
            fmt::format(
                "{}{} (server_login_retry)", text_of(errc::server_login_failing).message, failure
            )
        );
        return false;
    }
    if (found != nullptr) {
        if (state_ == state::greeting) {
            on_granted(static_cast<pool::server_connection&>(*found));
            return false;
        }
        waiting_since = now;
        return begin_lease(static_cast<pool::server_connection&>(*found));
    }
    if (state_ != state::greeting) {
        state_ = state::waiting;
        told_of_wait_ = false;
        watch();
    }
    return false;
}

void client::on_granted(pool::server_connection& server) {
    switch (state_) {
        case state::greeting: {
            const auto greeting = host_.pools().run(
                host_.id(), [&](pool::pool_core&, pool::actions&) { return wanted->greeting; }
            );
            server.end_lease(pool::lease_end::done);
            return greet(*greeting);
        }
        case state::waiting:
            if (begin_lease(server)) {
                send_pending();
            }
            return;
        case state::login:
        case state::canceling:
        case state::console:
        case state::idle:
        case state::preparing:
        case state::active:
        case state::ended:
            // It has left in the moment in which its turn came.
            return server.end_lease(pool::lease_end::done);
    }
}

void client::on_refused(std::string_view sqlstate, std::string_view message) {
    if (routing_ && prefer_home()) {
        state_ = state::idle;
        return send_pending();
    }
    refuse(sqlstate, message);
}

/// True if requests can be sent now, false if the server's parameters must be set first.
bool client::begin_lease(pool::server_connection& server) {
    if (routing_ && is_too_young(server)) {
        await_older_server(server);
        return false;
    }
    state_ = state::active;
    server_ = &server;
    mode_ = wanted->terms.mode.load(std::memory_order_relaxed);
    const bool reset = mode_ == config::pool_mode::session ||
                       wanted->terms.reset_always.load(std::memory_order_relaxed);
    cancel_due_ = false;
    unnamed_is_own_ = unnamed_turn_ != 0 && server.statements().unnamed_owner() == unnamed_turn_;
    server.lease_to(*this, reset ? pool::reset_policy::reset : pool::reset_policy::keep);
    request_at_ = net::loop::now();
    if (!begun_here()) {
        transaction_at_ = request_at_;
        in_transaction_ = false;
    }
    stats().server_assignment_count.add(1);
    stats().wait_time.add(request_at_ - waiting_since);
    watch();
    if (server.parameters() != parameters_) {
        const bool sure =
            parameters_reported_ &&
            !pool::parameter_store::must_be_confirmed(*server.parameters(), *parameters_);
        if (server.set_parameters(parameters_, sure) && !sure) {
            state_ = state::preparing;
            return false;
        }
    }
    begin_transaction();
    return true;
}

void client::on_parameters_set(std::optional<std::string> error) {
    if (error) {
        return refuse(
            text_of(errc::invalid_server_parameter).sqlstate,
            fmt::format("{}: {}", text_of(errc::invalid_server_parameter).message, *error)
        );
    }
    parameters_ = server_->parameters();
    parameters_reported_ = true;
    if (state_ == state::preparing) {
        state_ = state::active;
        begin_transaction();
        send_pending();
    }
}

/// Sends the bytes, behind what was joined before them.
void client::forward(std::string_view bytes) {
    std::string& joined = host_.sending().joined;
    if (!joined.empty()) {
        join(bytes);
        bytes = joined;
    }
    if (bytes.empty()) {
        return;
    }
    server_->send(bytes);
    joined.clear();
    if (server_->queued() > net::high_watermark) {
        stream_->pause();
    }
}

/// Bytes that are sent when more have come together; at the latest by forward().
void client::join(std::string_view bytes) {
    std::string& joined = host_.sending().joined;
    if (bytes.size() <= join_limit) {
        joined += bytes;
        return;
    }
    if (!joined.empty()) {
        server_->send(joined);
        joined.clear();
    }
    server_->send(bytes);
}

void client::request_begins() {
    request_at_ = net::loop::now();
    if (!in_transaction_) {
        in_transaction_ = true;
        transaction_at_ = request_at_;
    }
    watch();
}

// What the client's SQL does to the session.

sql::backslash client::backslashes() const noexcept {
    return parameters_->values()[pool::parameter_store::conforming_strings] == "off"
               ? sql::backslash::escapes
               : sql::backslash::plain;
}

/// A request that was entered in the pipeline, under this number if it got one.
void client::watch_session(
    request what, std::string_view bytes, std::string_view body, std::uint64_t number
) {
    if (mode_ == config::pool_mode::session) {
        return;
    }
    const auto found = session_.request(what, body, scanner_.body_length(), backslashes());
    if (found.nothing()) {
        return;
    }
    const bool numbered = server_->requests().next_number() != number;
    follow(found, numbered ? std::optional(number) : std::nullopt);
    if (session_.collecting() && !scanner_.raw_in_chunk() &&
        scanner_.raw().size() > protocol::header_size) {
        note_rest(bytes.substr(scanner_.position()));
    }
}

/// The body of a request that did not come as a whole goes on.
void client::note_rest(std::string_view bytes) {
    follow(session_.more(bytes), std::nullopt);
}

void client::follow(const session_watch::finding& found, std::optional<std::uint64_t> number) {
    if (number) {
        session_.sent(*number, found);
    }
    if (found.leaves) {
        leaves(*found.leaves);
    }
    if (session_.active()) {
        server_->watch_tags(pool::server_connection::tags::watched);
    }
}

/// The server is not for anybody else before everything is discarded, and the client is told once
/// a kind, in the log.
void client::leaves(leak why) {
    server_->soil();
    if (session_.is_news(why)) {
        const leak_text text = text_of(why);
        log::warning(
            "client {} {}/{}: {} does not outlive a transaction in pool_mode = {}: {}",
            id_,
            database(),
            user(),
            text.what,
            mode_ == config::pool_mode::statement ? "statement" : "transaction",
            text.hint
        );
    }
}

void client::on_tag(std::string_view tag, std::uint64_t number) {
    if (const auto why = session_.state()->on_tag(tag, number)) {
        leaves(*why);
    }
}

void client::on_ready(transaction_status status, bool failed) {
    session_state& session = *session_.state();
    if (const auto why = session.on_ready(status, failed, server_->requests().oldest_number())) {
        leaves(*why);
    }
    take_committed();
    if (!session.active()) {
        server_->watch_tags(pool::server_connection::tags::ignored);
    }
}

/// What was set for good goes with the client from now on.
void client::take_committed() {
    const std::vector<effect> steps = session_.state()->take_committed();
    if (steps.empty()) {
        return;
    }
    pool::parameter_store& store = host_.parameters();
    const pool::parameter_set& reported = server_->reported();
    const auto own = apply_settings(store, steps, *parameters_, *identity_->defaults, reported);
    const auto at_server =
        apply_settings(store, steps, *server_->parameters(), *store.empty(), reported);
    if (own == nullptr || at_server == nullptr) {
        return leaves(leak::too_many);
    }
    parameters_ = own;
    server_->note_parameters(at_server);
}

// Replies.

void client::on_replies(std::string_view bytes) {
    if (routing_ && !routing_->guard.off()) {
        return on_guarded(bytes);
    }
    if (routing_ && routing_->lease == routing_state::use::home) {
        note_use();  // before anybody can know of it and look elsewhere
    }
    if (guard_ == nullptr || guard_->off() || passes_guard(bytes)) {
        give(bytes);
    }
}

void client::give(std::string_view bytes) {
    if (bytes.empty()) {
        return;
    }
    stream_->send(bytes);
    stats().sent.add(bytes.size());
    if (server_ != nullptr && stream_->queued() > net::high_watermark) {
        server_->pause_replies();
    }
}

void client::on_settled(transaction_status status) {
    if (routing_ && routing_->guard.dropping()) {
        return ask_primary(status);
    }
    if (guard_ != nullptr && guard_->dropping()) {
        return send_again();
    }
    sent_again_ = false;
    const steady_time now = net::loop::now();
    stats().query_count.add(1);
    stats().query_time.add(now - request_at_);
    request_at_ = now;
    if (status == transaction_status::idle) {
        in_transaction_ = false;
        stats().xact_count.add(1);
        stats().xact_time.add(now - transaction_at_);
    } else if (mode_ == config::pool_mode::statement) {
        return refuse(errc::transaction_in_statement_mode);
    }
    if (routing_) {
        note_use();
    }
    if (is_done(status)) {
        give_back();
    } else if (must_leave_server()) {
        return refuse(errc::database_changed);
    }
    watch();
    if (!pending_.empty()) {
        send_pending();  // it was held back
    }
}

bool client::is_done(transaction_status status) const noexcept {
    return mode_ != config::pool_mode::session && status == transaction_status::idle &&
           !scanner_.in_body() && !pinned_;
}

bool client::must_leave_server() const {
    return server_ != nullptr && mode_ == config::pool_mode::session && state_ == state::active &&
           host_.current_runtime()->configuration->global.server_fast_close &&
           server_->requests().settled() &&
           server_->requests().status() == transaction_status::idle &&
           host_.pools().run(host_.id(), [this](pool::pool_core&, pool::actions&) {
               return server_->close_needed;
           });
}

void client::give_back() {
    pool::server_connection* server = std::exchange(server_, nullptr);
    state_ = state::idle;
    session_.lease_over();
    if (routing_) {
        routing_->forget_lease();
    }
    give_up_guard();
    if (stream_->paused()) {
        stream_->resume();
    }
    server->end_lease(pool::lease_end::done);
}

void client::on_parameter(std::size_t index, std::string_view value) {
    parameters_ = host_.parameters().with(parameters_, index, value);
}

void client::on_drained() {
    if (server_ != nullptr) {
        server_->resume_replies();
    } else if (state_ == state::console) {
        stream_->resume();
    }
}

void client::on_server_drained() {
    stream_->resume();
}

void client::on_server_lost(errc code, bool told) {
    server_ = nullptr;
    session_.lease_over();
    if (routing_ && lost_unseen()) {
        return;
    }
    if (guard_ != nullptr && guard_->dropping()) {
        return refuse(code);  // what the server said last was not for the client
    }
    give_up_guard();
    if (told) {
        return end(text_of(code).message);  // the server's own words are the best
    }
    refuse(code);
}

void client::cancel_running(std::function<void()> done) {
    if (state_ == state::active && server_ != nullptr && !server_->requests().settled()) {
        return server_->cancel(std::move(done));
    }
    const bool simple = pending_.size() >= protocol::header_size && pending_[0] == 'Q';
    if (state_ == state::waiting && simple && !begun_here()) {
        cancel_waiting();
    }
    done();
}

/// Takes the Query back that waits for a server, unless its end has not come yet. Where that is
/// because so much came that nothing more was read, the rest is read now.
void client::cancel_waiting() {
    frame_scanner only(no_types, 0, 0x7fffffff);
    only.feed(pending_);
    only.next();
    const std::size_t whole = std::size_t{only.body_length()} + protocol::header_size;
    if (whole > pending_.size()) {
        if (stream_->paused() && whole <= canceled_limit) {
            cancel_due_ = true;
            stream_->resume();
        }
        return;
    }
    cancel_due_ = false;
    leave_queue();
    pending_.erase(0, whole);
    std::string out;
    protocol::put_error(out, protocol::severity::error, errc::canceled_while_waiting);
    protocol::put_ready_for_query(out, transaction_status::idle);
    stream_->send(out);
    state_ = state::idle;
    request_at_ = net::loop::now();
    watch();
    if (stream_->paused()) {
        stream_->resume();
    }
    send_pending();
}

// Time.

steady_time client::next_timeout() const noexcept {
    steady_time first = never;
    const auto until = [&](microseconds limit, steady_time since) {
        if (limit.count() > 0) {
            first = std::min(first, since + limit);
        }
    };
    const config::settings& global = host_.current_runtime()->configuration->global;
    switch (state_) {
        case state::login:
        case state::greeting:
            until(global.client_login_timeout, connected_at_);
            break;
        case state::canceling:
            until(global.cancel_wait_timeout, connected_at_);
            break;
        case state::waiting:
            if (waits_for_view()) {
                return routing_->deadline;
            }
            if (!told_of_wait_) {
                until(global.query_wait_notify, waiting_since);
            }
            until(wait_limit(), waiting_since);
            break;
        case state::idle:
            if (in_transaction_) {  // whose BEGIN was answered here
                until(wanted->terms.idle_transaction_timeout, request_at_);
                until(wanted->terms.transaction_timeout, transaction_at_);
            } else {
                until(wanted->terms.client_idle_timeout, request_at_);
            }
            break;
        case state::preparing:
        case state::active:
            if (!server_->requests().settled()) {
                until(wanted->terms.query_timeout, request_at_);
            } else if (in_transaction_) {
                until(wanted->terms.idle_transaction_timeout, request_at_);
            }
            if (in_transaction_) {
                until(wanted->terms.transaction_timeout, transaction_at_);
            }
            break;
        case state::console:
        case state::ended:
            break;
    }
    return first;
}

/// How long it may wait for a server; 0: as long as it likes.
microseconds client::wait_limit() const noexcept {
    const microseconds failover =
        host_.current_runtime()->configuration->global.failover_wait_timeout;
    return without_primary() && failover.count() > 0
               ? failover
               : wanted->terms.query_wait_timeout.load(std::memory_order_relaxed);
}

/// That it waits is news to the client once (query_wait_notify).
void client::tell_of_wait() {
    told_of_wait_ = true;
    std::string out;
    protocol::put_notice(
        out, "00000", "No server connection available in postgres backend, client being queued"
    );
    stream_->send(out);
    stats().sent.add(out.size());
}

void client::watch() {
    const steady_time at = next_timeout();
    if (at == never) {
        clear();
    } else {
        host_.loop().set(*this, at);
    }
}

void client::on_deadline(steady_time now) {
    if (next_timeout() > now) {
        return watch();
    }
    switch (state_) {
        case state::login:
            return refuse(errc::client_login_timeout);
        case state::greeting:
            return refuse(errc::client_login_timeout_server_down);
        case state::canceling:
            return end("cancel_wait_timeout");
        case state::waiting:
            if (waits_for_view()) {
                return on_no_view();
            }
            if (const microseconds limit = wait_limit();
                limit.count() == 0 || now < waiting_since + limit) {
                tell_of_wait();
                return watch();
            }
            return refuse(without_primary() ? errc::no_primary : errc::query_wait_timeout);
        case state::idle:
            if (!in_transaction_) {
                return refuse(errc::client_idle_timeout);
            }
            break;
        case state::preparing:
        case state::active:
            break;
        case state::console:
        case state::ended:
            return;
    }
    const microseconds transaction = wanted->terms.transaction_timeout;
    if (server_ == nullptr || server_->requests().settled()) {
        const bool whole = transaction.count() > 0 && now - transaction_at_ >= transaction;
        return refuse(whole ? errc::transaction_timeout : errc::idle_transaction_timeout);
    }
    // The client will not hear the end of it, so it had better not happen behind its back.
    server_->cancel([] {});
    const microseconds query = wanted->terms.query_timeout;
    const bool single = query.count() > 0 && now - request_at_ >= query;
    refuse(single ? errc::query_timeout : errc::transaction_timeout);
}

// The end.

void client::on_closed(std::error_code why) {
    if (why.category() == net::tls_category() && !identity_ &&
        host_.current_runtime()->configuration->global.log_pooler_errors) {
        log::warning("client {} @{}:{}: {}", id_, peer_.host(), peer_.port, why.message());
    }
    end(why ? why.message() : "client unexpected eof");
}

void client::kill(errc code) {
    refuse(code);
}

void client::refuse(errc code, std::string_view addition) {
    const error_text& text = text_of(code);
    refuse(text.sqlstate, fmt::format("{}{}", text.message, addition));
}

void client::refuse(std::string_view sqlstate, std::string_view message) {
    if (state_ == state::ended) {
        return;
    }
    if (server_ == nullptr || !server_->mid_reply()) {
        std::string out;
        protocol::put_error(out, protocol::severity::fatal, sqlstate, message);
        stream_->send(out);
    }
    if (host_.current_runtime()->configuration->global.log_pooler_errors) {
        log::warning("client {} {}/{}: pooler error: {}", id_, database(), user(), message);
    }
    end(message);
}

void client::leave_pool() noexcept {
    if (cancel_key_ != 0) {
        host_.drop_cancel_key(cancel_key_);
    }
    if (counted_) {
        host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
            core.leave(*this);
            if (routing_) {
                routing_->keep_to(nullptr);
            }
            core.dismiss_client(*identity_->entry, *identity_->account);
        });
    }
}

void client::end(std::string_view why) {
    if (state_ == state::ended) {
        return;
    }
    state_ = state::ended;
    if (host_.current_runtime()->configuration->global.log_disconnections && identity_) {
        const auto age = std::chrono::duration_cast<seconds>(net::loop::now() - connected_at_);
        log::info(
            "client {} {}/{}@{}:{}: closed: {} (age {} s)",
            id_,
            database(),
            user(),
            peer_.host(),
            peer_.port,
            why,
            age.count()
        );
    }
    clear();
    leave_pool();
    tls_ = nullptr;
    if (lookup_) {
        lookup_->cancel();
    }
    stream_.reset();
    if (server_ != nullptr) {
        if (routing_) {
            note_use();
        }
        if (session_.active() || session_.collecting()) {
            server_->soil();  // nobody will follow what is confirmed or committed now
        }
        const bool useless =
            !server_->requests().settled() && server_->work().can_be_cancelled(backslashes());
        std::exchange(server_, nullptr)
            ->end_lease(
                scanner_.in_body() || pinned_ ? pool::lease_end::broken
                : useless                     ? pool::lease_end::useless
                                              : pool::lease_end::abandoned
            );
    }
    console_.reset();
    host_.remove(*this);
}

}  // namespace pgweir::session
