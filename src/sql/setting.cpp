#include "sql/setting.hpp"

#include <algorithm>
#include <array>

namespace pgweir::sql {

namespace {

/// Parameters whose value is a list of names, so that a name in it is written with quotes.
constexpr std::array<std::string_view, 4> lists_of_names = {
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
};

/// As PostgreSQL shows it: in quotes where it would not be read as it is otherwise.
std::string quoted_name(std::string_view name) {
    const bool plain =
        !name.empty() && name.front() > '9' && std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
        });
    if (plain) {
        return std::string(name);
    }
    std::string out = "\"";
    for (char c : name) {
        out.append(c == '"' ? 2 : 1, c);
    }
    return out + '"';
}

/// One element of SET's list.
bool append_element(lexer& tokens, std::string& out) {
    token one = tokens.next();
    if (one.is('+') || one.is('-')) {
        if (one.is('-')) {
            out += '-';
        }
        one = tokens.next();
        if (one.kind != token_kind::integer && one.kind != token_kind::number) {
            return false;
        }
    }
    if (one.kind == token_kind::integer || one.kind == token_kind::number) {
        out += one.text;
        return true;
    }
    return append_string(one, out) || append_name(one, out);
}

/// SET's list, as one string. False if it is none.
bool append_list(lexer& tokens, bool of_names, std::string& out) {
    for (;;) {
        std::string element;
        if (!append_element(tokens, element)) {
            return false;
        }
        out += of_names ? quoted_name(element) : element;
        const token by = tokens.next();
        if (by.kind == token_kind::end) {
            return true;
        }
        if (!by.is(',')) {
            return false;
        }
        out += ", ";
    }
}

bool is_alone(lexer tokens, std::string_view word) {
    return tokens.next().is(word) && tokens.next().kind == token_kind::end;
}

/// A value's type written behind it: 'x'::text.
void skip_cast(lexer& tokens) {
    const token by = tokens.peek();
    if (by.kind == token_kind::operation && by.text == "::") {
        tokens.next();
        tokens.next();
    }
}

std::optional<bool> read_boolean(const token& one) {
    std::string word;
    if (!append_string(one, word) && !(one.kind == token_kind::word && append_name(one, word))) {
        return std::nullopt;
    }
    for (std::string_view yes : {"true", "t", "on", "yes", "1"}) {
        if (word == yes) {
            return true;
        }
    }
    for (std::string_view no : {"false", "f", "off", "no", "0"}) {
        if (word == no) {
            return false;
        }
    }
    return std::nullopt;
}

/// set_config('name', 'value', false), from its name on.
bool read_call(lexer& tokens, std::vector<setting>& out) {
    token one = tokens.next();
    if (one.is("pg_catalog") && tokens.next().is('.')) {
        one = tokens.next();
    }
    if (!one.is("set_config") || !tokens.next().is('(')) {
        return false;
    }
    setting what;
    std::string name;
    if (!append_string(tokens.next(), name)) {
        return false;
    }
    std::transform(name.begin(), name.end(), std::back_inserter(what.name), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    skip_cast(tokens);
    if (!tokens.next().is(',')) {
        return false;
    }
    const token value = tokens.next();
    what.value.emplace();
    if (value.is("null")) {
        what.value.reset();
    } else if (!append_string(value, *what.value)) {
        return false;
    }
    skip_cast(tokens);
    if (!tokens.next().is(',')) {
        return false;
    }
    const auto local = read_boolean(tokens.next());
    skip_cast(tokens);
    if (!local || !tokens.next().is(')')) {
        return false;
    }
    if (!*local) {
        out.push_back(std::move(what));
    }
    return true;
}

void skip_alias(lexer& tokens) {
    if (tokens.peek().is("as")) {
        tokens.next();
        tokens.next();
    } else if (tokens.peek().is_name() && !tokens.peek().is("from")) {
        tokens.next();
    }
}

}  // namespace

bool is_list_of_names(std::string_view name) noexcept {
    return std::find(lists_of_names.begin(), lists_of_names.end(), name) != lists_of_names.end();
}

std::string parameter_name(std::string_view written) {
    std::string out;
    lexer tokens(written);
    for (;;) {
        std::string part;
        if (!append_name(tokens.next(), part)) {
            return {};
        }
        std::transform(part.begin(), part.end(), std::back_inserter(out), [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
        });
        const token by = tokens.next();
        if (by.kind == token_kind::end) {
            return out;
        }
        if (!by.is('.')) {
            return {};
        }
        out += '.';
    }
}

std::optional<setting> read_setting(const statement& from, backslash meaning) {
    setting out;
    out.name = parameter_name(from.parameter);
    if (out.name.empty()) {
        return std::nullopt;
    }
    if (from.kind == statement_kind::reset) {
        return out;
    }
    lexer tokens(from.value, meaning);
    const bool zone = out.name == "timezone";
    if (is_alone(tokens, "default") || (zone && is_alone(tokens, "local")) ||
        (from.value.empty() && out.name == "client_encoding")) {
        return out;
    }
    out.value.emplace();
    if (!append_list(tokens, is_list_of_names(out.name), *out.value)) {
        return std::nullopt;
    }
    return out;
}

std::optional<std::vector<setting>> read_characteristics(std::string_view modes) {
    std::vector<setting> out;
    lexer tokens(modes);
    for (token one = tokens.next(); one.kind != token_kind::end; one = tokens.next()) {
        if (one.is("isolation")) {
            tokens.next();
            const token level = tokens.next();
            std::string value;
            append_name(level, value);
            if (!level.is("serializable")) {
                value += ' ';
                append_name(tokens.next(), value);
            }
            out.push_back({"default_transaction_isolation", value});
        } else if (one.is("read")) {
            const bool only = tokens.next().is("only");
            out.push_back({"default_transaction_read_only", only ? "on" : "off"});
        } else if (one.is("deferrable")) {
            out.push_back({"default_transaction_deferrable", "on"});
        } else if (one.is("not")) {
            tokens.next();
            out.push_back({"default_transaction_deferrable", "off"});
        } else if (!one.is(',')) {
            return std::nullopt;
        }
    }
    return out;
}

std::optional<std::vector<setting>> read_set_config(std::string_view text, backslash meaning) {
    std::vector<setting> out;
    lexer tokens(text, meaning);
    if (!tokens.next().is("select")) {
        return std::nullopt;
    }
    for (;;) {
        if (!read_call(tokens, out)) {
            return std::nullopt;
        }
        skip_alias(tokens);
        const token by = tokens.next();
        if (by.kind == token_kind::end) {
            return out;
        }
        if (!by.is(',')) {
            return std::nullopt;
        }
    }
}

}  // namespace pgweir::sql
