#pragma once

// A search_path as its value is written, and the schemas in which it has a name looked up.
// PostgreSQL's manual: "The Schema Search Path". Pure.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::router {

/// The schemas in the order of looking: pg_catalog is the first unless it is named, "$user" is the
/// role's, and pg_temp is left out, for it is another one in each session. None if it is no list of
/// names, or needs a role that is not known.
std::optional<std::vector<std::string>> read_search_path(
    std::string_view value, std::string_view role
);

}  // namespace pgweir::router
