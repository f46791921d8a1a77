#pragma once

// Since when the primary shows what a standby has shown. A commit goes to the standbys when it is
// flushed, and is visible on the primary only after that: with synchronous replication, when
// standbys have confirmed it. So a standby may show what its primary does not show yet.
//
// Standby and primary are asked for the ends of their snapshots, and the standby also how far those
// transactions are that were running on the primary. The primary shows all that the standby shows
// if its snapshot ends no earlier, and if of what runs there nothing has been committed on the
// standby. That compares contents, so it does not matter which of the two was asked first. Of one
// standby. Pure.

#include "base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace pgweir::topology {

/// Transactions by their numbers, each with its epoch, so that they do not come around.
/// PostgreSQL manual, section 9.27, "Transaction ID and Snapshot Information Functions".
using transaction_number = std::uint64_t;

/// What a server's snapshot shows: all transactions before `end` but those that run.
struct commit_snapshot {
    transaction_number end = 0;

    /// Of a primary; a standby does not tell.
    std::vector<transaction_number> running;
};

/// Reads "10:20:10,14". Nothing if it is no such text.
std::optional<commit_snapshot> read_snapshot(std::string_view text);

/// Reads "10,14".
std::optional<std::vector<transaction_number>> read_transactions(std::string_view text);

class commit_visibility {
public:
    /// The standby was asked at this time. Its snapshot ended there, and these transactions, of
    /// those that it was asked about, it does not show.
    void take(steady_time asked_at, transaction_number end, std::vector<transaction_number> unseen);

    /// What the primary shows, whenever it was asked.
    void compare(const commit_snapshot& primary);

    /// All that the standby had shown at this time, the primary shows; steady_time{}: unknown.
    steady_time shown_at() const noexcept { return shown_at_; }

private:
    bool covers(const commit_snapshot& primary) const;

    struct question {
        steady_time asked_at;
        transaction_number end;
    };

    std::optional<question> open_;            // until the primary shows it
    std::optional<question> newer_;           // the last one that came meanwhile
    std::vector<transaction_number> unseen_;  // sorted; as of the last answer
    steady_time shown_at_{};
};

}  // namespace pgweir::topology
