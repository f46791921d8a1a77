#include "config/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <system_error>

namespace pgweir::config {

namespace {

// Added to the clock (nanoseconds since boot in 64 bits), this must not overflow.
constexpr double most_seconds = 4e9;

char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Takes "0x" or the "0" of an octal number away.
int take_base(std::string_view& text) noexcept {
    if (text.size() > 2 && text[0] == '0' && lower(text[1]) == 'x') {
        text.remove_prefix(2);
        return 16;
    }
    if (text.size() > 1 && text[0] == '0') {
        text.remove_prefix(1);
        return 8;
    }
    return 10;
}

struct unit {
    std::string_view name;
    std::int64_t bytes;
};

constexpr unit size_units[] = {
    {"TB", std::int64_t{1} << 40},
    {"GB", std::int64_t{1} << 30},
    {"MB", std::int64_t{1} << 20},
    {"kB", std::int64_t{1} << 10},
    {"B", 1},
};

bool read_integer(std::string_view text, std::int64_t& value) noexcept {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) {
        text.remove_prefix(1);
    }
    const int base = take_base(text);
    if (text.empty() || text.front() == '-') {  // from_chars would take a second sign
        return false;
    }
    const auto [end, error] = std::from_chars(text.begin(), text.end(), value, base);
    value = negative ? -value : value;
    return error == std::errc() && end == text.end();
}

}  // namespace

failure bad_value(std::string_view text, std::string_view expected) {
    constexpr std::size_t longest = 60;
    return {fmt::format(
        "bad value \"{}{}\", expected {}",
        text.substr(0, longest),
        text.size() > longest ? "..." : "",
        expected
    )};
}

result<int> parse_number(std::string_view text, int lowest, int highest) {
    std::int64_t value = 0;
    if (!read_integer(text, value) || value < lowest || value > highest) {
        const bool open = highest == std::numeric_limits<int>::max();
        return bad_value(
            text,
            open ? fmt::format("a whole number, {} or more (at most {})", lowest, highest)
                 : fmt::format("a whole number from {} to {}", lowest, highest)
        );
    }
    return static_cast<int>(value);
}

result<bool> parse_flag(std::string_view text) {
    std::int64_t value = 0;
    if (!read_integer(text, value)) {
        return bad_value(text, "0 or 1");
    }
    return value != 0;
}

result<microseconds> parse_seconds(std::string_view text) {
    std::string_view digits = text;
    if (digits.starts_with('+')) {
        digits.remove_prefix(1);
    }
    double value = -1;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value);
    // Written so that "nan" fails too.
    const bool good =
        error == std::errc() && end == digits.end() && value >= 0 && !std::signbit(value);
    if (!good || value > most_seconds) {
        return bad_value(text, "seconds as a number, such as 15 or 0.5, without a unit");
    }
    return microseconds(std::llround(value * 1e6));
}

result<microseconds> parse_whole_seconds(std::string_view text, int lowest) {
    std::int64_t value = 0;
    constexpr auto highest = std::numeric_limits<int>::max();
    if (!read_integer(text, value) || value < lowest || value > highest) {
        return bad_value(text, "seconds as a whole number, without a unit");
    }
    return microseconds(seconds(value));
}

result<std::int64_t> parse_size(std::string_view text) {
    constexpr auto expected = "bytes as a whole number, or with a unit: kB, MB, GB or TB";
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    std::int64_t value = 0;
    if (std::from_chars(text.data(), text.data() + digits, value).ec != std::errc()) {
        return bad_value(text, expected);
    }
    std::string_view rest = text.substr(digits);
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    if (rest.empty()) {
        return value;
    }
    for (const unit& known : size_units) {
        if (equal_ignoring_case(rest, known.name)) {
            return value > most / known.bytes ? result<std::int64_t>(bad_value(text, expected))
                                              : value * known.bytes;
        }
    }
    return bad_value(text, expected);
}

std::vector<std::string> split(std::string_view text, std::string_view separators) {
    constexpr std::string_view blanks = " \t";
    std::vector<std::string> found;
    while (!text.empty()) {
        const std::size_t length = std::min(text.find_first_of(separators), text.size());
        std::string_view word = text.substr(0, length);
        text.remove_prefix(std::min(length + 1, text.size()));
        word.remove_prefix(std::min(word.find_first_not_of(blanks), word.size()));
        word = word.substr(0, word.find_last_not_of(blanks) + 1);
        if (!word.empty()) {
            found.emplace_back(word);
        }
    }
    return found;
}

std::string show_seconds(microseconds time) {
    constexpr std::int64_t million = 1000000;
    const std::int64_t whole = time.count() / million;
    const std::int64_t fraction = time.count() % million;
    if (fraction == 0) {
        return fmt::format("{}", whole);
    }
    std::string text = fmt::format("{}.{:06}", whole, fraction);
    text.erase(text.find_last_not_of('0') + 1);
    return text;
}

std::string show_size(std::int64_t bytes) {
    for (const unit& known : size_units) {
        if (known.bytes > 1 && bytes != 0 && bytes % known.bytes == 0) {
            return fmt::format("{}{}", bytes / known.bytes, known.name);
        }
    }
    return fmt::format("{}", bytes);
}

std::string show_list(const std::vector<std::string>& words) {
    return fmt::format("{}", fmt::join(words, ", "));
}

bool is_console_name(std::string_view database) noexcept {
    return database == "pgbouncer" || database == "pgweir";
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return lower(x) == lower(y);
    });
}

}  // namespace pgweir::config
