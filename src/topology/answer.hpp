#pragma once

// What a server says of itself when it is asked: what probe.hpp asks for and cluster_state.hpp
// judges by. What the server did not say is unset, and that means unknown, never 0.

#include "base/clock.hpp"
#include "topology/commit_visibility.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::topology {

/// The process on a standby that receives the log.
enum class receiver_state : std::uint8_t {
    absent,     ///< there is none now
    hidden,     ///< there is one, and our role may not see more of it
    streaming,  ///< it receives
    other,      ///< it starts, waits or stops
};

struct answer {
    // The same for as long as a connection lives: it does not outlive the server's process.

    std::string address;            ///< where it answered: a number, or a directory of sockets
    std::uint64_t incarnation = 0;  ///< of the connection: no two have the same
    std::uint64_t system_identifier = 0;
    std::int64_t started_at = 0;  ///< by the server's clock, in microseconds
    std::uint64_t segment_size = 0;
    std::uint64_t page_size = 0;

    // As of `asked_at`, or a little later.

    steady_time asked_at{};
    bool in_recovery = false;

    /// On a primary the one it writes on; on a standby the one that it receives. 0: unknown.
    std::uint32_t timeline = 0;

    std::optional<std::uint64_t> inserted;  ///< on a primary
    std::optional<std::uint64_t> flushed;
    std::optional<std::uint64_t> replayed;  ///< on a standby
    std::optional<std::uint64_t> received;

    /// On a standby: since the last commit that it has replayed, by its own clock. Says nothing
    /// while nobody commits.
    std::optional<microseconds> commit_age;

    receiver_state receiver = receiver_state::absent;

    /// What it shows.
    std::optional<commit_snapshot> snapshot;

    /// On a standby: of the transactions that it was asked about, those that it does not show.
    std::vector<transaction_number> unseen;
};

/// What becomes of an attempt to ask.
struct report {
    enum class kind : std::uint8_t {
        answered,
        broken,  ///< the connection is gone, and a new one is being made at once
        failed,  ///< it cannot be connected, does not let us in or does not answer in time
    };

    kind what = kind::failed;
    answer said;      // if it has answered
    std::string why;  // else
};

}  // namespace pgweir::topology
