#pragma once

// From words of the file to values and back, as PgBouncer reads and prints them. Pure. Failures say
// what was found and what was expected.

#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/settings.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::config {

/// "bad value "x", expected ...", with the value cut to a readable length.
failure bad_value(std::string_view text, std::string_view expected);

/// A whole number: decimal, 0x hexadecimal or 0 octal, as strtol reads it with base 0.
result<int> parse_number(std::string_view text, int lowest, int highest);
/// 0 is false, any other whole number is true.
result<bool> parse_flag(std::string_view text);
/// Seconds, with or without a fraction, not negative.
result<microseconds> parse_seconds(std::string_view text);
/// Seconds, a whole number.
result<microseconds> parse_whole_seconds(std::string_view text, int lowest);

/// A number of bytes, with B, kB, MB, GB or TB behind it as in postgresql.conf, or without.
result<std::int64_t> parse_size(std::string_view text);

/// Words between any of the separators, without blanks around them; empty ones are left out.
std::vector<std::string> split(std::string_view text, std::string_view separators);

std::string show_seconds(microseconds time);
/// In the largest unit that leaves no rest; bytes have none.
std::string show_size(std::int64_t bytes);
std::string show_list(const std::vector<std::string>& words);

/// Whether clients reach the console under this database name.
bool is_console_name(std::string_view database) noexcept;

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// The words of an enumeration, in the order in which messages list them.
template <typename Enum>
struct words;

template <>
struct words<pool_mode> {
    static constexpr std::array<std::pair<std::string_view, pool_mode>, 3> list{{
        {"session", pool_mode::session},
        {"transaction", pool_mode::transaction},
        {"statement", pool_mode::statement},
    }};
};

template <>
struct words<auth_type> {
    static constexpr std::array<std::pair<std::string_view, auth_type>, 9> list{{
        {"any", auth_type::any},
        {"trust", auth_type::trust},
        {"plain", auth_type::plain},
        {"md5", auth_type::md5},
        {"scram-sha-256", auth_type::scram_sha_256},
        {"hba", auth_type::hba},
        {"cert", auth_type::cert},
        {"ldap", auth_type::ldap},
        {"pam", auth_type::pam},
    }};
};

template <>
struct words<load_balance> {
    static constexpr std::array<std::pair<std::string_view, load_balance>, 2> list{{
        {"round-robin", load_balance::round_robin},
        {"disable", load_balance::disable},
    }};
};

template <>
struct words<tls_mode> {
    static constexpr std::array<std::pair<std::string_view, tls_mode>, 6> list{{
        {"disable", tls_mode::disable},
        {"allow", tls_mode::allow},
        {"prefer", tls_mode::prefer},
        {"require", tls_mode::require},
        {"verify-ca", tls_mode::verify_ca},
        {"verify-full", tls_mode::verify_full},
    }};
};

template <>
struct words<io_engine> {
    static constexpr std::array<std::pair<std::string_view, io_engine>, 3> list{{
        {"auto", io_engine::auto_},
        {"io_uring", io_engine::io_uring},
        {"epoll", io_engine::epoll},
    }};
};

template <>
struct words<routing> {
    static constexpr std::array<std::pair<std::string_view, routing>, 5> list{{
        {"off", routing::off},
        {"primary", routing::primary},
        {"standby", routing::standby},
        {"prefer-standby", routing::prefer_standby},
        {"auto", routing::automatic},
    }};
};

template <>
struct words<read_consistency> {
    static constexpr std::array<std::pair<std::string_view, read_consistency>, 5> list{{
        {"eventual", read_consistency::eventual},
        {"own_writes", read_consistency::own_writes},
        {"session", read_consistency::session},
        {"database", read_consistency::database},
        {"primary", read_consistency::primary},
    }};
};

template <typename Enum>
std::string_view word_of(Enum value) noexcept {
    for (const auto& [word, meaning] : words<Enum>::list) {
        if (meaning == value) {
            return word;
        }
    }
    return {};
}

template <typename Enum>
result<Enum> parse_word(std::string_view text) {
    std::string expected = "one of";
    for (const auto& [word, meaning] : words<Enum>::list) {
        if (equal_ignoring_case(text, word)) {
            return meaning;
        }
        expected.append(expected.size() > 6 ? ", " : " ").append(word);
    }
    return bad_value(text, expected);
}

}  // namespace pgweir::config
