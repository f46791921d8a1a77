#pragma once

// Checks that write rows or fill the pool, for `check --exercise`. Rows go to a schema of their own
// in the application's database, which is dropped afterwards. Each returns nothing when what was
// expected happened, else what happened instead. Blocking, seconds long; one thread.

#include "cluster/secrets.hpp"
#include "cluster/settings.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace pgweir::cluster {

/// So many rows are inserted on the primary, so many of them updated; all of it must be seen on
/// each standby.
struct row_exercise {
    std::uint32_t rows = 1;
    std::uint32_t updates = 0;
};

std::optional<std::string> exercise_rows(
    const cluster_settings& cluster, const cluster_secrets& secrets, const row_exercise& what
);

/// Twice as many clients as the pool has servers, at least 50, all at work: all are answered, by no
/// more servers than that.
std::optional<std::string> exercise_pool(
    const cluster_settings& cluster, const cluster_secrets& secrets
);

/// The pool is full: more servers come after the reserve's timeout, not before, and no more than
/// the reserve.
std::optional<std::string> exercise_reserve(
    const cluster_settings& cluster, const cluster_secrets& secrets
);

}  // namespace pgweir::cluster
