// What a client does with prepared statements in transaction and statement mode: carries out what
// extended_query decides.

#include "base/log.hpp"
#include "session/client.hpp"
#include "session/routing_state.hpp"

#include <algorithm>

namespace pgweir::session {

namespace {

using protocol::request;
using protocol::transaction_status;

/// What names a statement is looked at, and whether all are dropped.
constexpr protocol::type_set statement_types{"DC", "PBQE"};

/// A named statement is held in memory, at most this large.
constexpr std::uint32_t statement_limit = 16 * 1024 * 1024;

}  // namespace

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

/// A statement without a name that stays on its server is of use to the client there only.
void client::note_parsed(request what) noexcept {
    const std::string_view body = scanner_.body();
    if (what == request::parse) {
        parsed_only_ = body.starts_with('\0');
    } else if (what == request::query || extended_query::concerns_unnamed(what, body)) {
        parsed_only_ = what == request::describe;
    }
}

extended_query::server client::target() {
    const int limit = host_.current_runtime()->configuration->global.max_prepared_statements;
    const bool on_standby =
        routing_ && routing_->lease == routing_state::use::read && !routing_->fixed;
    return {
        server_->requests(),
        server_->statements(),
        static_cast<std::size_t>(std::max(limit, 0)),
        routing_ ? &routing_->home : wanted,
        parameters_,
        host_.statements(),
        keeps_unnamed_,
        unnamed_is_own_,
        !on_standby};
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
    request_sent(what, bytes, body, sent == next_number ? sent : sent - 1);
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
    forward_before(bytes, run);
    return hold_rest(bytes, run);
}

bool client::hold_rest(std::string_view bytes, std::size_t& run) {
    keep_from(bytes, run);
    server_->look_for_rows();
    server_->await_progress();
    return false;
}

/// What is ahead of the message whose event this is.
void client::forward_before(std::string_view bytes, std::size_t run) {
    const std::size_t begin =
        scanner_.raw_in_chunk() ? scanner_.position() - scanner_.raw().size() : run;
    forward(bytes.substr(run, begin - run));
    guard_chunk(bytes.substr(0, begin));
}

/// That message, and what is behind it.
void client::keep_from(std::string_view bytes, std::size_t& run) {
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

}  // namespace pgweir::session
