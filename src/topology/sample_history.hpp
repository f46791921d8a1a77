#pragma once

// Where the primary's log ended at which time: from this and from how far a standby has replayed
// follows what the standby shows. The samples of one incarnation of one primary, bounded in number:
// older ones are thinned out, which makes a standby seem older than it is, never newer. Pure.

#include "base/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pgweir::topology {

/// What a standby must have replayed to have all that is before `inserted`. The position of the
/// next record lies behind the header of its page, though there may be nothing in the page yet, and
/// so nothing to send: 0/D000028 is reached with 0/D000000.
/// PostgreSQL's source: XLogBytePosToRecPtr, XLogPageHeaderData.
std::uint64_t end_of_records(
    std::uint64_t inserted, std::uint64_t page_size, std::uint64_t segment_size
) noexcept;

class sample_history {
public:
    /// The log ended at `end`, or before it, when this was asked for. Times do not run backwards;
    /// if positions do, what was before is forgotten.
    void add(steady_time asked_at, std::uint64_t end);

    /// When the newest sample was asked for that is reached with this position; steady_time{} if
    /// none is.
    steady_time reached(std::uint64_t replayed) const noexcept;

    void clear() noexcept { samples_.clear(); }

    std::size_t size() const noexcept { return samples_.size(); }

    static constexpr std::size_t most_samples = 4096;

private:
    struct sample {
        steady_time asked_at;
        std::uint64_t end;
    };

    std::vector<sample> samples_;  // both members rise, `end` from one to the next
};

}  // namespace pgweir::topology
