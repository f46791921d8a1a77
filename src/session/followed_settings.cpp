#include "session/followed_settings.hpp"

#include "pool/settings_editor.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace pgweir::session {

namespace {

/// Settings by name that a client may have at once.
constexpr std::size_t extras_limit = 64;

bool is_ascii(const std::string& value) {
    return std::all_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x80; });
}

bool can_be_followed(
    const pool::parameter_store& store,
    const pool::parameter_values& values,
    const pool::extra_values& extras
) {
    const auto encoding = store.index_of("client_encoding");
    const bool utf8 = values[*encoding].value_or("UTF8") == "UTF8";
    return extras.size() <= extras_limit &&
           (utf8 || std::all_of(extras.begin(), extras.end(), [](const auto& one) {
                return is_ascii(one.second);
            }));
}

}  // namespace

pool::parameter_set_ptr apply_settings(
    pool::parameter_store& store,
    const std::vector<effect>& steps,
    const pool::parameter_set& base,
    const pool::parameter_set& defaults,
    const pool::parameter_set& reported
) {
    pool::settings_editor editor(store, base, defaults, reported);
    for (const effect& step : steps) {
        if (step.what == effect::kind::set) {
            editor.set(step.to);
        } else if (step.what == effect::kind::reset_all) {
            editor.reset_all();
        } else if (step.what == effect::kind::discard_all) {
            editor.discard_all();
        }
    }
    return can_be_followed(store, editor.values(), editor.extras())
               ? store.intern(std::move(editor.values()), std::move(editor.extras()))
               : nullptr;
}

}  // namespace pgweir::session
