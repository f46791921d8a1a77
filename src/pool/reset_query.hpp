#pragma once

// What a request of the pooler's that makes a session fresh leaves of its settings. Pure.
// PostgreSQL's manual: "RESET", "DISCARD".

#include "pool/parameters.hpp"

#include <string_view>

namespace pgweir::pool {

/// The settings of a session after `query`, which was run as it is written, on one that had
/// `before`. What the query sets itself is the server's default from then on: nobody asked for
/// another. Parameters of `reported` are told by the server and stay as they are here.
parameter_set_ptr settings_after(
    std::string_view query,
    parameter_store& store,
    const parameter_set& before,
    const parameter_set& reported
);

}  // namespace pgweir::pool
