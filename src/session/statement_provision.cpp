#include "session/statement_provision.hpp"

#include "protocol/statement_messages.hpp"

#include <algorithm>
#include <utility>

namespace pgweir::session {

namespace {

using pool::server_statements;
using pool::statement_effect;
using pool::statement_ptr;
using pool::statement_store;
using protocol::notice;
using protocol::origin;
using protocol::request;
using kind = statement_effect::kind;
using scope = statement_effect::scope;
using standing = server_statements::standing;

/// PostgreSQL tells names apart by so many bytes.
constexpr std::size_t significant = 63;

/// The settings that the statement's literals are to be read by, if the session's are others now.
void put_settings(
    const pool::parameter_set& from,
    const pool::parameter_set& to,
    statement_target& server,
    std::string& out
) {
    server.store
        .for_each_difference(from, to, [&](const std::string& name, const std::string& value) {
            protocol::put_set_config(out, name, value);
            for (request what : protocol::statement_requests) {
                server.requests.sent(what, origin::injected);
            }
        });
}

}  // namespace

std::string_view significant_part(std::string_view name) noexcept {
    return name.substr(0, significant);
}

std::string never_ours(std::string_view name) {
    return std::string(name.substr(0, significant - 1)) + '_';
}

void note(const statement_target& to, request what, origin whose, statement_effect effect) {
    effect.segment = to.requests.segment();
    if (to.requests.sent(what, whose, notice::wanted)) {
        to.statements.expect(std::move(effect));
    }
}

std::string prepare_text(const pool::statement& s) {
    return "PREPARE \"" + s.name() + '"';
}

void inject_parse(
    const statement_ptr& s, statement_target& to, std::string& out, pool::moved_text moved
) {
    const bool literals = s->settings() != nullptr;
    if (literals) {
        put_settings(*to.settings, *s->settings(), to, out);
    }
    statement_effect effect{kind::prepare, scope::server, s};
    effect.moved = moved;
    effect.turn = to.store.next_turn();
    effect.unnamed = to.unnamed;
    if (s->form() == pool::statement_form::sql) {
        protocol::put_statement(out, prepare_text(*s) + std::string(s->definition()));
        for (request what : protocol::statement_requests) {
            if (what == request::execute) {
                note(to, what, origin::injected, std::move(effect));
            } else if (what == request::parse) {  // which is where the text is read
                note(to, what, origin::injected, {kind::moved, scope::server, s, {}, 0, moved});
            } else {
                to.requests.sent(what, origin::injected);
            }
        }
    } else {
        protocol::put_parse(out, s->name(), s->definition());
        note(to, request::parse, origin::injected, std::move(effect));
    }
    to.parses++;
    if (literals) {
        put_settings(*s->settings(), *to.settings, to, out);
    }
}

void inject_close(const statement_ptr& s, const statement_target& to, std::string& out) {
    protocol::put_close_statement(out, s->name());
    note(to, request::close, origin::injected, {kind::close, scope::server, s});
}

void make_room(const statement_ptr& keep, const statement_target& to, std::string& out) {
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

void use(const statement_ptr& s, const statement_target& to) noexcept {
    using usage = server_statements::usage;
    to.statements.use(*s, to.requests.segment(), to.unnamed ? usage::unnamed : usage::by_name);
}

provided provide(
    const statement_ptr& s, statement_target& to, std::string& out, pool::moved_text moved
) {
    switch (to.statements.standing_of(*s, to.requests.segment())) {
        case standing::unsure:
            return provided::unsure;
        case standing::outdated:
            inject_close(s, to, out);
            inject_parse(s, to, out, moved);
            return provided::now;
        case standing::missing:
            make_room(s, to, out);
            inject_parse(s, to, out, moved);
            return provided::now;
        case standing::prepared:
            break;
    }
    use(s, to);
    return provided::before;
}

std::optional<statement_store::sharing> sharing_of(
    std::string_view text, const statement_target& to
) noexcept {
    if (!pool::depends_on_settings(text)) {
        return statement_store::sharing::shared;
    }
    if (to.requests.ready_owed() != 0) {
        return std::nullopt;
    }
    return to.requests.executing() ? statement_store::sharing::alone
                                   : statement_store::sharing::shared;
}

}  // namespace pgweir::session
