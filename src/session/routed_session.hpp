#pragma once

// What routing has to know of one client between its transactions, and where its next requests go:
// to the primary, to a server that is read from, or nowhere because the answer is known here.
//
// - A segment (a Query, or everything up to a Sync) is routed as a whole. A read that stands alone
//   goes where reads go; everything else, and what nobody has judged yet, to the primary.
// - BEGIN is answered here and sent just ahead of the first request of the transaction, for only
//   that one tells where the transaction may go: to a standby if the transaction is READ ONLY by
//   then and the request is a proved read. BEGIN with nothing in it is never sent.
// - The nearest word on the route counts: a hint in the text, the session's own setting, the port
//   that the client came in by, then what is configured for its user and database.
// - What it has done and seen (router/read_choice) says how fresh a standby has to be.
//
// Decides only: bytes and time in, a plan and an answer out. On the thread of its client.

#include "config/settings.hpp"
#include "router/read_choice.hpp"
#include "session/carried_client.hpp"
#include "session/route_words.hpp"
#include "session/segment.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::session {

/// What holds for the client now, from the configuration.
struct routing_terms {
    config::routing where = config::routing::off;
    config::read_consistency consistency = config::read_consistency::session;
    bool keeps_server = false;     ///< the first transaction's server is that of all (session mode)
    bool defer_begin = false;      ///< and the pool's mode allows it
    bool read_by_default = false;  ///< default_transaction_read_only

    // What is known of the primary.
    steady_time sampled_at = steady_time::min();
    wal_position inserted{};
};

class routed_session {
public:
    enum class step : std::uint8_t {
        wait,      ///< the segment has not come whole
        answered,  ///< the answer is in `out`
        refused,   ///< the same, and it is an error
        sample,    ///< SHOW pgweir.last_write: a fresh position of the primary is needed first
        primary,   ///< all that is here goes to the primary
        read,      ///< the segment goes to a server that is read from, or else to the primary
        standby,   ///< the transaction goes to a server that is read from, whatever it does
    };

    struct plan {
        step what = step::wait;
        std::size_t length = 0;  ///< of the segment; what is behind it is for the next plan
        router::reason why = router::reason::not_judged;
        bool harmless = false;     ///< all that is here, on a primary, is no write
        bool primary_too = false;  ///< of `standby`: the primary is one of the servers
        bool or_primary = false;   ///< of `standby`: where there is none, the primary
    };

    explicit routed_session(std::optional<config::routing> by_listener) noexcept
        : by_listener_(by_listener) {}

    /// A setting of its own, from the startup packet: RESET returns to it. False if the value is
    /// none.
    bool begin_with(own_parameter what, std::string_view value);

    /// A setting of its own that a server has confirmed, because it came behind other requests.
    bool set(own_parameter what, std::string_view value);
    void reset(own_parameter what);

    /// RESET ALL, DISCARD ALL.
    void reset_all();

    /// Where the bytes at the front go. `limit`: of a segment that is waited for.
    plan next(
        std::string_view bytes,
        std::size_t limit,
        const routing_terms& terms,
        const segment_court& court,
        sql::backslash strings,
        std::string& out
    );

    /// `configured`: for who has asked for nothing.
    config::read_consistency consistency(config::read_consistency configured) const noexcept {
        return own_.consistency.value_or(configured);
    }

    /// What goes with the client to another process, and comes from one. REQUIRES: it has begun
    /// nothing.
    carried_routing carried() const;
    void take(const carried_routing& before);

    // The transaction that the client believes to have begun.

    bool begun() const noexcept { return !deferred_.empty(); }

    /// The texts that begin it, each to be sent as a Query ahead of the first request.
    const std::vector<std::string>& deferred() const noexcept { return deferred_; }

    /// They have been sent.
    void sent_begin() noexcept { deferred_.clear(); }

    /// They have to be sent again, to another server.
    void resume_begin(std::vector<std::string> texts) noexcept { deferred_ = std::move(texts); }

    /// True if what runs now cannot write whatever it says.
    bool read_only() const noexcept { return modes_.read_only.value_or(false); }

    router::read_marks marks;

private:
    void read_after(wal_position where);
    config::routing route(const routing_terms& terms, const segment& s) const noexcept;
    bool control(
        const segment& s,
        std::string_view bytes,
        const routing_terms& terms,
        sql::backslash strings,
        std::string& out
    );
    std::optional<step> own(
        const segment& s,
        std::string_view bytes,
        const routing_terms& terms,
        sql::backslash strings,
        std::string& out
    );
    void answer(
        std::string_view bytes,
        std::string_view tag,
        std::string& out,
        std::string_view column = {},
        std::string_view value = {}
    ) const;
    bool goes_to_standby(const segment& s) const noexcept;
    std::string shown(own_parameter what, const routing_terms& terms) const;

    const std::optional<config::routing> by_listener_;
    own_settings own_;
    own_settings at_login_;
    std::vector<std::string> deferred_;
    transaction_modes modes_;
};

}  // namespace pgweir::session
