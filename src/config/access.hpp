#pragma once

// How a key of the file reaches the member that it sets: one constexpr `access` for each kind of
// value, made from a pointer to the member, so that a table of keys needs one word for it. Pure.

#include "base/result.hpp"
#include "base/secret.hpp"
#include "config/values.hpp"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::config {

template <typename Owner>
struct access {
    result<void> (*parse)(Owner&, std::string_view);
    std::string (*show)(const Owner&);
    void (*copy)(const Owner& from, Owner& to);
};

template <typename Pointer>
struct member;

template <typename Owner, typename Type>
struct member<Type Owner::*> {
    using owner = Owner;
    using type = Type;
};

template <auto Member>
using owner_of = typename member<decltype(Member)>::owner;
template <auto Member>
using type_of = typename member<decltype(Member)>::type;

/// Puts what was parsed into the member, or hands its failure on.
template <auto Member, typename Value>
result<void> store(owner_of<Member>& owner, result<Value> value) {
    if (!value) {
        return value.error();
    }
    owner.*Member = std::move(*value);
    return {};
}

template <auto Member>
void copy_member(const owner_of<Member>& from, owner_of<Member>& to) {
    to.*Member = from.*Member;
}

constexpr int any_number = std::numeric_limits<int>::max();

template <auto Member, int Lowest = 0, int Highest = any_number>
constexpr access<owner_of<Member>> number() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view text) {
            return store<Member>(to, parse_number(text, Lowest, Highest));
        },
        [](const owner& from) { return fmt::format("{}", from.*Member); },
        &copy_member<Member>,
    };
}

/// Access rights of a file, printed as they are written.
template <auto Member>
constexpr access<owner_of<Member>> file_mode() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view text) {
            return store<Member>(to, parse_number(text, 0, 07777));
        },
        [](const owner& from) { return fmt::format("0{:03o}", from.*Member); },
        &copy_member<Member>,
    };
}

template <auto Member>
constexpr access<owner_of<Member>> flag() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view text) { return store<Member>(to, parse_flag(text)); },
        [](const owner& from) { return std::string(from.*Member ? "1" : "0"); },
        &copy_member<Member>,
    };
}

template <auto Member>
constexpr access<owner_of<Member>> time() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view text) { return store<Member>(to, parse_seconds(text)); },
        [](const owner& from) { return show_seconds(from.*Member); },
        &copy_member<Member>,
    };
}

template <auto Member>
constexpr access<owner_of<Member>> size() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view text) { return store<Member>(to, parse_size(text)); },
        [](const owner& from) { return show_size(from.*Member); },
        &copy_member<Member>,
    };
}

template <auto Member, int Lowest = 0>
constexpr access<owner_of<Member>> whole_seconds() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view text) {
            return store<Member>(to, parse_whole_seconds(text, Lowest));
        },
        [](const owner& from) { return show_seconds(from.*Member); },
        &copy_member<Member>,
    };
}

template <auto Member>
constexpr access<owner_of<Member>> text() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view value) {
            return store<Member>(to, result<std::string>(value));
        },
        [](const owner& from) { return std::string(from.*Member); },
        &copy_member<Member>,
    };
}

/// Never shown.
template <auto Member>
constexpr access<owner_of<Member>> hidden() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view value) {
            return store<Member>(to, result<secret>(secret(value)));
        },
        [](const owner& from) { return std::string((from.*Member).empty() ? "" : "****"); },
        &copy_member<Member>,
    };
}

template <auto Member>
constexpr access<owner_of<Member>> word() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view value) {
            return store<Member>(to, parse_word<type_of<Member>>(value));
        },
        [](const owner& from) { return std::string(word_of(from.*Member)); },
        &copy_member<Member>,
    };
}

template <auto Member, typename Separators>
constexpr access<owner_of<Member>> separated() {
    using owner = owner_of<Member>;
    return {
        [](owner& to, std::string_view value) {
            return store<Member>(
                to, result<std::vector<std::string>>(split(value, Separators::value))
            );
        },
        [](const owner& from) { return show_list(from.*Member); },
        &copy_member<Member>,
    };
}

struct commas {
    static constexpr std::string_view value = ",";
};

struct commas_and_blanks {
    static constexpr std::string_view value = ", \t";
};

/// Items between commas, which may hold blanks.
template <auto Member>
constexpr access<owner_of<Member>> list() {
    return separated<Member, commas>();
}

/// Words between commas or blanks: PgBouncer matches single words in lists of users and parameters.
template <auto Member>
constexpr access<owner_of<Member>> word_list() {
    return separated<Member, commas_and_blanks>();
}

}  // namespace pgweir::config
