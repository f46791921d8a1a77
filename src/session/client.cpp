#include "session/client.hpp"

#include "base/log.hpp"
#include "net/loop.hpp"
#include "pool/pool_directory.hpp"
#include "session/followed_settings.hpp"
#include "session/routing_state.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pgweir::session {

namespace {

using protocol::frame_scanner;
using protocol::request;
using protocol::transaction_status;

/// Descriptions are short: longer ones are none.
constexpr std::uint32_t short_limit = 64 * 1024;

/// A first message up to this length is waited for before a server is taken for it, so that a slow
/// sender keeps no server busy.
constexpr std::size_t wait_for_whole = 16 * 1024;

/// A query that is canceled while it waits is read to its end, if that is no further than this.
constexpr std::size_t canceled_limit = 1024 * 1024;

/// What pending_ keeps for the next time.
constexpr std::size_t kept_capacity = 1024;

}  // namespace

protocol::frame_scanner client::request_scanner(const session_host& host) {
    const auto& global = host.current_runtime()->configuration->global;
    return {no_types, short_limit, static_cast<std::uint32_t>(global.max_packet_size)};
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
            if (server_ == nullptr ||
                (!server_->progress_awaited() && !has_to_be_routed(request::query))) {
                send_pending();
            }
            return;
        case state::replicating:
            return replicate(bytes);
        case state::crossing:
            stats().received.add(bytes.size());
            return keep(bytes);
        case state::canceling:
        case state::ended:
            return;
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
    // A request that was routed when as much of it had come keeps what it was given.
    const bool is_cut = routing_ && scanner_.kept() >= wait_for_whole;
    if (!is_cut && server_->requests().releasable() && is_done(transaction_status::idle)) {
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
    if (*what == request::query && no_simple_queries()) {
        if (server_ != nullptr) {
            forward_before(bytes, run);
        }
        refuse(errc::query_disallowed);
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
    if (has_to_be_routed(*what)) {
        forward_before(bytes, run);
        keep_from(bytes, run);
        return false;  // until nothing is owed
    }
    if (at_risk_ && server_->requests().ready_owed() != 0 && guarding()) {
        return hold_segment(bytes, run);
    }
    if (*what == request::parse || parsed_only_) {
        note_parsed(*what);
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

bool client::no_simple_queries() const {
    return host_.current_runtime()->configuration->global.disable_pqexec;
}

void client::note(request what, std::string_view bytes) {
    const bool first = note_begins();
    const std::string_view body = body_at_hand(bytes);
    server_->work().sent(what, body, body.size() == scanner_.body_length());
    const std::uint64_t number = server_->requests().next_number();
    server_->requests().sent(what);
    request_sent(what, bytes, body, number);
    if (first) {
        request_begins();
    }
}

/// One that was entered in the pipeline, under this number if it got one.
void client::request_sent(
    request what, std::string_view bytes, std::string_view body, std::uint64_t number
) {
    if (routing_ && protocol::ends_in_ready(what)) {
        routing_->segment_sent = true;
    }
    watch_session(what, bytes, body, number);
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
    read_on();
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
    bool moved = false;
    host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions& out) {
        moved = routing_ && core.failing(*wanted, now) && prefer_home();
        if (moved) {
            return;
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
    if (moved) {
        return !await_primary({}) && acquire();  // of the primary
    }
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
            const auto greeting =
                host_.pools().run(host_.id(), [&](pool::pool_core&, pool::actions&) {
                    server.close_needed = server.close_needed || wanted->greeting == nullptr;
                    return wanted->greeting;
                });
            server.end_lease(pool::lease_end::done);
            if (greeting == nullptr) {
                acquire();  // it was one of those that are replaced; the next one tells its own
                return;
            }
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
        case state::replicating:
        case state::crossing:
        case state::ended:
            // It has left in the moment in which its turn came.
            return server.end_lease(pool::lease_end::done);
    }
}

void client::on_refused(std::string_view sqlstate, std::string_view message) {
    if (routing_ && (prefer_home() || has_other_standby())) {
        return route_again();
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
    if (!bytes.empty()) {
        server_->send(bytes);
    }
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
    if (routing_) {
        take_own_settings(steps);
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
    if (stream_->queued() > net::high_watermark) {
        stream_->pause();  // who does not read the answers shall not ask for more
        if (server_ != nullptr) {
            server_->pause_replies();
        }
    }
}

/// Reads what the client sends, unless there is too much that it has not read itself.
void client::read_on() {
    if (stream_->paused() && stream_->queued() <= net::high_watermark) {
        stream_->resume();
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
    if (host_.gives_clients_away() && cross()) {
        return;
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
    host_.sending().joined.clear();  // of nobody else's server, whatever was to come
    session_.lease_over();
    if (routing_) {
        routing_->forget_lease();
        pending_.insert(0, scanner_.kept_bytes());  // a request that is cut is routed like others
        scanner_.reset();
    }
    give_up_guard();
    read_on();
    server->end_lease(pool::lease_end::done);
}

void client::on_parameter(std::size_t index, std::string_view value) {
    parameters_ = host_.parameters().with(parameters_, index, value);
}

void client::on_drained() {
    if (server_ != nullptr) {
        if (!server_->has_left()) {
            server_->resume_replies();
        }
    } else if (replicates_now_) {
        replication_->resume();
    }
    // Idle, what is pending is the beginning of a request: the rest has to be read.
    const bool wants_more = state_ == state::idle || pending_.size() <= pending_limit;
    if (wants_more && (server_ == nullptr || !server_->is_clogged())) {
        read_on();
    }
}

void client::on_server_drained() {
    read_on();
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
    if (console_) {
        console_->on_cancel();
        return done();
    }
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
    if (routing_) {
        forget_route();
    }
    pending_.erase(0, whole);
    std::string out;
    protocol::put_error(out, protocol::severity::error, errc::canceled_while_waiting);
    protocol::put_ready_for_query(out, transaction_status::idle);
    stream_->send(out);
    state_ = state::idle;
    request_at_ = net::loop::now();
    watch();
    read_on();
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
        case state::replicating:
        case state::console:
        case state::crossing:
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
        case state::replicating:
        case state::console:
        case state::crossing:
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
    const bool may_be_told = (state_ != state::replicating || !replicates_now_) && !letting_go_;
    if (may_be_told && (server_ == nullptr || !server_->mid_reply())) {
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
        host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions& out) {
            core.leave(*this);
            if (routing_) {
                routing_->keep_to(nullptr);
            }
            core.dismiss_client(routing_ ? routing_->home : *wanted, *identity_->account, out);
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
    host_.sending().joined.clear();
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
    if (replication_) {
        replication_->close();
    }
    console_.reset();
    host_.remove(*this);
}

}  // namespace pgweir::session
