#pragma once

// The table of the keys of [pgbouncer]: parsing, SHOW CONFIG, SET, what needs a restart and what is
// not carried out yet all come from it. To build a key is to change its last word to `built`. Pure.

#include "config/access.hpp"
#include "config/settings.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::config {

enum class change : std::uint8_t { reload, restart };

enum class support : std::uint8_t {
    built,
    moot,       ///< says how PgBouncer works inside, or on Windows: nothing comes of it
    not_built,  ///< known; a warning when it is set to something else than the default
};

struct key {
    std::string_view name;
    access<settings> value;
    change when;
    support state;
};

/// All keys in the order of SHOW CONFIG.
std::span<const key> keys() noexcept;

/// nullptr if there is no such key.
const key* find_key(std::string_view name) noexcept;

/// Whether the value that a file gave to a key deserves the warning that nothing comes of it.
bool is_ignored(const key& of, const settings& set);

/// "unknown <what> "naem", did you mean "name"?" from the nearest known name, else with all of
/// them if they are few, else without a proposal.
std::string unknown_name(
    std::string_view what, std::string_view name, const std::vector<std::string_view>& known
);

}  // namespace pgweir::config
