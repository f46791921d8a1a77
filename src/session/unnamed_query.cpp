// The part of extended_query that follows a client's unnamed statement.
//
// A text that comes again is parsed once on each server, as if it had a name. Only outside of
// transactions and as the first thing of a segment: what was done before in the same transaction
// may have changed what the text means (a temporary table that hides another), and an error that
// PostgreSQL would not have raised could not be taken back.

#include "protocol/frame.hpp"
#include "protocol/message.hpp"
#include "session/extended_query.hpp"
#include "sql/gate.hpp"

namespace pgweir::session {

namespace {

using pool::server_statements;
using pool::statement_effect;
using pool::statement_ptr;
using protocol::origin;
using protocol::request;
using kind = statement_effect::kind;
using scope = statement_effect::scope;
using standing = server_statements::standing;
using step = extended_query::step;

/// By which recurring texts are told apart.
std::string_view beginning(std::string_view body) noexcept {
    return body.substr(0, protocol::head_limit);
}

/// Nothing that ran before in the same transaction can matter.
bool is_first(const protocol::pipeline& requests) noexcept {
    return requests.status() == protocol::transaction_status::idle && requests.ready_owed() == 0 &&
           !requests.executing() && !requests.skipping() && !requests.copy_in_open();
}

}  // namespace

bool extended_query::recurs(
    std::string_view body,
    std::size_t body_length,
    const protocol::pipeline& requests,
    pool::recurring_texts& texts
) noexcept {
    return body.starts_with('\0') && body_length <= unnamed_limit && is_first(requests) &&
           texts.recurs(beginning(body), body_length);
}

bool extended_query::concerns_unnamed(request what, std::string_view body) noexcept {
    if (what == request::bind) {
        const std::size_t portal = body.find('\0');
        return portal + 1 < body.size() && body[portal + 1] == '\0';
    }
    return what == request::describe && body.size() == 2 && body[0] == 'S';
}

bool extended_query::concerns_too(request what, std::string_view body) const noexcept {
    switch (what) {
        case request::execute:
            return by_execute_.has_value();
        case request::parse:
            return (unnamed_at_stake_ || by_execute_) && body.starts_with('\0');
        case request::bind:
        case request::query:
            return unnamed_at_stake_;
        case request::describe:
        case request::close:
            return unnamed_at_stake_ && body.starts_with('S');
        case request::function_call:
        case request::sync:
        case request::flush:
        case request::copy_data:
        case request::copy_end:
            return false;
    }
    return false;
}

step extended_query::parse_unnamed(
    std::string_view body, const protocol::parse_message& message, server& to, std::string& out
) {
    if (const statement_ptr s = shared_unnamed(body, message, to, out)) {
        to.unnamed = true;
        unnamed_at_stake_ = true;
        return prepare({}, s, to, out);
    }
    if (!sql::leaves_session_alone(message.query)) {
        const step next = parse_sql(message, to, out).value_or(step::as_is);
        if (next != step::as_is) {
            return next;
        }
    }
    return replace_unnamed(request::parse, to);
}

/// The statement that can be the client's unnamed one, and room for it on the server; null if there
/// is none.
statement_ptr extended_query::shared_unnamed(
    std::string_view body, const protocol::parse_message& message, server& to, std::string& out
) {
    if (!to.keeps_unnamed || !is_first(to.requests) || body.size() > unnamed_limit) {
        return nullptr;
    }
    statement_ptr s = unnamed_.statement;
    if (s == nullptr || s->definition() != message.definition) {
        if (!to.store.recurring().recurs(beginning(body), body.size())) {
            return nullptr;
        }
        s = to.store.find_or_make(to.scope, message.definition, to.settings);
        if (s == nullptr) {
            return nullptr;
        }
    }
    if (!s->may_serve_unnamed()) {
        to.store.recurring().dismiss(beginning(body), body.size());
        return nullptr;
    }
    if (to.statements.standing_of(*s, to.requests.segment()) != standing::missing) {
        return s;
    }
    const server_statements::room room = to.statements.room_for_unnamed(to.limit);
    if (!room.found) {
        return nullptr;
    }
    if (room.victim != nullptr) {
        inject_close(room.victim, to, out);
    }
    return s;
}

/// The client has no statement of this name. If it is the unnamed one, the server may have one that
/// another client has left: it goes.
void extended_query::leave_no_strangers(std::string_view name, const server& to, std::string& out) {
    if (name.empty() && !to.unnamed_is_own) {
        protocol::put_close_statement(out, "");
        to.requests.sent(request::close, origin::injected);
    }
}

/// The client's unnamed statement is going to be one of the server's own, or none.
step extended_query::replace_unnamed(request what, server& to) {
    if (!unnamed_at_stake_) {
        return step::as_is;
    }
    if (to.requests.settled()) {
        set({}, {});
        unnamed_at_stake_ = false;
        return step::as_is;
    }
    if (look_up({}, to).what == found::answer::unknown) {
        return step::as_is;
    }
    note(to, what, origin::client, {kind::close, scope::client, nullptr});
    return step::noted;
}

}  // namespace pgweir::session
