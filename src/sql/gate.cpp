#include "sql/gate.hpp"

#include "sql/lexer.hpp"

#include <cstdint>
#include <cstring>

namespace pgweir::sql {

namespace {

constexpr std::size_t lanes = 16;
using block = unsigned char __attribute__((vector_size(lanes)));

block load(const char* from) noexcept {
    block out;
    std::memcpy(&out, from, sizeof out);
    return out;
}

block all(char c) noexcept {
    return block{} + static_cast<unsigned char>(c);
}

bool any(block mask) noexcept {
    std::uint64_t halves[2];
    std::memcpy(halves, &mask, sizeof mask);
    return (halves[0] | halves[1]) != 0;
}

char lower(char c) noexcept {
    return static_cast<char>(c | 0x20);
}

/// Whether the word (in lower case) ends at `end`, letters of any case.
bool ends_in(std::string_view text, std::size_t end, std::string_view word) noexcept {
    if (end < word.size()) {
        return false;
    }
    for (std::size_t i = 0; i < word.size(); i++) {
        if (lower(text[end - word.size() + i]) != lower(word[i])) {
            return false;
        }
    }
    return true;
}

enum class semicolons : std::uint8_t { matter, pass };

/// Whether what is at this byte matters: the first byte of one of the pairs below, or a semicolon.
bool matters(std::string_view text, std::size_t at, semicolons how) noexcept {
    if (text[at] == ';') {
        return how == semicolons::matter &&
               text.find_first_not_of(" \t\r\n\f\v", at + 1) != std::string_view::npos;
    }
    return ends_in(text, at + 2, "temp") || ends_in(text, at + 2, "advi") ||
           ends_in(text, at + 2, "set_c");
}

/// Bytes that may begin something that matters: rare pairs within `temp`, `advisory` and
/// `set_config`, and the semicolon. 0x20 makes letters lower, and an underscore 0x7f.
block candidates(const char* at) noexcept {
    const block one = load(at);
    const block first = one | all(0x20);
    const block second = load(at + 1) | all(0x20);
    const auto pair = [&](char a, char b) {
        return reinterpret_cast<block>((first == all(a)) & (second == all(b)));
    };
    return pair('m', 'p') | pair('v', 'i') | pair(0x7f, 'c') |
           reinterpret_cast<block>(one == all(';'));
}

bool passes(std::string_view text, semicolons how) noexcept {
    std::size_t at = 0;
    while (at + lanes + 1 <= text.size()) {
        if (any(candidates(text.data() + at))) {
            for (std::size_t i = at; i < at + lanes; i++) {
                if (matters(text, i, how)) {
                    return false;
                }
            }
        }
        at += lanes;
    }
    for (; at < text.size(); at++) {
        if ((text[at] == ';' || at + 1 < text.size()) && matters(text, at, how)) {
            return false;
        }
    }
    return true;
}

/// Statements that are harmless but for the words above.
bool begins_harmless(const token& first) noexcept {
    switch (lower(first.text.empty() ? '\0' : first.text.front())) {
        case 's':
            return first.is("select") || first.is("start") || first.is("savepoint") ||
                   first.is("show");
        case 'i':
            return first.is("insert");
        case 'u':
            return first.is("update");
        case 'd':
            return first.is("delete");
        case 'w':
            return first.is("with");
        case 'b':
            return first.is("begin");
        case 'c':
            return first.is("commit") || first.is("copy") || first.is("close");
        case 'r':
            return first.is("rollback") || first.is("release");
        case 'v':
            return first.is("values");
        case 'e':
            return first.is("end");
        case 't':
            return first.is("table") || first.is("truncate");
        case 'f':
            return first.is("fetch");
        case 'm':
            return first.is("merge") || first.is("move");
        case 'l':
            return first.is("lock");
        case 'n':
            return first.is("notify");
        default:
            return false;
    }
}

}  // namespace

bool leaves_session_alone(std::string_view text) noexcept {
    return begins_harmless(lexer(text).next()) && passes(text, semicolons::matter);
}

bool tag_leaves_session_alone(std::string_view tag) noexcept {
    switch (tag.empty() ? '\0' : tag.front()) {
        case 'S':
            return tag != "SET";
        case 'R':
            return tag != "RESET";
        case 'L':
            return tag != "LISTEN" && tag != "LOAD";
        case 'D':
            return tag != "DISCARD ALL";
        default:
            return true;
    }
}

bool holds_nothing(std::string_view part) noexcept {
    return passes(part, semicolons::pass);
}

}  // namespace pgweir::sql
