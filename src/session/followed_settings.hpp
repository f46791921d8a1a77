#pragma once

// From what a client was seen to set to the set of parameters that follows it to its next server.
// Pure but for the store, which is thread-safe.

#include "pool/parameters.hpp"
#include "session/session_effects.hpp"

#include <vector>

namespace pgweir::session {

/// `base` after these steps. What is reset gets its value from `defaults`. Parameters that the
/// server reports (they have a value in `reported`) are left alone: it says itself what they are.
/// nullptr if it cannot be followed: too many settings, or a value in an encoding that is not
/// UTF-8.
pool::parameter_set_ptr apply_settings(
    pool::parameter_store& store,
    const std::vector<effect>& steps,
    const pool::parameter_set& base,
    const pool::parameter_set& defaults,
    const pool::parameter_set& reported
);

}  // namespace pgweir::session
