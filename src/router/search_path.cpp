#include "router/search_path.hpp"

#include <algorithm>
#include <iterator>

namespace pgweir::router {

namespace {

constexpr std::string_view blanks = " \t\n\r\f\v";

void skip_blanks(std::string_view& text) noexcept {
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
}

bool take_quoted(std::string_view& text, std::string& out) {
    text.remove_prefix(1);
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c != '"') {
            out += c;
        } else if (!text.empty() && text.front() == '"') {
            out += c;
            text.remove_prefix(1);
        } else {
            return true;
        }
    }
    return false;
}

bool take_bare(std::string_view& text, std::string& out) {
    const std::size_t end = std::min(text.find_first_of(" \t\n\r\f\v,\""), text.size());
    std::transform(
        text.begin(),
        text.begin() + static_cast<std::ptrdiff_t>(end),
        std::back_inserter(out),
        [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }
    );
    text.remove_prefix(end);
    return end > 0;
}

}  // namespace

std::optional<std::vector<std::string>> read_search_path(
    std::string_view value, std::string_view role
) {
    std::vector<std::string> schemas;
    skip_blanks(value);
    while (!value.empty()) {
        std::string name;
        const bool taken = value.front() == '"' ? take_quoted(value, name) : take_bare(value, name);
        if (!taken) {
            return std::nullopt;
        }
        if (name == "$user") {
            if (role.empty()) {
                return std::nullopt;
            }
            name = role;
        }
        if (name != "pg_temp" && !name.empty()) {
            schemas.push_back(std::move(name));
        }
        skip_blanks(value);
        if (value.empty()) {
            break;
        }
        if (value.front() != ',') {
            return std::nullopt;
        }
        value.remove_prefix(1);
        skip_blanks(value);
        if (value.empty()) {
            return std::nullopt;
        }
    }
    if (std::find(schemas.begin(), schemas.end(), "pg_catalog") == schemas.end()) {
        schemas.insert(schemas.begin(), "pg_catalog");
    }
    return schemas;
}

}  // namespace pgweir::router
