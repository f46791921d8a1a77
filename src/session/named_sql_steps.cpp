// The part of extended_query that follows statements by their names in SQL.
//
// A Query that needs a statement on the server waits until it is there: if that fails, the error is
// the Query's answer, and a Sync takes its place. DEALLOCATE drops a statement that was made for
// it, for the server's own is shared with others.

#include "protocol/message.hpp"
#include "protocol/statement_messages.hpp"
#include "session/extended_query.hpp"
#include "sql/gate.hpp"

#include <utility>

namespace pgweir::session {

namespace {

using pool::statement_effect;
using pool::statement_form;
using pool::statement_ptr;
using protocol::origin;
using protocol::request;
using kind = statement_effect::kind;
using scope = statement_effect::scope;
using standing = pool::server_statements::standing;
using step = extended_query::step;

/// Is made to be dropped.
constexpr std::string_view dropped = "PGWEIR_gone";

constexpr std::string_view amid_others =
    "PREPARE, EXECUTE or DEALLOCATE among other statements, or with a name that is not followed";
constexpr std::string_view prepared_itself =
    "PREPARE, EXECUTE or DEALLOCATE as a named prepared statement";

sql::backslash meaning(const statement_target& to) noexcept {
    return to.store.conforming_strings(*to.settings) ? sql::backslash::plain
                                                     : sql::backslash::escapes;
}

/// The client's Query with another beginning, which has this effect.
void put_renamed_query(
    std::string_view text,
    const named_sql& use,
    const std::string& before,
    statement_effect effect,
    const statement_target& to,
    std::string& out
) {
    protocol::put_query(out, before + std::string(text.substr(use.name_end)));
    effect.moved = movement(text, use, before);
    note(to, request::query, origin::client, std::move(effect));
}

statement_effect nothing() {
    return {kind::moved, scope::client, nullptr};
}

/// A statement of that name on the server, for DEALLOCATE.
void put_dropped(const statement_target& to, std::string& out) {
    protocol::put_close_statement(out, dropped);
    to.requests.sent(request::close, origin::injected);
    protocol::put_parse(out, dropped, std::string_view("SELECT 1\0\0\0", 11));
    to.requests.sent(request::parse, origin::injected);
}

}  // namespace

// Simple query.

step extended_query::query(
    std::string_view body, std::size_t body_length, server& to, std::string& out
) {
    if (!concerns(request::query, body)) {
        return replace_unnamed(request::query, to);
    }
    if (body.size() != body_length) {
        return body_length <= text_limit ? step::whole : replace_unnamed(request::query, to);
    }
    query_held_ = false;
    if (unnamed_at_stake_) {
        if (to.requests.ready_owed() != 0) {
            return step::hold;
        }
        set({}, {});
        unnamed_at_stake_ = false;
    }
    const std::string_view text = body.substr(0, body.find('\0'));
    const named_sql use = read_named_sql(text, meaning(to));
    switch (use.what) {
        case named_sql::kind::none:
            break;
        case named_sql::kind::several:
            pinned_ = true;
            to.pin = amid_others;
            break;
        case named_sql::kind::prepare:
            return query_prepare(text, use, to, out);
        case named_sql::kind::execute:
            return query_execute(text, use, to, out);
        case named_sql::kind::deallocate:
            return query_deallocate(text, use, to, out);
    }
    if (use.forgets_all) {
        note(to, request::query, origin::client, {kind::forget, scope::client, nullptr});
        return step::noted;
    }
    return step::as_is;
}

/// The statement of a PREPARE, and room for it on the server. Nothing if the PREPARE can follow,
/// with this effect.
std::optional<step> extended_query::make_prepare(
    std::string_view text,
    const named_sql& use,
    server& to,
    std::string& out,
    pool::statement_effect& effect
) {
    const auto known = look_up(use.name, to);
    const auto sharing = sharing_of(use.behind, to);
    if (known.what == found::answer::unsure || !sharing) {
        return step::hold;
    }
    statement_ptr s = make_statement(use.behind, *sharing, statement_form::sql, to);
    if (known.what == found::answer::known) {
        s = s == nullptr ? known.statement : s;
        const pool::moved_text moved = movement(text, use, prepare_text(*s));
        effect = {kind::duplicate, scope::client, s, use.name, 0, moved};
        return provide(s, to, out, moved) == provided::unsure ? std::optional(step::hold)
                                                              : std::nullopt;
    }
    if (s == nullptr) {
        return step::as_is;
    }
    const standing now = to.statements.standing_of(*s, to.requests.segment());
    if (now == standing::unsure) {
        return step::hold;
    }
    effect = {kind::prepare, scope::both, s, use.name};
    effect.moved = movement(text, use, prepare_text(*s));
    effect.turn = to.store.next_turn();
    if (now == standing::missing) {
        make_room(s, to, out);
    } else {
        inject_close(s, to, out);
    }
    return std::nullopt;
}

step extended_query::query_prepare(
    std::string_view text, const named_sql& use, server& to, std::string& out
) {
    statement_effect effect;
    if (const auto instead = make_prepare(text, use, to, out, effect)) {
        return *instead;
    }
    if (effect.what == kind::duplicate && to.statements.in_doubt(*effect.statement)) {
        protocol::put_flush(out);
        query_held_ = true;
        return step::hold;
    }
    const std::string before = prepare_text(*effect.statement);
    put_renamed_query(text, use, before, std::move(effect), to, out);
    to.parses++;
    return step::replaced;
}

step extended_query::query_execute(
    std::string_view text, const named_sql& use, server& to, std::string& out
) {
    const auto known = look_up(use.name, to);
    if (known.what == found::answer::unsure) {
        return step::hold;
    }
    if (known.what == found::answer::unknown) {
        if (!use.name.starts_with(pool::statement_prefix)) {
            return step::as_is;
        }
        const std::string before = with_name(text, use, never_ours(use.name));
        put_renamed_query(text, use, before, nothing(), to, out);
        return step::replaced;
    }
    const statement_ptr& s = known.statement;
    uses(known, to);
    if (provide(s, to, out, known.moved) == provided::unsure) {
        return step::hold;
    }
    if (to.statements.in_doubt(*s)) {
        protocol::put_flush(out);
        query_held_ = true;
        return step::hold;
    }
    put_renamed_query(text, use, with_name(text, use, s->name()), nothing(), to, out);
    return step::replaced;
}

step extended_query::query_deallocate(
    std::string_view text, const named_sql& use, server& to, std::string& out
) {
    const auto known = look_up(use.name, to);
    if (known.what == found::answer::unsure || to.requests.ready_owed() != 0) {
        return step::hold;
    }
    const bool failed = to.requests.status() == protocol::transaction_status::failed;
    if (known.what == found::answer::unknown || failed) {
        if (!use.name.starts_with(pool::statement_prefix)) {
            return step::as_is;
        }
        const std::string before = with_name(text, use, never_ours(use.name));
        put_renamed_query(text, use, before, nothing(), to, out);
        return step::replaced;
    }
    put_dropped(to, out);
    statement_effect effect{kind::close, scope::client, nullptr, use.name};
    put_renamed_query(text, use, with_name(text, use, dropped), std::move(effect), to, out);
    return step::replaced;
}

// Extended query.

/// Nothing if the text has no such statement.
std::optional<step> extended_query::parse_sql(
    const protocol::parse_message& message, server& to, std::string& out
) {
    const bool unnamed = message.statement.empty();
    const named_sql use = read_named_sql(message.query, meaning(to));
    if (use.what == named_sql::kind::none) {
        return unnamed ? std::optional(step::as_is) : std::nullopt;
    }
    if (!unnamed || use.what == named_sql::kind::several) {
        pinned_ = true;
        to.pin = prepared_itself;
        return step::as_is;
    }
    return parse_unnamed_sql(
        message.definition.substr(message.query.size()), message.query, use, to, out
    );
}

/// A statement is used or made when the unnamed statement is executed, which comes soon.
step extended_query::parse_unnamed_sql(
    std::string_view types,
    std::string_view text,
    const named_sql& use,
    server& to,
    std::string& out
) {
    const auto known = look_up(use.name, to);
    if (known.what == found::answer::unsure) {
        return step::hold;
    }
    std::string before = with_name(text, use, never_ours(use.name));
    statement_effect effect = nothing();
    if (use.what == named_sql::kind::prepare) {
        if (const auto instead = make_prepare(text, use, to, out, effect)) {
            return *instead;
        }
        before = prepare_text(*effect.statement);
    } else if (known.what == found::answer::known) {
        if (use.what == named_sql::kind::deallocate) {
            put_dropped(to, out);
            effect = {kind::close, scope::client, nullptr, use.name};
            before = with_name(text, use, dropped);
        } else if (provide(known.statement, to, out, known.moved) == provided::unsure) {
            return step::hold;
        } else {
            before = with_name(text, use, known.statement->name());
        }
    } else if (!use.name.starts_with(pool::statement_prefix)) {
        return step::as_is;
    }
    protocol::put_parse(
        out, "", before + std::string(text.substr(use.name_end)) + std::string(types)
    );
    effect.moved = movement(text, use, before);
    statement_effect of_parse{kind::close, scope::client, nullptr};  // of the unnamed one before
    of_parse.moved = effect.moved;
    note(to, request::parse, origin::client, std::move(of_parse));
    by_execute_ = std::move(effect);
    to.parses++;
    return step::replaced;
}

/// Of the unnamed portal, which is that of the unnamed statement.
step extended_query::execute(std::string_view body, server& to) {
    if (!body.starts_with('\0') || !by_execute_) {
        return step::as_is;
    }
    note(to, request::execute, origin::client, *std::exchange(by_execute_, std::nullopt));
    return step::noted;
}

}  // namespace pgweir::session
