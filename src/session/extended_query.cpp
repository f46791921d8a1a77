#include "session/extended_query.hpp"

#include "protocol/statement_messages.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace pgweir::session {

namespace {

using pool::server_statements;
using pool::statement_effect;
using pool::statement_ptr;
using pool::statement_store;
using protocol::notice;
using protocol::origin;
using protocol::request;
using protocol::set_config_requests;
using kind = statement_effect::kind;
using scope = statement_effect::scope;
using standing = server_statements::standing;

/// PostgreSQL tells names apart by so many bytes.
constexpr std::size_t significant = 63;

/// A name that no statement has on any server.
constexpr std::string_view nobody = "PGWEIR_none";

/// More effects under way than this are waited for, so that looking them through stays cheap.
constexpr std::size_t in_flight_limit = 64;

/// True if a text begins like DEALLOCATE or DISCARD.
bool may_forget_all(std::string_view text) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n\f\v;"), text.size()));
    const auto begins = [text](std::string_view word) {
        return text.size() > word.size() &&
               std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
                   return a == std::tolower(static_cast<unsigned char>(b));
               });
    };
    return begins("deallocate") || begins("discard");
}

std::string_view significant_part(std::string_view name) noexcept {
    return name.substr(0, significant);
}

/// The name of a statement that a client does not have, changed if it could be that of one of ours.
std::string never_ours(std::string_view name) {
    return std::string(name.substr(0, significant - 1)) + ' ';
}

void note(const extended_query::server& to, request what, origin whose, statement_effect effect) {
    effect.segment = to.requests.segment();
    if (to.requests.sent(what, whose, notice::wanted)) {
        to.statements.expect(std::move(effect));
    }
}

/// The settings that the statement's literals are to be read by, if the session's are others now.
void put_settings(
    const pool::parameter_set& from,
    const pool::parameter_set& to,
    extended_query::server& server,
    std::string& out
) {
    server.store
        .for_each_difference(from, to, [&](const std::string& name, const std::string& value) {
            protocol::put_set_config(out, name, value);
            for (request what : set_config_requests) {
                server.requests.sent(what, origin::injected);
            }
        });
}

/// Prepares a statement on the server for what comes behind.
void inject_parse(const statement_ptr& s, extended_query::server& to, std::string& out) {
    const bool literals = s->settings() != nullptr;
    if (literals) {
        put_settings(*to.settings, *s->settings(), to, out);
    }
    protocol::put_parse(out, s->name(), s->definition());
    note(to, request::parse, origin::injected, {kind::prepare, scope::server, s});
    to.parses++;
    if (literals) {
        put_settings(*s->settings(), *to.settings, to, out);
    }
}

void inject_close(const statement_ptr& s, const extended_query::server& to, std::string& out) {
    protocol::put_close_statement(out, s->name());
    note(to, request::close, origin::injected, {kind::close, scope::server, s});
}

/// Closes what the server should not keep beside one that is about to be prepared.
void make_room(const statement_ptr& keep, const extended_query::server& to, std::string& out) {
    constexpr int at_once = 4;  // there are more only after the limit was lowered
    for (int i = 0; i < at_once; i++) {
        const statement_ptr victim =
            to.statements.victim(std::max<std::size_t>(to.limit, 1), 1, keep.get());
        if (victim == nullptr) {
            return;
        }
        inject_close(victim, to, out);
    }
}

/// True if a request that comes to its turn at all cannot find the transaction failed.
bool transaction_is_sound(const protocol::pipeline& requests) noexcept {
    return requests.ready_owed() == 0 &&
           requests.status() != protocol::transaction_status::failed && !requests.copy_in_open();
}

}  // namespace

bool extended_query::concerns(request what, std::string_view body) noexcept {
    switch (what) {
        case request::parse:
            return !body.empty() && body[0] != '\0';
        case request::bind: {
            const std::size_t portal = body.find('\0');
            return portal == body.npos || portal + 1 >= body.size() || body[portal + 1] != '\0';
        }
        case request::describe:
        case request::close:
            return body.size() > 2 && body[0] == 'S';
        case request::query:
            return may_forget_all(body);
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
        return step::as_is;  // the server skips it, too
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
            return close(body, to);
        case request::query:
            return forget(body, to);
        case request::function_call:
        case request::sync:
        case request::execute:
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
        return {found::answer::known, effect.statement};
    }
    const auto at = names_.find(name);
    if (at == names_.end()) {
        return {};
    }
    return {found::answer::known, at->second.statement};
}

// Parse.

extended_query::step extended_query::parse(
    std::string_view body, std::size_t body_length, server& to, std::string& out
) {
    if (body.size() != body_length) {
        return step::whole;
    }
    forgotten_.clear();
    const auto message = protocol::read_parse(body);
    if (!message) {
        return step::as_is;  // the server says what is wrong with it
    }
    const found known = look_up(message->statement, to);
    switch (known.what) {
        case found::answer::unsure:
            return step::hold;
        case found::answer::known:
        case found::answer::unknown:
            break;
    }
    // A SET that is still on its way decides how literals will be read.
    const bool literals = pool::depends_on_settings(message->query);
    if (literals && to.requests.ready_owed() != 0) {
        return step::hold;
    }
    const bool quiet = !to.requests.executing();
    const statement_ptr s = to.store.find_or_make(
        to.scope,
        message->definition,
        to.settings,
        literals && !quiet ? statement_store::sharing::alone : statement_store::sharing::shared
    );
    if (known.what == found::answer::known) {
        return duplicate(message->statement, s, to, out);
    }
    const std::string name(significant_part(message->statement));
    switch (to.statements.standing_of(*s, to.requests.segment())) {
        case standing::unsure:
            return step::hold;
        case standing::prepared:
            to.statements.use(*s, to.requests.segment());
            if (transaction_is_sound(to.requests)) {
                note(to, request::parse, origin::local, {kind::prepare, scope::client, s, name});
                return step::replaced;
            }
            inject_close(s, to, out);  // so that the server says what it says to a Parse now
            break;
        case standing::missing:
            make_room(s, to, out);
            break;
    }
    protocol::put_parse(out, s->name(), s->definition());
    note(to, request::parse, origin::client, {kind::prepare, scope::both, s, name});
    to.parses++;
    return step::replaced;
}

/// The client has a statement of this name. PostgreSQL looks at the text first and says so then:
/// the text is prepared twice under the name that it has at the server, which fails with the right
/// error in the right order.
extended_query::step extended_query::duplicate(
    std::string_view name, const statement_ptr& s, server& to, std::string& out
) {
    switch (to.statements.standing_of(*s, to.requests.segment())) {
        case standing::unsure:
            return step::hold;
        case standing::missing:
            make_room(s, to, out);
            inject_parse(s, to, out);
            break;
        case standing::prepared:
            break;
    }
    protocol::put_parse(out, s->name(), s->definition());
    note(
        to, request::parse, origin::client, {kind::duplicate, scope::client, s, std::string(name)}
    );
    to.parses++;
    return step::replaced;
}

// Bind and Describe.

/// Sees to it that the server has the statement when what comes behind needs it.
extended_query::provided extended_query::provide(
    const statement_ptr& s, server& to, std::string& out
) {
    switch (to.statements.standing_of(*s, to.requests.segment())) {
        case standing::unsure:
            return provided::unsure;
        case standing::missing:
            make_room(s, to, out);
            inject_parse(s, to, out);
            return provided::now;
        case standing::prepared:
            break;
    }
    to.statements.use(*s, to.requests.segment());
    return provided::before;
}

/// Whether the server's statement is known to have the columns that the client was told.
extended_query::rows extended_query::compare_rows(
    std::string_view name, const statement_ptr& s, bool missing, const server& to
) const {
    const auto at = names_.find(significant_part(name));
    if (at == names_.end() || at->second.statement != s || !at->second.rows ||
        to.requests.status() == protocol::transaction_status::failed) {
        return rows::of_no_interest;
    }
    const std::optional<std::uint64_t> known = missing ? std::nullopt : to.statements.rows_of(*s);
    if (!known) {
        return rows::not_known;
    }
    return known == at->second.rows ? rows::same : rows::others;
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
            return step::as_is;  // the server says that it does not exist
        }
        protocol::put_bind_head(out, *message, never_ours(message->statement), body_length);
        to.requests.sent(request::bind);
        return step::replaced;
    }
    const statement_ptr& s = known.statement;
    to.bound = s->definition().substr(0, s->definition().find('\0'));
    const provided where = provide(s, to, out);
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
            return step::as_is;
        }
        protocol::put_describe_statement(out, never_ours(*message));
        to.requests.sent(request::describe);
        return step::replaced;
    }
    if (provide(known.statement, to, out) == provided::unsure) {
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

// Close, and what forgets all.

extended_query::step extended_query::close(std::string_view body, server& to) {
    const auto message = protocol::read_statement_name(body);
    if (!message) {
        return step::as_is;
    }
    note(
        to,
        request::close,
        origin::local,
        {kind::close, scope::client, nullptr, std::string(significant_part(*message))}
    );
    return step::replaced;
}

extended_query::step extended_query::forget(std::string_view, server& to) {
    note(to, request::query, origin::client, {kind::forget, scope::client, nullptr});
    return step::noted;
}

// What has happened.

void extended_query::on_effect(const statement_effect& effect, std::uint64_t print) {
    if (!effect.of_client()) {
        return;
    }
    switch (effect.what) {
        case kind::prepare:
            names_.insert_or_assign(effect.name, named{effect.statement, std::nullopt});
            return;
        case kind::close:
            names_.erase(effect.name);
            return;
        case kind::describe: {
            const auto at = names_.find(effect.name);
            if (at != names_.end() && at->second.statement == effect.statement) {
                at->second.rows = print;
            }
            return;
        }
        case kind::duplicate:
        case kind::refuse:
        case kind::forget:
            return;
    }
}

std::string_view extended_query::name_of(std::uint64_t statement_number) const noexcept {
    for (const name_map* names : {&names_, &forgotten_}) {
        for (const auto& [name, known] : *names) {
            if (known.statement->number() == statement_number) {
                return name;
            }
        }
    }
    return {};
}

}  // namespace pgweir::session
