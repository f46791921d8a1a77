#pragma once

// Follows what one client's SQL sets in its session, from the requests that ask for it to the
// replies that confirm it: an error changes nothing, ROLLBACK and ROLLBACK TO undo, COMMIT keeps.
// PostgreSQL's manual: "SET", "ROLLBACK TO SAVEPOINT".
//
// What is confirmed and not committed yet is a list of steps, savepoints among them. A savepoint
// that is not in the list was made before anything was set, so returning to it undoes all of it.
// Requests are known by their numbers in the server's pipeline. Pure; not thread-safe.

#include "protocol/pipeline.hpp"
#include "session/session_effects.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::session {

class session_state {
public:
    // Requests.

    /// A request with effects was sent under this number.
    void sent(std::uint64_t number, effects_ptr effects);

    /// A statement was named; effects may be nullptr. False if there are too many to remember.
    bool named(std::string_view statement, effects_ptr effects);
    void bound(std::string_view portal, std::string_view statement);

    /// What executing the portal does; nullptr if nothing is known of it.
    effects_ptr of_portal(std::string_view portal) const;

    bool knows_names() const noexcept { return !statements_.empty() || !portals_.empty(); }

    // Replies. Each may find that something stays in the session.

    std::optional<leak> on_tag(std::string_view tag, std::uint64_t number);
    std::optional<leak> on_ready(
        protocol::transaction_status status, bool failed, std::uint64_t oldest
    );

    /// Something is under way or not committed yet: tags matter, and so do transactions' steps.
    bool active() const noexcept { return !expected_.empty() || !pending_.empty(); }

    /// What was set for good since this was asked last, in order.
    std::vector<effect> take_committed() { return std::exchange(committed_, {}); }

    /// The server is given back: what is not committed now never will be.
    void lease_over();

private:
    struct expected {
        std::uint64_t number;
        effects_ptr effects;
        std::size_t next;  // statement
    };

    std::optional<leak> confirm(const statement_effects& done, std::string_view tag);
    std::optional<leak> unexpected(std::string_view tag);
    std::optional<leak> push(const effect& step);
    void commit();
    void release(std::string_view savepoint);
    void rollback_to(std::string_view savepoint);
    std::size_t find(std::string_view savepoint) const noexcept;
    void drop_before(std::uint64_t number);

    std::deque<expected> expected_;
    std::vector<effect> pending_;  // set, reset_all, discard_all and savepoint
    std::vector<effect> committed_;
    bool rolled_back_ = false;  // by a ROLLBACK of unknown text: to a savepoint, maybe
    std::map<std::string, effects_ptr, std::less<>> statements_;
    std::map<std::string, effects_ptr, std::less<>> portals_;
};

}  // namespace pgweir::session
