#pragma once

// Whom to ask next while somebody waits.
//
// - For a standby that has what has been written: first the primary, where its log ends, then the
//   standbys, until they have come so far. While new wishes keep coming, both go on side by side:
//   the standbys are asked for the newest sample that there is.
// - For the primary to show what standbys have shown: it and those standbys, until it does.
//
// Pure.

#include "base/clock.hpp"
#include "router/cluster_view.hpp"

#include <cstddef>
#include <vector>

namespace pgweir::topology {

class pursuit {
public:
    explicit pursuit(router::awaited what) : what_(what) {}

    /// Somebody waits for what was written, or seen, before `asked`, for as long as this.
    void want(steady_time asked, microseconds patience) noexcept;

    /// The hosts to be asked as soon as may be.
    std::vector<std::size_t> next(const router::cluster_view& view, steady_time now) const;

private:
    const router::awaited what_;
    steady_time first_{};   // since when somebody has been waiting without a break
    steady_time newest_{};  // the last who has come
    steady_time until_{};
};

}  // namespace pgweir::topology
