#pragma once

// What to think of the servers of one cluster: takes what they answer, or that they do not, and
// makes the view that sessions route by. Decides who is primary, which standbys may be read from
// and how fresh they are. Pure: time and answers are values, lines for the log are returned.
//
//   - A server belongs to the cluster by its system identifier. Which one is the cluster's: the one
//     remembered, else that of most servers once all have been asked; if all servers answer and
//     agree on another one, the cluster was made anew, and it is that one.
//   - The highest timeline wins, also over a primary that is alone: what calls itself primary on a
//     lower one is fenced. It is remembered across losses and restarts, and given up only when all
//     servers answer and agree on a lower one.
//   - Of two primaries of one timeline the one in use stays, and the other is fenced until it is
//     something else. If none was in use, neither gets writes.
//   - A primary is lost when its connection is broken and cannot be made again, or when it does not
//     answer in time. Until the new connection is made or refused, it stays.
//   - What is known of a position ends with the connection that it was known from.

#include "base/clock.hpp"
#include "base/log.hpp"
#include "router/cluster_view.hpp"
#include "topology/answer.hpp"
#include "topology/sample_history.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::topology {

/// A server as configured.
struct host_settings {
    std::string name;
    int port = 5432;
    int weight = 1;

    friend bool operator==(const host_settings&, const host_settings&) = default;
};

/// Of standbys that are read from; 0: no limit.
struct lag_limits {
    std::int64_t bytes = 0;
    microseconds time{0};
};

/// What outlives the process; 0: unknown.
struct memory {
    std::uint64_t system_identifier = 0;
    std::uint32_t timeline = 0;  ///< the highest of this system

    friend bool operator==(const memory&, const memory&) = default;
};

/// A line for the log.
struct note {
    log::level level;
    std::string text;
};

class cluster_state {
public:
    /// `user`: as whom servers are asked, for messages. Terms are counted from `first_term` on.
    cluster_state(
        const std::vector<host_settings>& hosts,
        const lag_limits& limits,
        const memory& remembered,
        std::string user,
        std::uint64_t first_term = 0
    );

    void set_limits(const lag_limits& limits) { limits_ = limits; }

    /// What another one knew of the servers that both have: who is primary, who is fenced, and what
    /// they last said. REQUIRES: nothing was taken yet.
    void succeed(const cluster_state& before, steady_time now);

    /// How many servers both have.
    std::size_t shared_with(const cluster_state& other) const noexcept;

    /// A server has answered or not. REQUIRES: times do not run backwards.
    void take(std::size_t host, const report& what, steady_time now);

    /// As of the last report.
    const router::cluster_view& view() const noexcept { return view_; }

    /// What ran on the primary when it was last asked.
    const std::vector<transaction_number>& running() const noexcept {
        return primary_shows_.running;
    }

    const memory& remembered() const noexcept { return memory_; }

    /// What the operator should know since it was last asked.
    std::vector<note> take_notes();

    /// At start, who has not been heard of for so long since somebody else was is not waited for: a
    /// name may take much longer to be resolved.
    static constexpr seconds longest_first_round{3};

    /// "a:5432".
    std::string name_of(std::size_t index) const;

private:
    enum class contact : std::uint8_t {
        never,   ///< not asked yet
        up,      ///< its last answer counts
        broken,  ///< was up, and is being connected anew
        down,
    };

    /// A server's process: another one after each restart.
    struct process {
        std::uint64_t system_identifier = 0;
        std::int64_t started_at = 0;

        friend bool operator==(const process&, const process&) = default;
    };

    struct host {
        host_settings settings;
        contact reached = contact::never;
        answer said;          // the last one; counts while it is up
        std::string trouble;  // why it is not up

        // Of this incarnation.
        std::uint32_t timeline = 0;     // 0: unknown
        std::uint64_t received_to = 0;  // all up to here is of that timeline
        steady_time fresh_as_of{};
        commit_visibility shown;

        /// The timeline on which it has called itself primary while another one was in use; 0:
        /// it has not.
        std::uint32_t rival_on = 0;

        steady_time late_noted_at{};
    };

    /// Who is primary, and since when.
    struct reign {
        std::size_t host;
        process who;
        std::uint32_t timeline;

        friend bool operator==(const reign&, const reign&) = default;
    };

    std::optional<std::size_t> find(const host_settings& server) const noexcept;
    std::optional<reign> translated(const std::optional<reign>& of, const cluster_state& from)
        const;
    void learn(host& of, const answer& said);
    void end_first_round(steady_time now);
    void adopt_system();
    void adopt_timeline();
    void choose_primary();
    std::optional<std::size_t> pick_primary();
    void begin_reign(std::optional<reign> next);
    void sample_primary();
    void compare_commits(const host& from);
    void judge(std::size_t index, steady_time now);
    void judge_primary(const host& of, std::size_t index, router::host_view& out) const;
    void judge_standby(host& of, router::host_view& out) const;
    void measure(host& of, router::host_view& out) const;
    std::string unknown_lag(const host& of) const;
    void tell(std::size_t index, router::host_state before, steady_time now);

    bool everybody(contact is) const noexcept;
    bool is_ours(const host& of) const noexcept;
    bool calls_itself_primary(const host& of) const noexcept;
    static process process_of(const host& of) noexcept;

    lag_limits limits_;
    memory memory_;
    std::string user_;
    std::vector<host> hosts_;
    std::optional<reign> reign_;
    std::optional<reign> last_reign_;  // the one before there was none
    steady_time first_heard_at_{};
    bool everybody_asked_ = false;  // each once, or for long enough
    bool torn_ = false;             // there are several who could be primary
    sample_history samples_;
    std::uint64_t sampled_incarnation_ = 0;
    commit_snapshot primary_shows_;
    router::cluster_view view_;
    std::vector<note> notes_;
};

}  // namespace pgweir::topology
