#pragma once

// What auth_query has found, kept for `auth_query_cache_time`, so that a storm of log-ins does not
// become one of queries. Only users with a password are kept: a new user gets in at once, and
// strangers push nobody out. A log-in that fails drops its user, so that a changed password works
// at the second try. Bounded; the one that was used the longest ago goes first. Thread-safe.

#include "base/clock.hpp"
#include "session/auth_query.hpp"

#include <atomic>
#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace pgweir::session {

class auth_cache {
public:
    std::optional<looked_up> find(const auth_query_request& what, steady_time now);

    /// Keeps an answer of kind `found`, until then.
    void put(
        const auth_query_request& what,
        const looked_up& answer,
        steady_time until,
        std::size_t limit
    );

    /// The kind of secret that was found last: what a user that is not found seems to have.
    auth::secret_kind usual_kind() const noexcept { return usual_kind_; }

    void found_kind(auth::secret_kind kind) noexcept { usual_kind_ = kind; }

    void drop(const auth_query_request& what);

    /// The configuration is another now.
    void clear();

    std::size_t size() const;

private:
    struct entry {
        auth_query_request what;
        looked_up answer;
        steady_time until;
    };

    using entries = std::list<entry>;

    static std::string key_of(const auth_query_request& what);
    void erase(entries::iterator which);

    std::atomic<auth::secret_kind> usual_kind_{auth::secret_kind::scram};
    mutable std::mutex mutex_;
    entries entries_;                                            // the latest used first
    std::unordered_map<std::string, entries::iterator> by_key_;  // under mutex_, as the list
};

}  // namespace pgweir::session
