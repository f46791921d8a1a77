#include "config/show.hpp"

#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace pgweir::config {

std::vector<config_row> show_config(const settings& global) {
    const settings defaults;
    std::vector<config_row> rows;
    rows.reserve(keys().size());
    for (const key& k : keys()) {
        rows.push_back({
            .key = std::string(k.name),
            .value = k.value.show(global),
            .default_value = k.value.show(defaults),
            .changeable = k.when == change::reload,
        });
    }
    return rows;
}

result<settings> with_setting(settings global, std::string_view name, std::string_view value) {
    const key* known = find_key(name);
    if (known == nullptr) {
        std::vector<std::string_view> names;
        std::transform(keys().begin(), keys().end(), std::back_inserter(names), [](const key& k) {
            return k.name;
        });
        return failure{unknown_name("key", name, names)};
    }
    settings changed = global;
    if (const auto parsed = known->value.parse(changed, value); !parsed) {
        return failure{fmt::format("{}: {}", name, parsed.error().message)};
    }
    return known->when == change::reload ? std::move(changed) : std::move(global);
}

std::vector<std::string_view> restart_only_keys() {
    std::vector<std::string_view> names;
    for (const key& k : keys()) {
        if (k.when == change::restart) {
            names.push_back(k.name);
        }
    }
    return names;
}

}  // namespace pgweir::config
