#pragma once

// The values of [databases], [users] and [peers]: "key=value key = 'quoted value'". A value ends at
// a blank, or stands in single quotes where '' is one quote. Stricter than PgBouncer where
// PgBouncer would silently swallow a character or a tab. Pure.

#include "base/result.hpp"

#include <functional>
#include <string_view>

namespace pgweir::config {

/// Calls `take` for each pair in order until it fails. Views are valid during the call. Messages
/// never hold a value, for it may be a password.
result<void> parse_connection_string(
    std::string_view text,
    const std::function<result<void>(std::string_view key, std::string_view value)>& take
);

}  // namespace pgweir::config
