#include "sql/lexer.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace pgweir::sql {

namespace {

/// What a byte may be part of.
enum : std::uint8_t {
    space = 1,
    name_start = 2,
    digit = 4,
    operator_char = 8,
    name_rest = name_start | digit,
};

constexpr std::array<std::uint8_t, 256> classes = [] {
    std::array<std::uint8_t, 256> table{};
    const auto mark = [&](std::string_view bytes, std::uint8_t what) {
        for (char byte : bytes) {
            auto& entry = table[static_cast<unsigned char>(byte)];
            entry = static_cast<std::uint8_t>(entry | what);
        }
    };
    mark(" \t\n\r\f\v", space);
    mark("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", name_start);
    mark("0123456789", digit);
    mark("~!@#^&|`?+-*/%<>=", operator_char);
    for (std::size_t i = 128; i < 256; i++) {
        table[i] = name_start;
    }
    return table;
}();

constexpr bool is(char byte, std::uint8_t what) noexcept {
    return (classes[static_cast<unsigned char>(byte)] & what) != 0;
}

constexpr bool in(char byte, std::string_view set) noexcept {
    return set.find(byte) != std::string_view::npos;
}

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// Identifiers are cut to this many bytes, not in the middle of a character.
constexpr std::size_t name_limit = 63;

/// The characters of SQL's own operators; one of another kind lets an operator end in + or -.
constexpr std::string_view standard_operator_chars = "+-*/<>=";

constexpr bool is_digit_of(char c, int base) noexcept {
    switch (base) {
        case 2:
            return c == '0' || c == '1';
        case 8:
            return c >= '0' && c <= '7';
        case 16:
            return is(c, digit) || (lower(c) >= 'a' && lower(c) <= 'f');
        default:
            return is(c, digit);
    }
}

int base_of(char marker) noexcept {
    switch (lower(marker)) {
        case 'x':
            return 16;
        case 'o':
            return 8;
        case 'b':
            return 2;
        default:
            return 10;
    }
}

}  // namespace

bool token::is(std::string_view lower_case) const noexcept {
    return kind == token_kind::word && text.size() == lower_case.size() &&
           std::equal(text.begin(), text.end(), lower_case.begin(), [](char a, char b) {
               return lower(a) == b;
           });
}

lexer::lexer(std::string_view text, backslash meaning) noexcept
    : text_(text.substr(0, text.find('\0'))), meaning_(meaning) {}

token lexer::take(token_kind kind, std::size_t end) noexcept {
    const token result{kind, position_, text_.substr(position_, end - position_)};
    position_ = end;
    return result;
}

/// The position stays, so that every later call finds the same.
token lexer::broken() noexcept {
    return {token_kind::broken, position_, text_.substr(position_)};
}

token lexer::next() noexcept {
    if (!skip_blanks()) {
        return broken();
    }
    if (position_ == text_.size()) {
        return {token_kind::end, position_, {}};
    }
    const char c = text_[position_];
    if (is(c, name_start)) {
        return word();
    }
    if (is(c, digit) || (c == '.' && is(at(position_ + 1), digit))) {
        return number();
    }
    if (is(c, operator_char)) {
        return operation();
    }
    switch (c) {
        case '\'':
            return string(
                meaning_ == backslash::plain ? token_kind::string : token_kind::escape_string,
                position_
            );
        case '"':
            return name(token_kind::quoted_name, position_);
        case '$':
            return dollar();
        case ':':
            return at(position_ + 1) == ':' || at(position_ + 1) == '='
                       ? take(token_kind::operation, position_ + 2)
                       : take(token_kind::symbol, position_ + 1);
        case '.':
            return at(position_ + 1) == '.' ? take(token_kind::operation, position_ + 2)
                                            : take(token_kind::symbol, position_ + 1);
        default:
            return take(token_kind::symbol, position_ + 1);
    }
}

// Between tokens.

bool lexer::skip_blanks() noexcept {
    for (;;) {
        while (position_ < text_.size() && is(text_[position_], space)) {
            position_++;
        }
        const char c = at(position_);
        if (c == '-' && at(position_ + 1) == '-') {
            position_ = std::min(text_.find_first_of("\n\r", position_), text_.size());
        } else if (c == '/' && at(position_ + 1) == '*') {
            if (!skip_block_comment()) {
                return false;
            }
        } else {
            return true;
        }
    }
}

/// Comments nest. Where one does not end, the position stays at its beginning.
bool lexer::skip_block_comment() noexcept {
    std::size_t depth = 0;
    std::size_t here = position_;
    do {
        here = text_.find_first_of("*/", here);
        if (here == std::string_view::npos || here + 1 == text_.size()) {
            return false;
        }
        const char following = text_[here + 1];
        if (text_[here] == '/' && following == '*') {
            depth++;
            here += 2;
        } else if (text_[here] == '*' && following == '/') {
            depth--;
            here += 2;
        } else {
            here++;
        }
    } while (depth != 0);
    position_ = here;
    return true;
}

// Words and what looks like one.

token lexer::word() noexcept {
    const char following = at(position_ + 1);
    if (following == '\'') {
        switch (lower(text_[position_])) {
            case 'e':
                return string(token_kind::escape_string, position_ + 1);
            case 'b':
            case 'x':
                return string(token_kind::bit_string, position_ + 1);
            default:
                break;  // N'...' is the word N and a string
        }
    } else if (following == '&' && lower(text_[position_]) == 'u') {
        if (at(position_ + 2) == '\'') {
            // PostgreSQL refuses these where backslashes are escapes.
            return meaning_ == backslash::plain ? string(token_kind::unicode_string, position_ + 2)
                                                : broken();
        }
        if (at(position_ + 2) == '"') {
            return name(token_kind::unicode_name, position_ + 2);
        }
    }
    std::size_t end = position_ + 1;
    while (end < text_.size() && (is(text_[end], name_rest) || text_[end] == '$')) {
        end++;
    }
    return take(token_kind::word, end);
}

/// `quote` is where the opening quotation mark is. Strings that only line ends part are one.
token lexer::string(token_kind kind, std::size_t quote) noexcept {
    const bool escapes = kind == token_kind::escape_string;
    std::size_t here = quote + 1;
    for (;;) {
        here = escapes ? text_.find_first_of("'\\", here) : text_.find('\'', here);
        if (here == std::string_view::npos) {
            return broken();
        }
        if (text_[here] == '\\') {
            here += 2;
            continue;
        }
        here++;
        if (at(here) == '\'' && kind != token_kind::bit_string) {
            here++;
            continue;
        }
        // After the closing one: blanks and -- comments with a line end among them, and another.
        std::size_t further = here;
        bool new_line = false;
        for (;;) {
            if (is(at(further), space)) {
                new_line = new_line || at(further) == '\n' || at(further) == '\r';
                further++;
            } else if (at(further) == '-' && at(further + 1) == '-') {
                further = text_.find_first_of("\n\r", further);
                if (further == std::string_view::npos) {
                    return take(kind, here);
                }
            } else {
                break;
            }
        }
        if (!new_line || at(further) != '\'') {
            return take(kind, here);
        }
        here = further + 1;
    }
}

token lexer::name(token_kind kind, std::size_t quote) noexcept {
    std::size_t here = quote + 1;
    for (;;) {
        here = text_.find('"', here);
        if (here == std::string_view::npos) {
            return broken();
        }
        here++;
        if (at(here) != '"') {
            break;
        }
        here++;
    }
    return here == quote + 2 ? broken() : take(kind, here);  // "" is no name
}

/// A parameter, a dollar-quoted string, or a dollar sign that makes no sense.
token lexer::dollar() noexcept {
    std::size_t end = position_ + 1;
    if (is(at(end), digit)) {
        while (is(at(end), digit)) {
            end++;
        }
        return take(token_kind::parameter, end);
    }
    if (is(at(end), name_start)) {
        while (is(at(end), name_rest)) {
            end++;
        }
    }
    if (at(end) != '$') {
        return take(token_kind::symbol, position_ + 1);
    }
    const std::string_view tag = text_.substr(position_, end + 1 - position_);
    const std::size_t closing = text_.find(tag, end + 1);
    return closing == std::string_view::npos
               ? broken()
               : take(token_kind::dollar_string, closing + tag.size());
}

// Numbers and operators.

token lexer::number() noexcept {
    std::size_t end = position_;
    const auto digits = [&](int base) {
        // An underscore parts digits, and nothing else.
        while (is_digit_of(at(end), base) ||
               (at(end) == '_' && end > position_ && is_digit_of(at(end + 1), base))) {
            end++;
        }
    };
    const int base = text_[end] == '0' ? base_of(at(end + 1)) : 10;
    if (base != 10) {
        const std::size_t first = at(end + 2) == '_' ? end + 3 : end + 2;
        if (is_digit_of(at(first), base)) {
            end = first;
            digits(base);
            return take(token_kind::integer, end);
        }
    }
    token_kind kind = token_kind::integer;
    digits(10);
    if (at(end) == '.' && at(end + 1) != '.') {
        kind = token_kind::number;
        end++;
        if (is(at(end), digit)) {
            digits(10);
        }
    }
    if (lower(at(end)) == 'e') {
        const std::size_t exponent = in(at(end + 1), "+-") ? end + 2 : end + 1;
        if (is(at(exponent), digit)) {
            kind = token_kind::number;
            end = exponent;
            digits(10);
        }
    }
    return take(kind, end);
}

token lexer::operation() noexcept {
    std::size_t end = position_ + 1;
    while (is(at(end), operator_char)) {
        // A comment ends an operator.
        if ((text_[end] == '-' && at(end + 1) == '-') ||
            (text_[end] == '/' && at(end + 1) == '*')) {
            break;
        }
        end++;
    }
    const std::string_view whole = text_.substr(position_, end - position_);
    if (whole.size() > 1 && in(whole.back(), "+-") &&
        whole.find_first_not_of(standard_operator_chars) == std::string_view::npos) {
        // So that `a=-1` means what it seems to.
        while (end > position_ + 1 && in(text_[end - 1], "+-")) {
            end--;
        }
    }
    return take(end == position_ + 1 ? token_kind::symbol : token_kind::operation, end);
}

// What names and strings mean.

namespace {

/// Without the middle of a character at its end, if it is UTF-8.
void cut_to_name_limit(std::string& name, std::size_t begin) {
    if (name.size() - begin <= name_limit) {
        return;
    }
    std::size_t end = begin + name_limit;
    while (end > begin && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) {
        end--;
    }
    name.resize(end);
}

/// One escape; `here` is behind the backslash, and is moved behind the escape.
bool append_escape(std::string_view text, std::size_t& here, std::string& out) {
    const auto read = [&](int base, std::size_t most) {
        unsigned value = 0;
        for (std::size_t count = 0; count < most && is_digit_of(text[here], base); count++) {
            const char c = lower(text[here++]);
            value = value * static_cast<unsigned>(base) +
                    static_cast<unsigned>(c >= 'a' ? c - 'a' + 10 : c - '0');
        }
        return value;
    };
    constexpr std::string_view letters = "bfnrt";
    constexpr std::string_view meanings = "\b\f\n\r\t";
    const char c = text[here];
    unsigned value = 0;
    if (is_digit_of(c, 8)) {
        value = read(8, 3) & 0xFF;
    } else if (c == 'x' && is_digit_of(text[here + 1], 16)) {
        here++;
        value = read(16, 2);
    } else if (c == 'u' || c == 'U') {
        const std::size_t digits = c == 'u' ? 4 : 8;
        const std::size_t begin = ++here;
        value = read(16, digits);
        if (here - begin != digits || value > 0x7F) {
            return false;
        }
    } else {
        const std::size_t known = letters.find(c);
        out += known == std::string_view::npos ? c : meanings[known];
        here++;
        return true;
    }
    out += static_cast<char>(value);
    return value != 0 && value < 0x80;
}

/// Where the next part of a continued string begins: behind blanks and comments, and a quotation
/// mark in a comment is none.
std::size_t next_part(std::string_view text, std::size_t here) {
    while (text[here] != '\'') {
        here = text[here] == '-' ? text.find_first_of("\n\r", here) : here + 1;
    }
    return here + 1;
}

/// What is between the quotation marks, doubled ones once; of a continued string all parts.
/// REQUIRES: a token of the lexer's.
template <char quote>
bool append_unquoted(std::string_view text, backslash meaning, std::string& out) {
    std::size_t here = text.find(quote) + 1;
    for (;;) {
        const char c = text[here++];
        if (c == '\\' && meaning == backslash::escapes) {
            if (!append_escape(text, here, out)) {
                return false;
            }
        } else if (c != quote) {
            out += c;
        } else if (here == text.size()) {
            return true;
        } else if (text[here] == quote) {
            out += quote;
            here++;
        } else {
            here = next_part(text, here);
        }
    }
}

}  // namespace

bool append_name(const token& name, std::string& out) {
    const std::size_t begin = out.size();
    if (name.kind == token_kind::word) {
        std::transform(name.text.begin(), name.text.end(), std::back_inserter(out), lower);
    } else if (name.kind == token_kind::quoted_name) {
        append_unquoted<'"'>(name.text, backslash::plain, out);
    } else {
        return false;
    }
    cut_to_name_limit(out, begin);
    return true;
}

bool append_string(const token& string, std::string& out) {
    const std::size_t begin = out.size();
    bool known = false;
    if (string.kind == token_kind::dollar_string) {
        const std::size_t tag = string.text.find('$', 1) + 1;
        out += string.text.substr(tag, string.text.size() - 2 * tag);
        return true;
    }
    if (string.kind == token_kind::string) {
        known = append_unquoted<'\''>(string.text, backslash::plain, out);
    } else if (string.kind == token_kind::escape_string) {
        known = append_unquoted<'\''>(string.text, backslash::escapes, out);
    }
    if (!known) {
        out.resize(begin);
    }
    return known;
}

}  // namespace pgweir::sql
