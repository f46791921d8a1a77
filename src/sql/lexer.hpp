#pragma once

// SQL as PostgreSQL reads it, token by token: comments (nested ones too), strings of every kind
// with their continuation over lines, quoted identifiers, dollar quotes, numbers, operators.
// PostgreSQL's manual: "Lexical Structure"; its scan.l is what this follows.
//
// Where versions differ, a text gets the reading of the version that accepts it: numbers are those
// of 16 (0x1F, 1_000), and `1from` is a number and a word, as before 15. Nothing is looked up and
// nothing is decoded here: a token is where it is in the text. What a name or a string means comes
// from append_name and append_string.
//
// Any bytes may come in. Time is linear in the text, memory is not used, and a text that
// PostgreSQL's scanner would refuse ends in a token of kind `broken`. A zero byte ends the text.
// Tokens are views into the text. Not thread-safe; cheap to copy, so that a reader may look ahead.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgweir::sql {

/// standard_conforming_strings: whether a backslash in '...' is just a backslash.
enum class backslash : std::uint8_t { plain, escapes };

enum class token_kind : std::uint8_t {
    end,             ///< nothing more; stays
    broken,          ///< a string, comment or name that does not end, to the end of the text; stays
    word,            ///< a keyword, or an identifier without quotes
    quoted_name,     ///< "..."
    unicode_name,    ///< U&"..."
    string,          ///< '...', in which a backslash is just that
    escape_string,   ///< E'...', and '...' with backslash::escapes
    unicode_string,  ///< U&'...'
    dollar_string,   ///< $tag$...$tag$
    bit_string,      ///< B'...' and X'...'
    integer,         ///< decimal, and 0x, 0o, 0b
    number,          ///< with a point or an exponent
    parameter,       ///< $1
    symbol,          ///< one character: , ( ) [ ] . ; : or an operator of one character
    operation,       ///< several characters, :: .. := => included
};

struct token {
    token_kind kind = token_kind::end;
    std::size_t begin = 0;  ///< where it is in the text
    std::string_view text;

    std::size_t end() const noexcept { return begin + text.size(); }

    bool is(char symbol) const noexcept {
        return kind == token_kind::symbol && text.front() == symbol;
    }

    /// A word, whatever the case of its letters. `lower` is in lower case.
    bool is(std::string_view lower) const noexcept;

    bool is_name() const noexcept {
        return kind == token_kind::word || kind == token_kind::quoted_name ||
               kind == token_kind::unicode_name;
    }

    bool is_string() const noexcept {
        return kind == token_kind::string || kind == token_kind::escape_string ||
               kind == token_kind::dollar_string || kind == token_kind::unicode_string;
    }

    bool is_last() const noexcept { return kind == token_kind::end || kind == token_kind::broken; }
};

class lexer {
public:
    /// The text must outlive the lexer and its tokens.
    explicit lexer(std::string_view text, backslash meaning = backslash::plain) noexcept;

    token next() noexcept;

    /// What `next` will return.
    token peek() const noexcept { return lexer(*this).next(); }

    backslash meaning() const noexcept { return meaning_; }

private:
    char at(std::size_t position) const noexcept {
        return position < text_.size() ? text_[position] : '\0';
    }

    /// Past spaces and comments. False if a comment does not end.
    bool skip_blanks() noexcept;
    bool skip_block_comment() noexcept;

    token take(token_kind kind, std::size_t end) noexcept;
    token broken() noexcept;
    token word() noexcept;
    token number() noexcept;
    token operation() noexcept;
    token dollar() noexcept;
    token string(token_kind kind, std::size_t quote) noexcept;
    token name(token_kind kind, std::size_t quote) noexcept;

    std::string_view text_;
    std::size_t position_ = 0;
    backslash meaning_;
};

/// Appends what an identifier means: a word in lower case, a quoted one without its quotes, both
/// cut to the 63 bytes that PostgreSQL keeps. False, with nothing appended, for a unicode_name,
/// whose meaning is not followed, and for what is no name.
bool append_name(const token& name, std::string& out);

/// Appends what a string is. False, with nothing appended, where that is not followed: U&'...',
/// escapes of code points above ASCII, escapes that PostgreSQL refuses.
bool append_string(const token& string, std::string& out);

}  // namespace pgweir::sql
