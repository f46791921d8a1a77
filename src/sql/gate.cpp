#include "sql/gate.hpp"

#include "sql/lexer.hpp"

#include <array>
#include <bit>
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

char lower(char c) noexcept {
    return static_cast<char>(c | 0x20);
}

/// Whether the word (in lower case) ends at `end`, letters of any case.
bool ends_in(std::string_view text, std::size_t end, std::string_view word) noexcept {
    if (end < word.size() || end > text.size()) {
        return false;
    }
    for (std::size_t i = 0; i < word.size(); i++) {
        if (lower(text[end - word.size() + i]) != lower(word[i])) {
            return false;
        }
    }
    return true;
}

enum class semicolons : std::uint8_t {
    between,   ///< matter if something follows
    anywhere,  ///< matter: nobody knows what follows
};

/// Whether what is at this byte matters: one of the pairs below, or a semicolon.
bool matters(std::string_view text, std::size_t at, semicolons how) noexcept {
    switch (lower(text[at])) {
        case ';' | 0x20:
            return text[at] == ';' &&
                   (how == semicolons::anywhere ||
                    text.find_first_not_of(" \t\r\n\f\v", at + 1) != std::string_view::npos);
        case 'm':
            return ends_in(text, at + 2, "temp");
        case 'v':
            return ends_in(text, at + 2, "advi");
        case '_' | 0x20:
            return ends_in(text, at + 2, "set_c") || ends_in(text, at + 3, "pg_se");
        default:
            return false;
    }
}

/// Bytes that may begin something that matters: rare pairs within `temp`, `advisory`, `set_config`
/// and `pg_settings`, and the semicolon. 0x20 makes letters lower, and an underscore 0x7f.
block candidates(const char* at) noexcept {
    const block one = load(at);
    const block first = one | all(0x20);
    const block second = load(at + 1) | all(0x20);
    const auto pair = [&](char a, char b) {
        return reinterpret_cast<block>((first == all(a)) & (second == all(b)));
    };
    return pair('m', 'p') | pair('v', 'i') | pair(0x7f, 'c') | pair(0x7f, 's') |
           reinterpret_cast<block>(one == all(';'));
}

/// As numbers of which the first is the first eight lanes.
std::array<std::uint64_t, 2> halves_of(block of) noexcept {
    static_assert(std::endian::native == std::endian::little);
    return std::bit_cast<std::array<std::uint64_t, 2>>(of);
}

/// The lane of the first byte that is not zero.
std::size_t first_lane(std::uint64_t half) noexcept {
    return static_cast<std::size_t>(std::countr_zero(half)) / 8;
}

/// The candidates among the sixteen bytes from `at` on; one more has to follow them.
bool block_passes(std::string_view text, std::size_t at, semicolons how) noexcept {
    for (const std::uint64_t half : halves_of(candidates(text.data() + at))) {
        for (std::uint64_t left = half; left != 0;) {
            const std::size_t lane = first_lane(left);
            if (matters(text, at + lane, how)) {
                return false;
            }
            left &= ~(std::uint64_t{0xff} << (lane * 8));
        }
        at += sizeof half;
    }
    return true;
}

bool passes(std::string_view text, semicolons how) noexcept {
    if (text.size() <= lanes) {
        for (std::size_t at = 0; at + 1 < text.size(); at++) {
            if (matters(text, at, how)) {
                return false;
            }
        }
        return true;
    }
    // The last byte alone cannot matter; the last block overlaps the one before it.
    const std::size_t last = text.size() - lanes - 1;
    block any = candidates(text.data() + last);
    for (std::size_t at = 0; at < last; at += lanes) {
        any |= candidates(text.data() + at);
    }
    const auto [low, high] = halves_of(any);
    if ((low | high) == 0) {
        return true;
    }
    for (std::size_t at = 0; at < last; at += lanes) {
        if (!block_passes(text, at, how)) {
            return false;
        }
    }
    return block_passes(text, last, how);
}

/// A word of at most eight letters, as a number.
constexpr std::uint64_t packed(std::string_view word) {
    std::uint64_t out = 0;
    for (char c : word) {
        out = out << 8 | static_cast<unsigned char>(c);
    }
    return out;
}

/// The first word in lower case, if it is one of at most eight letters; else 0.
std::uint64_t first_word(std::string_view text) noexcept {
    std::size_t at = 0;
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n')) {
        at++;
    }
    if (at < text.size() && (text[at] == '/' || text[at] == '-')) {
        at = lexer(text).next().begin;  // behind comments
    }
    std::uint64_t word = 0;
    if (text.size() >= at + lanes) {
        const block letters = load(text.data() + at) | all(0x20);
        const auto others = reinterpret_cast<block>((letters < all('a')) | (letters > all('z')));
        const auto [first_others, next_others] = halves_of(others);
        word = __builtin_bswap64(halves_of(letters)[0]);
        if (first_others == 0) {
            return (next_others & 0xff) == 0 ? 0 : word;
        }
        const std::size_t length = first_lane(first_others);
        return length == 0 ? 0 : word >> (64 - 8 * length);
    }
    for (std::size_t i = 0; at < text.size(); i++, at++) {
        const char c = lower(text[at]);
        if (c < 'a' || c > 'z') {
            return word;
        }
        if (i == sizeof word) {
            return 0;
        }
        word = word << 8 | static_cast<unsigned char>(c);
    }
    return word;
}

/// Statements that are harmless but for the words above.
bool begins_harmless(std::string_view text) noexcept {
    switch (first_word(text)) {
        case packed("select"):
        case packed("insert"):
        case packed("update"):
        case packed("delete"):
        case packed("with"):
        case packed("begin"):
        case packed("commit"):
        case packed("rollback"):
        case packed("end"):
        case packed("start"):
        case packed("release"):
        case packed("values"):
        case packed("table"):
        case packed("truncate"):
        case packed("copy"):
        case packed("fetch"):
        case packed("move"):
        case packed("close"):
        case packed("merge"):
        case packed("lock"):
        case packed("show"):
        case packed("notify"):
            return true;
        default:
            return false;
    }
}

}  // namespace

bool leaves_session_alone(std::string_view text) noexcept {
    return begins_harmless(text) && passes(text, semicolons::between);
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

bool may_begin_alone(std::string_view begin) noexcept {
    return begins_harmless(begin) && passes(begin, semicolons::anywhere);
}

bool holds_nothing(std::string_view part) noexcept {
    return passes(part, semicolons::anywhere);
}

bool ends_alone(std::string_view end) noexcept {
    return passes(end, semicolons::between);
}

}  // namespace pgweir::sql
