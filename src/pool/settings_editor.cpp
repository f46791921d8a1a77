#include "pool/settings_editor.hpp"

#include <optional>
#include <string>

namespace pgweir::pool {

void settings_editor::set(const sql::setting& to) {
    const auto index = store_.index_of(to.name);
    if (!index) {
        set_extra(to);
    } else if (!reported_.values()[*index]) {
        values_[*index] = to.value ? to.value : defaults_.values()[*index];
    }
}

void settings_editor::reset_all() {
    const auto kept = extras_.find("role");
    const std::optional<std::string> role =
        kept == extras_.end() ? std::nullopt : std::optional(kept->second);
    discard_all();
    if (role) {
        extras_["role"] = *role;
    } else {
        extras_.erase("role");
    }
}

void settings_editor::discard_all() {
    for (std::size_t i = 0; i < values_.size(); i++) {
        if (!reported_.values()[i]) {
            values_[i] = defaults_.values()[i];
        }
    }
    extras_ = defaults_.extras();
}

void settings_editor::set_extra(const sql::setting& to) {
    if (to.value) {
        extras_[to.name] = *to.value;
        return;
    }
    const auto fallback = defaults_.extras().find(to.name);
    if (fallback == defaults_.extras().end()) {
        extras_.erase(to.name);
    } else {
        extras_[to.name] = fallback->second;
    }
}

}  // namespace pgweir::pool
