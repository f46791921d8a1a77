#pragma once

// What is known of the servers behind a routed database at one moment: who is primary, how far each
// standby is, and who may be read from. Made by topology/, read by sessions and pools. Immutable: a
// new view replaces it, and whoever holds the old one keeps it as long as it likes.

#include "base/clock.hpp"
#include "base/wal_position.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::router {

enum class host_role : std::uint8_t { unknown, primary, standby };

enum class host_state : std::uint8_t {
    unknown,      ///< nobody has asked it yet
    serving,      ///< takes what its role allows
    late,         ///< a standby that is too far behind, or of which nobody knows how far
    unreachable,  ///< does not answer, or does not let us in
    foreign,      ///< of another cluster, by its system identifier
    outdated,     ///< on a timeline that the primary has left
    fenced,       ///< calls itself primary, and another one is
};

std::string_view name_of(host_role role) noexcept;
std::string_view name_of(host_state state) noexcept;

/// What somebody waits for in a view that is to come.
enum class awaited : std::uint8_t {
    fresh_standby,    ///< one that has replayed what has been written
    showing_primary,  ///< the primary shows what standbys have shown
};

/// "name:port", by which a host is known in the process.
std::string key_of(std::string_view name, int port);

struct host_view {
    std::string name;     ///< as configured
    int port = 5432;      ///< as configured
    std::string address;  ///< where it answered: a number, or a directory of sockets
    int weight = 1;       ///< its part of the reads, against the others'
    host_role role = host_role::unknown;
    host_state state = host_state::unknown;
    std::string why;  ///< of the state, in words; empty if it serves

    std::uint64_t system_identifier = 0;

    /// Another number after each loss of its probe's connection and each restart: what was known of
    /// its position counts no more.
    std::uint64_t incarnation = 0;

    /// The end of what it has: inserted on a primary, replayed on a standby.
    wal_position position{};
    std::uint64_t received = 0;  ///< on a standby: the end of what it has received

    std::optional<std::uint64_t> lag_bytes;  ///< of a standby; none: nobody knows
    std::optional<microseconds> lag_time;

    /// When the answer was asked for that all of this comes from. A server connection that is
    /// younger may lead to another incarnation, and carries no reads.
    steady_time asked_at{};

    /// A standby has replayed all that the primary had inserted at this time.
    steady_time fresh_as_of{};

    /// All that a standby had shown at this time, the primary shows, too.
    steady_time shown_by_primary{};

    /// True if it may be read from as far as lag goes; whether it is fresh enough is the session's
    /// question.
    bool may_be_read() const noexcept {
        return state == host_state::serving && role != host_role::unknown;
    }
};

struct cluster_view {
    std::vector<host_view> hosts;  ///< in the order of the configuration

    /// Index of the one that takes writes; none: nobody knows one now.
    std::optional<std::size_t> primary;

    /// Counts the changes of primary, also to and from none and across its restarts: what was
    /// opened to a primary under an earlier term is closed.
    std::uint64_t term = 0;

    /// When the primary's position was last asked for, and what it was: whoever wrote before that
    /// finds it there. `flushed`: what can have reached a standby.
    steady_time sampled_at{};
    wal_position inserted{};
    std::uint64_t flushed = 0;
};

using cluster_view_ptr = std::shared_ptr<const cluster_view>;

}  // namespace pgweir::router
