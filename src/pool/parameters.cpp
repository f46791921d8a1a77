#include "pool/parameters.hpp"

#include "sql/setting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>

namespace pgweir::pool {

namespace {

constexpr std::array<std::string_view, 9> reported = {
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "IntervalStyle",
    "scram_iterations",
    "search_path",
    "standard_conforming_strings",
    "TimeZone",
};

/// Takes rights away and gives others, so it is set behind everything else.
constexpr std::string_view role = "role";

bool same_name(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
        return std::tolower(x) == std::tolower(y);
    });
}

/// A literal that is right whatever standard_conforming_strings and client_encoding are: a
/// backslash may be an escape or half of a character, so a value with one is put between dollars,
/// where neither matters.
std::string quoted(const std::string& value) {
    if (value.find('\\') == std::string::npos) {
        std::string out = "'";
        for (char c : value) {
            out.append(c == '\'' ? 2 : 1, c);
        }
        return out + "'";
    }
    std::string tag = "$p$";
    // The end of the value may be a beginning of the tag.
    for (int i = 0; (value + tag).find(tag) != value.size(); i++) {
        tag = fmt::format("$p{}$", i);
    }
    return tag + value + tag;
}

std::string quoted_name(std::string_view name) {
    std::string out = "\"";
    for (char c : name) {
        out.append(c == '"' ? 2 : 1, c);
    }
    return out + '"';
}

/// What is not ASCII must not be read by the encoding that the session happens to have when the
/// text is read, which the same text may change.
bool is_ascii(std::string_view value) {
    return std::all_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x80; });
}

void put_set(std::string& text, const std::string& name, const std::string& value) {
    if (is_ascii(value)) {
        fmt::format_to(std::back_inserter(text), "SET {}={};", quoted_name(name), quoted(value));
        return;
    }
    fmt::format_to(
        std::back_inserter(text),
        "SELECT pg_catalog.set_config({},pg_catalog.convert_from("
        "pg_catalog.decode('{:02x}','hex'),'UTF8'),false);",
        quoted(name),
        fmt::join(
            reinterpret_cast<const unsigned char*>(value.data()),
            reinterpret_cast<const unsigned char*>(value.data() + value.size()),
            ""
        )
    );
}

void put_reset(std::string& text, const std::string& name) {
    fmt::format_to(std::back_inserter(text), "RESET {};", quoted_name(name));
}

/// As set_config(), for the list that it is, which SET would take for a single name.
void put_list(std::string& text, const std::string& name, const std::string& value) {
    fmt::format_to(
        std::back_inserter(text),
        "SELECT pg_catalog.set_config('{}',{},false);",
        name,
        quoted(value)
    );
}

const std::string* find(const extra_values& values, std::string_view name) {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : &found->second;
}

void change_extras(std::string& text, const extra_values& from, const extra_values& to) {
    for (const auto& [name, value] : from) {
        if (name != role && find(to, name) == nullptr) {
            put_reset(text, name);
        }
    }
    for (const auto& [name, value] : to) {
        const std::string* has = find(from, name);
        if (name == role || (has != nullptr && *has == value)) {
            continue;
        }
        if (sql::is_list_of_names(name) && is_ascii(value)) {
            put_list(text, name, value);
        } else {
            put_set(text, name, value);
        }
    }
}

}  // namespace

parameter_store::parameter_store(const std::vector<std::string>& extra_names)
    : names_(reported.begin(), reported.end()) {
    for (const std::string& name : extra_names) {
        if (!index_of(name)) {
            names_.push_back(name);
        }
    }
    empty_ = intern(parameter_values(names_.size()));
}

std::optional<std::size_t> parameter_store::index_of(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < names_.size(); i++) {
        if (same_name(names_[i], name)) {
            return i;
        }
    }
    return std::nullopt;
}

parameter_set_ptr parameter_store::intern(parameter_values values, extra_values extras) {
    parameter_set wanted(std::move(values), std::move(extras));
    const std::lock_guard lock(mutex_);
    if (interned_.size() >= prune_at_) {
        std::erase_if(interned_, [](const auto& entry) { return entry.second.expired(); });
        prune_at_ = std::max<std::size_t>(1024, interned_.size() * 2);
    }
    auto& entry = interned_[wanted];
    parameter_set_ptr found = entry.lock();
    if (!found) {
        found = std::make_shared<const parameter_set>(std::move(wanted));
        entry = found;
    }
    return found;
}

extra_values parameter_store::by_name(const parameter_set& set) const {
    extra_values all = set.extras();
    for (std::size_t at = 0; at < set.values().size(); at++) {
        if (set.values()[at]) {
            all[names_[at]] = *set.values()[at];
        }
    }
    return all;
}

parameter_set_ptr parameter_store::intern_named(const extra_values& all) {
    parameter_values values = empty_->values();
    extra_values extras;
    for (const auto& [name, value] : all) {
        if (const auto at = index_of(name)) {
            values[*at] = value;
        } else {
            extras.emplace(name, value);
        }
    }
    return intern(std::move(values), std::move(extras));
}

parameter_set_ptr parameter_store::with(
    const parameter_set_ptr& base, std::size_t index, std::string_view value
) {
    if (base->values()[index] == value) {
        return base;
    }
    parameter_values values = base->values();
    values[index] = value;
    return intern(std::move(values), base->extras());
}

std::string parameter_store::change(const parameter_set& from, const parameter_set& to) const {
    std::string text;
    const std::string* had_role = find(from.extras(), role);
    const std::string* wants_role = find(to.extras(), role);
    if (had_role != nullptr && from != to) {
        put_reset(text, std::string(role));
    }
    for (std::size_t i = 0; i < names_.size(); i++) {
        const auto& wanted = to.values()[i];
        if (from.values()[i] == wanted) {
            continue;
        }
        if (!wanted) {
            fmt::format_to(std::back_inserter(text), "RESET {};", names_[i]);
        } else if (names_[i] == "search_path") {
            put_list(text, names_[i], *wanted);
        } else {
            fmt::format_to(std::back_inserter(text), "SET {}={};", names_[i], quoted(*wanted));
        }
    }
    change_extras(text, from.extras(), to.extras());
    if (wants_role != nullptr && (!text.empty() || had_role == nullptr)) {
        put_set(text, std::string(role), *wants_role);
    }
    return text;
}

bool parameter_store::must_be_confirmed(const parameter_set& from, const parameter_set& to) {
    return from.extras().contains(role) || to.extras().contains(role);
}

}  // namespace pgweir::pool
