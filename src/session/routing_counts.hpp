#pragma once

// What routing has done on one worker: written by it only, read by the console.

#include "pool/pool_stats.hpp"
#include "router/judge.hpp"

#include <array>

namespace pgweir::session {

/// Why a read that was sent to a standby was sent again.
enum class repair_reason : std::uint8_t {
    refused,   ///< 25006 and its like: the verdict was wrong, and is learnt
    conflict,  ///< cancelled by recovery
    lost,      ///< the standby went away
    other,     ///< another error that may not come on the primary
};

inline constexpr std::size_t repair_reasons = 4;
std::string_view name_of(repair_reason why) noexcept;

struct routing_counts {
    /// What went to the primary, by why it did.
    std::array<pool::counter, router::reasons> to_primary;
    pool::counter reads_on_standby;
    pool::counter reads_on_primary;  // it takes its part
    pool::counter fixed;             // by a hint, a setting, a port
    pool::counter answered;          // here: BEGIN, and what is ours
    pool::counter not_fresh;         // reads that no standby was fresh enough for in time
    pool::counter waited;            // reads that waited for one, and got it
    pool::counter not_shown;         // what the primary did not show in time
    std::array<pool::counter, repair_reasons> repaired;
};

}  // namespace pgweir::session
