#pragma once

// The settings by name, for the console: SHOW CONFIG and SET. Pure; any thread.

#include "base/result.hpp"
#include "config/settings.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::config {

/// One row of SHOW CONFIG. Values are printed as PgBouncer does: times in seconds, enumerations as
/// words, lists with commas. A secret is never printed.
struct config_row {
    std::string key;
    std::string value;
    std::string default_value;
    bool changeable = false;  // false: only a restart changes it
};

/// All keys, in PgBouncer's order.
std::vector<config_row> show_config(const settings& global);

/// A copy of the settings with one key changed. Fails for an unknown key or a bad value; a key that
/// only a restart can change is left as it is, as PgBouncer does.
result<settings> with_setting(settings global, std::string_view key, std::string_view value);

/// The keys that only a restart can change.
std::vector<std::string_view> restart_only_keys();

}  // namespace pgweir::config
