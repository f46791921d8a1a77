#include "session/followed_settings.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace pgweir::session {

namespace {

/// Settings by name that a client may have at once.
constexpr std::size_t extras_limit = 64;

class settings_editor {
public:
    settings_editor(
        const pool::parameter_store& store,
        const pool::parameter_set& base,
        const pool::parameter_set& defaults,
        const pool::parameter_set& reported
    )
        : store_(store),
          defaults_(defaults),
          reported_(reported),
          values_(base.values()),
          extras_(base.extras()) {}

    void set(const sql::setting& to) {
        const auto index = store_.index_of(to.name);
        if (!index) {
            set_extra(to);
        } else if (!reported_.values()[*index]) {
            values_[*index] = to.value ? to.value : defaults_.values()[*index];
        }
    }

    /// PostgreSQL's RESET ALL leaves the role as it is.
    void reset_all() {
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

    void discard_all() {
        for (std::size_t i = 0; i < values_.size(); i++) {
            if (!reported_.values()[i]) {
                values_[i] = defaults_.values()[i];
            }
        }
        extras_ = defaults_.extras();
    }

    bool can_be_followed() const {
        const auto encoding = store_.index_of("client_encoding");
        const bool utf8 = values_[*encoding].value_or("UTF8") == "UTF8";
        return extras_.size() <= extras_limit &&
               (utf8 || std::all_of(extras_.begin(), extras_.end(), [](const auto& one) {
                    return is_ascii(one.second);
                }));
    }

    pool::parameter_values& values() noexcept { return values_; }

    pool::extra_values& extras() noexcept { return extras_; }

private:
    void set_extra(const sql::setting& to) {
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

    static bool is_ascii(const std::string& value) {
        return std::all_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x80; });
    }

    const pool::parameter_store& store_;
    const pool::parameter_set& defaults_;
    const pool::parameter_set& reported_;
    pool::parameter_values values_;
    pool::extra_values extras_;
};

}  // namespace

pool::parameter_set_ptr apply_settings(
    pool::parameter_store& store,
    const std::vector<effect>& steps,
    const pool::parameter_set& base,
    const pool::parameter_set& defaults,
    const pool::parameter_set& reported
) {
    settings_editor editor(store, base, defaults, reported);
    for (const effect& step : steps) {
        if (step.what == effect::kind::set) {
            editor.set(step.to);
        } else if (step.what == effect::kind::reset_all) {
            editor.reset_all();
        } else if (step.what == effect::kind::discard_all) {
            editor.discard_all();
        }
    }
    return editor.can_be_followed()
               ? store.intern(std::move(editor.values()), std::move(editor.extras()))
               : nullptr;
}

}  // namespace pgweir::session
