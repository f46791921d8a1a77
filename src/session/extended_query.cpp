#include "session/extended_query.hpp"

#include "protocol/message.hpp"
#include "protocol/statement_messages.hpp"
#include "sql/gate.hpp"

#include <algorithm>
#include <utility>

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

/// A name that no statement has on any server.
constexpr std::string_view nobody = "PGWEIR_none";

/// More effects under way than this are waited for, so that looking them through stays cheap.
constexpr std::size_t in_flight_limit = 64;

/// True if a request that comes to its turn at all cannot find the transaction failed.
bool transaction_is_sound(const protocol::pipeline& requests) noexcept {
    return requests.ready_owed() == 0 &&
           requests.status() != protocol::transaction_status::failed && !requests.copy_in_open();
}

std::string_view until_zero(std::string_view text) noexcept {
    return text.substr(0, text.find('\0'));
}

}  // namespace

bool extended_query::concerns(request what, std::string_view body) noexcept {
    switch (what) {
        case request::parse: {
            const std::size_t name = body.find('\0');
            return name != 0 || !sql::leaves_session_alone(until_zero(body.substr(1)));
        }
        case request::bind: {
            const std::size_t portal = body.find('\0');
            return portal == body.npos || portal + 1 >= body.size() || body[portal + 1] != '\0';
        }
        case request::describe:
        case request::close:
            return body.size() > 2 && body[0] == 'S';
        case request::query:
            return !sql::leaves_session_alone(until_zero(body));
        case request::function_call:
        case request::sync:
        case request::execute:
        case request::flush:
        case request::copy_data:
        case request::copy_end:
            return false;
    }
    return false;
}

extended_query::step extended_query::on_message(
    request what, std::string_view body, std::size_t body_length, server& to, std::string& out
) {
    if (to.requests.skipping()) {
        if (what != request::query || !std::exchange(query_held_, false)) {
            return step::as_is;  // the server skips it, too
        }
        // What was sent ahead of it has failed, and its error was the answer. Now ReadyForQuery.
        protocol::put_sync(out);
        to.requests.sent(request::sync);
        return step::replaced;
    }
    if (to.statements.in_flight() >= in_flight_limit) {
        protocol::put_flush(out);
        return step::hold;
    }
    switch (what) {
        case request::parse:
            return parse(body, body_length, to, out);
        case request::bind:
            return bind(body, body_length, to, out);
        case request::describe:
            return describe(body, to, out);
        case request::close:
            return close(body, to, out);
        case request::query:
            return query(body, body_length, to, out);
        case request::execute:
            return execute(body, to);
        case request::function_call:
        case request::sync:
        case request::flush:
        case request::copy_data:
        case request::copy_end:
            break;
    }
    return step::as_is;
}

extended_query::found extended_query::look_up(std::string_view name, const server& to) const {
    name = significant_part(name);
    const auto& queue = to.statements.queue();
    for (std::size_t i = queue.size(); i > to.statements.head(); i--) {
        const statement_effect& effect = queue[i - 1];
        // A forget is a Query's, which takes an unnamed statement away, too.
        const bool this_name = effect.what == kind::prepare || effect.what == kind::close;
        if (effect.what != kind::forget &&
            !(this_name && effect.of_client() && effect.name == name)) {
            continue;
        }
        if (effect.segment != to.requests.segment()) {
            return {found::answer::unsure};
        }
        if (effect.what != kind::prepare) {
            return {};
        }
        return {found::answer::known, effect.statement, effect.moved, effect.turn};
    }
    const named* at = record(name);
    if (at == nullptr) {
        return {};
    }
    return {found::answer::known, at->statement, at->moved, at->turn};
}

/// What the client has under this name, an empty one included; null if it has nothing.
const extended_query::named* extended_query::record(std::string_view name) const noexcept {
    if (name.empty()) {
        return unnamed_.statement == nullptr ? nullptr : &unnamed_;
    }
    const auto at = names_.find(name);
    return at == names_.end() ? nullptr : &at->second;
}

/// A name stands for this from now on; without a statement, for nothing.
void extended_query::set(std::string_view name, named now) {
    if (changes_.size() > in_flight_limit) {
        undoing_ = false;
        changes_.clear();
    }
    if (undoing_) {
        const named* before = record(name);
        changes_.push_back({std::string(name), before == nullptr ? named() : *before});
    }
    if (name.empty()) {
        unnamed_ = std::move(now);
    } else if (now.statement != nullptr) {
        names_.insert_or_assign(std::string(name), std::move(now));
    } else if (const auto at = names_.find(name); at != names_.end()) {
        names_.erase(at);
    }
}

void extended_query::take(
    std::string_view name,
    statement_ptr statement,
    std::optional<std::uint64_t> columns,
    pool::moved_text moved,
    std::uint64_t turn
) {
    unnamed_at_stake_ = unnamed_at_stake_ || name.empty();
    set(name, {std::move(statement), columns, moved, turn});
}

// Parse.

extended_query::step extended_query::parse(
    std::string_view body, std::size_t body_length, server& to, std::string& out
) {
    const bool unnamed = body.starts_with('\0');
    if (body.size() != body_length) {
        const bool plain = unnamed && sql::leaves_session_alone(until_zero(body.substr(1)));
        return unnamed && body_length > (plain ? unnamed_limit : text_limit)
                   ? replace_unnamed(request::parse, to)
                   : step::whole;
    }
    if (unnamed) {
        by_execute_.reset();
    }
    forgotten_.clear();
    const auto message = protocol::read_parse(body);
    if (!message) {
        return step::as_is;  // the server says what is wrong with it
    }
    return unnamed ? parse_unnamed(body, *message, to, out) : parse_text(*message, to, out);
}

extended_query::step extended_query::parse_text(
    const protocol::parse_message& message, server& to, std::string& out
) {
    if (!sql::leaves_session_alone(message.query)) {
        if (const auto next = parse_sql(message, to, out)) {
            return *next;
        }
    }
    const found known = look_up(message.statement, to);
    const auto sharing = sharing_of(message.query, to);
    if (known.what == found::answer::unsure || !sharing) {
        return step::hold;
    }
    const statement_ptr s =
        make_statement(message.definition, *sharing, pool::statement_form::message, to);
    if (known.what == found::answer::known) {
        return duplicate(message, s == nullptr ? known.statement : s, to, out);
    }
    return s == nullptr ? unshared(message, to, out) : prepare(message.statement, s, to, out);
}

/// The client's Parse of a name that it does not have, or of its unnamed statement.
extended_query::step extended_query::prepare(
    std::string_view name, const statement_ptr& s, server& to, std::string& out
) {
    statement_effect effect{kind::prepare, scope::client, s, std::string(significant_part(name))};
    effect.turn = to.store.next_turn();
    effect.unnamed = to.unnamed;
    switch (to.statements.standing_of(*s, to.requests.segment())) {
        case standing::unsure:
            return step::hold;
        case standing::prepared:
            use(s, to);
            if (transaction_is_sound(to.requests)) {
                note(to, request::parse, origin::local, std::move(effect));
                return step::replaced;
            }
            inject_close(s, to, out);  // so that the server says what it says to a Parse now
            break;
        case standing::outdated:
            inject_close(s, to, out);
            break;
        case standing::missing:
            make_room(s, to, out);
            break;
    }
    protocol::put_parse(out, s->name(), s->definition());
    effect.where = scope::both;
    note(to, request::parse, origin::client, std::move(effect));
    to.parses++;
    return step::replaced;
}

/// The client has a statement of this name. PostgreSQL looks at the text first and says so then:
/// the text is prepared twice under the name that it has at the server, which fails with the right
/// error in the right order.
extended_query::step extended_query::duplicate(
    const protocol::parse_message& message, const statement_ptr& s, server& to, std::string& out
) {
    if (provide(s, to, out) == provided::unsure) {
        return step::hold;
    }
    protocol::put_parse(out, s->name(), message.definition);
    note(
        to,
        request::parse,
        origin::client,
        {kind::duplicate, scope::client, s, std::string(message.statement)}
    );
    to.parses++;
    return step::replaced;
}

/// For a name more. Null if there is no room: then the server has it under the client's own name,
/// and the client keeps the server.
statement_ptr extended_query::make_statement(
    std::string_view definition,
    pool::statement_store::sharing how,
    pool::statement_form form,
    server& to
) {
    using room = pool::statement_store::room;
    statement_ptr made;
    if (!pinned_ && (has_room() || !to.may_pin)) {  // pinned, the server knows its names best
        const room there_is = to.may_pin ? room::limited : room::twice;
        made = to.store.find_or_make(to.scope, definition, to.settings, how, form, there_is);
    }
    if (made == nullptr) {
        pinned_ = true;
        to.pin = "there is no room for more prepared statements to share";
    }
    return made;
}

extended_query::step extended_query::unshared(
    const protocol::parse_message& message, server& to, std::string& out
) {
    if (!message.statement.starts_with(pool::statement_prefix)) {
        return step::as_is;
    }
    protocol::put_parse(out, never_ours(message.statement), message.definition);
    to.requests.sent(request::parse);
    to.parses++;
    return step::replaced;
}

// Bind and Describe.

/// Whether the server's statement is known to have the columns that the client was told.
extended_query::rows extended_query::compare_rows(
    std::string_view name, const statement_ptr& s, bool missing, const server& to
) const {
    const named* at = record(significant_part(name));
    if (at == nullptr || at->statement != s || !at->rows ||
        to.requests.status() == protocol::transaction_status::failed) {
        return rows::of_no_interest;
    }
    const std::optional<std::uint64_t> known = missing ? std::nullopt : to.statements.rows_of(*s);
    if (!known) {
        return rows::not_known;
    }
    return known == at->rows ? rows::same : rows::others;
}

void extended_query::ask_for_rows(const statement_ptr& s, const server& to, std::string& out) {
    const auto& queue = to.statements.queue();
    const bool asked = std::any_of(
        queue.begin() + std::ptrdiff_t(to.statements.head()),
        queue.end(),
        [&](const auto& effect) { return effect.what == kind::describe && effect.statement == s; }
    );
    if (!asked) {
        protocol::put_describe_statement(out, s->name());
        note(to, request::describe, origin::injected, {kind::describe, scope::server, s});
    }
    protocol::put_flush(out);
}

/// The segment depends on this statement. What the client has prepared since the server has may be
/// prepared again for it, for PostgreSQL would have read the tables as they are now; an unnamed one
/// always.
void extended_query::uses(const found& known, server& to) {
    if (used_in_ != to.requests.segment()) {
        used_in_ = to.requests.segment();
        repairable_ = true;
        at_risk_ = 0;
        losses_ = to.statements.losses();
    }
    to.uses_shared = true;
    const std::optional<std::uint64_t> since = to.statements.turn_of(*known.statement);
    if (!since) {
        return;
    }
    if (to.unnamed || *since < known.turn) {
        to.at_risk = true;
        const std::uint64_t number = known.statement->number();
        at_risk_ = at_risk_ == 0 || at_risk_ == number ? number : several;
    } else {
        repairable_ = false;
    }
}

extended_query::step extended_query::bind(
    std::string_view body, std::size_t body_length, server& to, std::string& out
) {
    const auto message = protocol::read_bind_head(body);
    if (!message) {
        return body.size() == body_length ? step::as_is : step::too_long;
    }
    const found known = look_up(message->statement, to);
    if (known.what == found::answer::unsure) {
        return step::hold;
    }
    if (known.what == found::answer::unknown) {
        if (!message->statement.starts_with(pool::statement_prefix)) {
            leave_no_strangers(message->statement, to, out);
            return step::as_is;  // the server says that it does not exist
        }
        protocol::put_bind_head(out, *message, never_ours(message->statement), body_length);
        to.requests.sent(request::bind);
        return step::replaced;
    }
    const statement_ptr& s = known.statement;
    to.unnamed = message->statement.empty();
    uses(known, to);
    to.bound = s->definition().substr(0, s->definition().find('\0'));
    const provided where = provide(s, to, out, known.moved);
    if (where == provided::unsure) {
        return step::hold;
    }
    switch (compare_rows(message->statement, s, where == provided::now, to)) {
        case rows::not_known:
            ask_for_rows(s, to, out);
            return step::hold;
        case rows::others:
            protocol::put_bind_head(out, *message, nobody, body_length);
            note(to, request::bind, origin::client, {kind::refuse, scope::client, s});
            return step::replaced;
        case rows::same:
        case rows::of_no_interest:
            break;
    }
    protocol::put_bind_head(out, *message, s->name(), body_length);
    to.requests.sent(request::bind);
    return step::replaced;
}

extended_query::step extended_query::describe(std::string_view body, server& to, std::string& out) {
    const auto message = protocol::read_statement_name(body);
    if (!message) {
        return step::as_is;
    }
    const found known = look_up(*message, to);
    if (known.what == found::answer::unsure) {
        return step::hold;
    }
    if (known.what == found::answer::unknown) {
        if (!message->starts_with(pool::statement_prefix)) {
            leave_no_strangers(*message, to, out);
            return step::as_is;
        }
        protocol::put_describe_statement(out, never_ours(*message));
        to.requests.sent(request::describe);
        return step::replaced;
    }
    to.unnamed = message->empty();
    uses(known, to);
    if (provide(known.statement, to, out, known.moved) == provided::unsure) {
        return step::hold;
    }
    protocol::put_describe_statement(out, known.statement->name());
    note(
        to,
        request::describe,
        origin::client,
        {kind::describe, scope::both, known.statement, std::string(significant_part(*message))}
    );
    return step::replaced;
}

// Close.

extended_query::step extended_query::close(std::string_view body, server& to, std::string& out) {
    const auto message = protocol::read_statement_name(body);
    if (!message) {
        return step::as_is;
    }
    statement_effect effect{
        kind::close, scope::client, nullptr, std::string(significant_part(*message))};
    if (message->empty()) {  // the server may have one, too, that was left there
        note(to, request::close, origin::client, std::move(effect));
        return step::noted;
    }
    if (pinned_) {
        const found known = look_up(*message, to);
        if (known.what == found::answer::unsure) {
            return step::hold;
        }
        if (known.what == found::answer::unknown) {
            const bool ours = message->starts_with(pool::statement_prefix);
            protocol::put_close_statement(out, ours ? never_ours(*message) : std::string(*message));
            to.requests.sent(request::close);
            return step::replaced;
        }
    }
    note(to, request::close, origin::local, std::move(effect));
    return step::replaced;
}

// What has happened.

void extended_query::on_effect(const statement_effect& effect, std::uint64_t print) {
    if (!effect.of_client()) {
        return;
    }
    switch (effect.what) {
        case kind::prepare:
            return set(effect.name, {effect.statement, std::nullopt, effect.moved, effect.turn});
        case kind::close:
            return set(effect.name, {});
        case kind::forget:
            return set({}, {});
        case kind::describe: {
            const named* at = record(effect.name);
            if (at != nullptr && at->statement == effect.statement) {
                named told = *at;
                told.rows = print;
                set(effect.name, std::move(told));
            }
            return;
        }
        case kind::duplicate:
        case kind::refuse:
        case kind::moved:
            return;
    }
}

std::optional<extended_query::known_text> extended_query::text_of(std::string_view name) const {
    const auto at = names_.find(significant_part(name));
    if (at == names_.end() || at->second.statement->form() != pool::statement_form::message) {
        return std::nullopt;
    }
    const pool::statement& one = *at->second.statement;
    return known_text{until_zero(one.definition()), one.number()};
}

/// PostgreSQL drops the unnamed statement before it looks at what is to take its place.
void extended_query::on_failure(const statement_effect& effect) {
    const bool takes_its_place = effect.what == kind::prepare || effect.what == kind::close;
    if ((takes_its_place && effect.of_client() && effect.name.empty()) ||
        effect.what == kind::forget) {
        set({}, {});
    }
}

// Repair.

void extended_query::begin_undo() {
    changes_.clear();
    undoing_ = true;
}

void extended_query::confirm(const server& to) {
    if (at_risk_ != 0) {
        to.statements.confirm(at_risk_, to.store.next_turn());
    }
}

bool extended_query::can_repair(const refusal& error, const pool::server_statements& statements)
    const noexcept {
    if (!undoing_) {
        return false;
    }
    if (error.sqlstate == "26000") {
        return statements.losses() != losses_;
    }
    return repairable_ && is_outdated_plan(error);
}

void extended_query::undo() {
    undoing_ = false;
    while (!changes_.empty()) {
        change last = std::move(changes_.back());
        changes_.pop_back();
        set(last.name, std::move(last.before));
    }
}

void extended_query::undo(const server& to) {
    undo();
    renew(unnamed_, to);
    for (auto& [name, one] : names_) {
        renew(one, to);
    }
}

void extended_query::renew(named& one, const server& to) const {
    if (one.statement == nullptr ||
        !to.statements.used_since(*one.statement, used_in_.value_or(0))) {
        return;
    }
    using sharing = pool::statement_store::sharing;
    const pool::statement& old = *one.statement;
    const pool::parameter_set_ptr& settings = old.settings() ? old.settings() : to.settings;
    const statement_ptr fresh =
        to.store.find_or_make(to.scope, old.definition(), settings, sharing::shared, old.form());
    one.statement = fresh == nullptr ? one.statement : fresh;
}

std::string_view extended_query::name_of(std::uint64_t statement_number) const noexcept {
    for (const name_map* names : {&names_, &forgotten_}) {
        for (const auto& [name, known] : *names) {
            if (known.statement->number() == statement_number) {
                return name;
            }
        }
    }
    const bool unnamed =
        unnamed_.statement != nullptr && unnamed_.statement->number() == statement_number;
    return unnamed ? "<unnamed>" : std::string_view();
}

}  // namespace pgweir::session
