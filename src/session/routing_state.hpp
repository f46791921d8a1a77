#pragma once

// What a client of a routed database has beside others: where its transactions go
// (routed_session), the lease that it has or waits for, and what it would take to ask another
// server. Owned by the client, on its thread.

#include "pool/pool_core.hpp"
#include "router/cluster_view.hpp"
#include "session/repair.hpp"
#include "session/routed_session.hpp"
#include "session/session_host.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::session {

class client;

/// What the request at the front last waited for in a view.
enum class view_wait : std::uint8_t {
    nothing,
    sample,           ///< a position of the primary
    fresh_standby,    ///< else the primary is asked
    showing_primary,  ///< else it is asked all the same
    any_standby,      ///< there is no server at all for it
};

struct routing_state final : view_waiter {
    routing_state(client& c, pool::pool& of, std::optional<config::routing> by_listener);

    void on_view() override;

    /// What the meaning of names depends on with these parameters.
    const router::name_scope& scope(const pool::parameter_set_ptr& parameters);

    void use_view(const router::cluster_view_ptr& now);

    /// The pool of a host of the view; the primary's is the pool itself. Under the pools' mutex.
    pool::pool& pool_of_host(pool::pool_core& core, std::size_t at);

    /// True if the host of the lease is what it was when it was chosen.
    bool still_serves(const router::cluster_view& now) const noexcept {
        return host < now.hosts.size() && now.hosts[host].may_be_read() &&
               now.hosts[host].incarnation == incarnation;
    }

    /// The host that the session keeps to for its reads: one that has few of them, and as long as
    /// it is among the candidates and there is no reason to move to another that is fresh, too.
    /// Under the pools' mutex.
    std::optional<std::size_t> kept_host(
        pool::pool_core& core, const router::candidates& from, const router::read_marks& marks
    );

    /// The same host again, without a look at what the others do, as is good enough for most reads.
    /// Nothing if it has to be looked for.
    std::optional<std::size_t> settled_host(
        const router::candidates& from, const router::read_marks& marks
    ) noexcept;

    /// From now on it keeps to this one, or to none.
    void keep_to(pool::pool* reader);

    /// Those whose servers do not fail to be logged in to. Under the pools' mutex.
    router::candidates let_in(
        pool::pool_core& core, const router::candidates& from, steady_time now
    );

    /// By weight and load, for one read. Under the pools' mutex.
    std::optional<std::size_t> any_host(pool::pool_core& core, const router::candidates& from);

    /// No server is leased, or waited for.
    void forget_lease();

    enum class use : std::uint8_t {
        none,
        home,  ///< the primary
        read,  ///< a host that is read from
    };

    /// The request at the front waits no more.
    void forget_waits() noexcept;

    client& owner;
    pool::pool& home;
    routed_session session;
    verdict_memo verdicts;

    // The lease.
    use lease = use::none;
    bool fixed = false;          ///< its route was not found by what is asked
    bool or_primary = false;     ///< so it is, and the primary may be asked instead
    bool one_segment = false;    ///< it is for a single segment
    bool segment_sent = false;   ///< one of it is, whole, and not answered
    bool harmless = false;       ///< what it is for is no write
    bool could_be_read = false;  ///< it is the primary's for what a standby could answer, too
    std::size_t left = 0;        ///< bytes of the segment that wait at the front of what is pending
    std::size_t host = 0;        ///< of `view`
    std::uint64_t incarnation = 0;

    // Sending it again.
    reply_guard guard;
    std::vector<std::string> begin_before;
    bool begins_with_query = false;
    bool primary_next = false;

    // Waiting for a view; of the request at the front, until it is sent or answered.
    view_wait waits_for = view_wait::nothing;
    steady_time wait_until = steady_time::min();   ///< for a standby, or for a sample
    steady_time shown_until = steady_time::min();  ///< for a primary that shows what was seen
    steady_time deadline{};

    router::cluster_view_ptr view;   ///< of the last read
    std::vector<pool::pool*> pools;  ///< of its hosts, as far as they are known

private:
    std::uint64_t next_chance() noexcept;

    std::uint64_t chance_;
    pool::pool* reader_ = nullptr;  ///< whose host the session keeps to
    std::uint8_t settled_reads_ = 0;
    pool::parameter_set_ptr scope_of_;
    router::name_scope scope_;
};

}  // namespace pgweir::session
