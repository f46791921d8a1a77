#include "session/route_words.hpp"

#include "config/values.hpp"

#include <array>
#include <utility>

namespace pgweir::session {

namespace {

using sql::lexer;
using sql::token;
using sql::token_kind;

constexpr std::array<std::pair<std::string_view, own_parameter>, 4> own_names{{
    {"routing", own_parameter::routing},
    {"read_consistency", own_parameter::read_consistency},
    {"read_after", own_parameter::read_after},
    {"last_write", own_parameter::last_write},
}};

/// Nothing follows but a semicolon.
bool ends(lexer& tokens) noexcept {
    token next = tokens.next();
    while (next.is(';')) {
        next = tokens.next();
    }
    return next.kind == token_kind::end;
}

/// One mode, whose first word is at hand. False if it is not understood.
bool read_mode(const token& first, lexer& tokens, transaction_modes& to) noexcept {
    if (first.is("read")) {
        const token how = tokens.next();
        to.read_only = how.is("only");
        return how.is("only") || how.is("write");
    }
    if (first.is("deferrable")) {
        return true;
    }
    if (first.is("not")) {
        return tokens.next().is("deferrable");
    }
    if (!first.is("isolation") || !tokens.next().is("level")) {
        return false;
    }
    const token level = tokens.next();
    to.serializable = level.is("serializable");
    if (level.is("read")) {
        const token what = tokens.next();
        return what.is("committed") || what.is("uncommitted");
    }
    return level.is("serializable") || (level.is("repeatable") && tokens.next().is("read"));
}

/// Modes up to the end of the text, the first of which may be missing. False if anything else is
/// there.
bool read_modes(lexer& tokens, transaction_modes& to) noexcept {
    if (tokens.peek().is(';') || tokens.peek().kind == token_kind::end) {
        return ends(tokens);
    }
    for (;;) {
        if (!read_mode(tokens.next(), tokens, to)) {
            return false;
        }
        if (tokens.peek().is(';') || tokens.peek().kind == token_kind::end) {
            return ends(tokens);
        }
        if (tokens.peek().is(',')) {
            tokens.next();
        }
    }
}

/// Behind COMMIT, END, ROLLBACK, ABORT.
bool read_plain_end(lexer& tokens) noexcept {
    if (tokens.peek().is("work") || tokens.peek().is("transaction")) {
        tokens.next();
    }
    if (tokens.peek().is("and")) {
        tokens.next();
        if (!tokens.next().is("no") || !tokens.next().is("chain")) {
            return false;
        }
    }
    return ends(tokens);
}

/// The first letter decides for nearly every text that is none of these.
bool may_control(std::string_view text) noexcept {
    constexpr std::string_view first_letters = "bBsScCeErRaA/-";
    const std::size_t begin = text.find_first_not_of(" \t\r\n\f;");
    return begin != std::string_view::npos &&
           first_letters.find(text[begin]) != std::string_view::npos;
}

std::string_view plain_value(const token& value) noexcept {
    if (value.kind == token_kind::string || value.kind == token_kind::escape_string) {
        const std::string_view inside = value.text.substr(1, value.text.size() - 2);
        const bool plain = value.text.front() == '\'' && inside.find_first_of("'\\") == inside.npos;
        return plain ? inside : std::string_view();
    }
    return value.is_name() && value.kind == token_kind::word ? value.text : std::string_view();
}

}  // namespace

transaction_control read_control(std::string_view text, sql::backslash meaning) noexcept {
    transaction_control found;
    if (!may_control(text)) {
        return found;
    }
    lexer tokens(text, meaning);
    const token first = tokens.next();
    transaction_modes modes;
    if (first.is("begin")) {
        if (tokens.peek().is("work") || tokens.peek().is("transaction")) {
            tokens.next();
        }
        if (read_modes(tokens, modes)) {
            return {control_kind::begin, modes, "BEGIN"};
        }
    } else if (first.is("start")) {
        if (tokens.next().is("transaction") && read_modes(tokens, modes)) {
            return {control_kind::begin, modes, "START TRANSACTION"};
        }
    } else if (first.is("set")) {
        if (tokens.next().is("transaction") && !tokens.peek().is_last() && !tokens.peek().is(';') &&
            read_modes(tokens, modes)) {
            return {control_kind::set_transaction, modes, "SET"};
        }
    } else if (first.is("commit") || first.is("end")) {
        if (read_plain_end(tokens)) {
            return {control_kind::commit, {}, "COMMIT"};
        }
    } else if (first.is("rollback") || first.is("abort")) {
        if (read_plain_end(tokens)) {
            return {control_kind::rollback, {}, "ROLLBACK"};
        }
    }
    return found;
}

std::string_view name_of(own_parameter what) noexcept {
    for (const auto& [name, parameter] : own_names) {
        if (parameter == what) {
            return name;
        }
    }
    return {};
}

std::optional<own_parameter> settable_parameter(std::string_view name) noexcept {
    constexpr std::string_view prefix = "pgweir.";
    if (!name.starts_with(prefix)) {
        return std::nullopt;
    }
    name.remove_prefix(prefix.size());
    for (const auto& [word, parameter] : own_names) {
        if (name == word && parameter != own_parameter::last_write) {
            return parameter;
        }
    }
    return std::nullopt;
}

std::optional<own_statement> read_own(std::string_view text, sql::backslash meaning) noexcept {
    if (!may_control(text)) {
        return std::nullopt;
    }
    lexer tokens(text, meaning);
    const token first = tokens.next();
    own_statement found;
    if (first.is("set")) {
        found.what = own_statement::kind::set;
        if (tokens.peek().is("session")) {
            tokens.next();
        }
    } else if (first.is("reset")) {
        found.what = own_statement::kind::reset;
    } else if (first.is("show")) {
        found.what = own_statement::kind::show;
    } else {
        return std::nullopt;
    }
    if (!tokens.next().is("pgweir") || !tokens.next().is('.')) {
        return std::nullopt;
    }
    const token name = tokens.next();
    bool known = false;
    for (const auto& [word, parameter] : own_names) {
        if (name.is(word)) {
            found.parameter = parameter;
            known = true;
        }
    }
    if (!known) {
        return std::nullopt;
    }
    if (found.what == own_statement::kind::set) {
        const token to = tokens.next();
        if (!to.is('=') && !to.is("to")) {
            return std::nullopt;
        }
        const token value = tokens.next();
        if (value.is("default")) {
            found.what = own_statement::kind::reset;
        } else {
            found.value = plain_value(value);
            if (found.value.empty() && !(value.is_string() && value.text == "''")) {
                return std::nullopt;
            }
            // A word may go on: prefer-standby.
            if (value.kind == token_kind::word && tokens.peek().is('-')) {
                tokens.next();
                const token rest = tokens.next();
                if (rest.kind != token_kind::word) {
                    return std::nullopt;
                }
                found.value = text.substr(value.begin, rest.end() - value.begin);
            }
        }
    }
    return ends(tokens) ? std::optional(found) : std::nullopt;
}

std::optional<config::routing> read_hint(std::string_view text) noexcept {
    const std::size_t begin = text.find_first_not_of(" \t\r\n\f");
    if (begin == std::string_view::npos || text.compare(begin, 2, "/*") != 0) {
        return std::nullopt;
    }
    const std::size_t end = text.find("*/", begin + 2);
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    std::string_view inside = text.substr(begin + 2, end - begin - 2);
    const auto skip_blanks = [&inside] {
        const std::size_t at = inside.find_first_not_of(" \t\r\n\f");
        inside.remove_prefix(at == std::string_view::npos ? inside.size() : at);
    };
    constexpr std::string_view ours = "pgweir";
    skip_blanks();
    if (!inside.starts_with(ours)) {
        return std::nullopt;
    }
    inside.remove_prefix(ours.size());
    skip_blanks();
    if (!inside.starts_with(':')) {
        return std::nullopt;
    }
    inside.remove_prefix(1);
    skip_blanks();
    inside = inside.substr(0, inside.find_first_of(" \t\r\n\f"));
    for (const auto& [word, where] : config::words<config::routing>::list) {
        if (word == inside && where != config::routing::off) {
            return where;
        }
    }
    return std::nullopt;
}

}  // namespace pgweir::session
