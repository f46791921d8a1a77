#include "auth/ident_map.hpp"

#include "auth/hba_tokens.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pgweir::auth {

namespace {

constexpr std::string_view group_mark = "\\1";

/// A failure without its place.
using why = std::optional<std::string>;

why read_pattern(const detail::hba_word& word, std::optional<name_pattern>& pattern) {
    if (!word.text.starts_with('/')) {
        return std::nullopt;
    }
    auto made = name_pattern::make(std::string_view(word.text).substr(1));
    if (!made) {
        return made.error().message;
    }
    pattern.emplace(*std::move(made));
    return std::nullopt;
}

/// The text with what the group found in the place of the mark.
std::string put_group(std::string_view text, std::string_view found) {
    const std::size_t at = text.find(group_mark);
    return fmt::format("{}{}{}", text.substr(0, at), found, text.substr(at + group_mark.size()));
}

}  // namespace

result<ident_map> ident_map::parse(std::string_view text, const std::string& file_name) {
    const auto lines = detail::split_hba(text, file_name);
    if (!lines) {
        return lines.error();
    }
    ident_map made;
    for (const detail::hba_line& read : *lines) {
        const auto refuse = [&](std::string_view reason) {
            return detail::hba_failure(file_name, read.number, reason);
        };
        const bool words = std::all_of(read.fields.begin(), read.fields.end(), [](const auto& f) {
            return f.size() == 1;
        });
        if (read.fields.size() != 3 || !words) {
            return refuse("a line is a map, a system name and a database user: three words");
        }
        const detail::hba_word& name = read.fields[1].front();
        const detail::hba_word& user = read.fields[2].front();
        line next;
        next.map = read.fields[0].front().text;
        next.name = name.text;
        next.user = user.text;
        next.any_user = user.is("all");
        if (const why problem = read_pattern(name, next.name_fits)) {
            return refuse(*problem);
        }
        if (const why problem = read_pattern(user, next.user_fits)) {
            return refuse(*problem);
        }
        if (!user.quoted && user.text.starts_with('+')) {
            return refuse(fmt::format(
                "\"{}\" is not supported, as members of a role are known to PostgreSQL only",
                user.text
            ));
        }
        if (next.name_fits && !next.name_fits->has_group() &&
            next.user.find(group_mark) != next.user.npos) {
            return refuse(fmt::format("\"{}\" has no parentheses for \\1 to stand for", name.text));
        }
        made.lines_.push_back(std::move(next));
    }
    return made;
}

bool ident_map::fits(const line& at, std::string_view name, std::string_view user) {
    std::string expected = at.user;
    if (!at.name_fits) {
        if (at.name != name) {
            return false;
        }
    } else if (expected.find(group_mark) != expected.npos) {
        const auto found = at.name_fits->first_group(name);
        if (!found) {
            return false;
        }
        expected = put_group(expected, *found);
    } else if (!at.name_fits->fits(name)) {
        return false;
    }
    return at.any_user || (at.user_fits ? at.user_fits->fits(user) : expected == user);
}

bool ident_map::allows(std::string_view map, std::string_view name, std::string_view user) const {
    return std::any_of(lines_.begin(), lines_.end(), [&](const line& at) {
        return at.map == map && fits(at, name, user);
    });
}

bool is_allowed(
    const ident_map* maps, std::string_view map, std::string_view name, std::string_view user
) {
    if (name.empty()) {
        return false;
    }
    return map.empty() ? name == user : maps != nullptr && maps->allows(map, name, user);
}

}  // namespace pgweir::auth
