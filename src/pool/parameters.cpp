#include "pool/parameters.hpp"

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

parameter_set_ptr parameter_store::intern(parameter_values values) {
    const std::lock_guard lock(mutex_);
    if (interned_.size() >= prune_at_) {
        std::erase_if(interned_, [](const auto& entry) { return entry.second.expired(); });
        prune_at_ = std::max<std::size_t>(1024, interned_.size() * 2);
    }
    auto& entry = interned_[values];
    parameter_set_ptr found = entry.lock();
    if (!found) {
        found = std::make_shared<const parameter_set>(std::move(values));
        entry = found;
    }
    return found;
}

parameter_set_ptr parameter_store::with(
    const parameter_set_ptr& base, std::size_t index, std::string_view value
) {
    if (base->values()[index] == value) {
        return base;
    }
    parameter_values values = base->values();
    values[index] = value;
    return intern(std::move(values));
}

std::string parameter_store::change(const parameter_set& from, const parameter_set& to) const {
    std::string sql;
    for (std::size_t i = 0; i < names_.size(); i++) {
        const auto& wanted = to.values()[i];
        if (from.values()[i] == wanted) {
            continue;
        }
        if (!wanted) {
            fmt::format_to(std::back_inserter(sql), "RESET {};", names_[i]);
        } else if (names_[i] == "search_path") {
            // Reported as the list it is, which SET would take for a single name.
            fmt::format_to(
                std::back_inserter(sql),
                "SELECT pg_catalog.set_config('search_path',{},false);",
                quoted(*wanted)
            );
        } else {
            fmt::format_to(std::back_inserter(sql), "SET {}={};", names_[i], quoted(*wanted));
        }
    }
    return sql;
}

}  // namespace pgweir::pool
