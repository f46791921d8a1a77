#pragma once

// Results of PBKDF2, kept: thousands of iterations for each log-in would cost more than all else a
// pooler does. Both caches hold one entry a user, drop the entry that was used the longest ago when
// they are full, and are thread-safe: one of each serves all workers. The lock is never held while
// PBKDF2 runs, so two workers may compute the same entry once each. An entry is used only for the
// very password that it was made of.

#include "auth/scram.hpp"
#include "base/secret.hpp"

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace pgweir::auth {

namespace detail {

/// Entries by user, the latest used first. Not thread-safe.
template <typename Entry>
class user_cache {
public:
    explicit user_cache(std::size_t limit) : limit_(limit) {}

    /// Valid until the next call of `put`.
    const Entry* find(const std::string& user) {
        auto found = by_user_.find(user);
        if (found == by_user_.end()) {
            return nullptr;
        }
        entries_.splice(entries_.begin(), entries_, found->second);
        return &found->second->second;
    }

    void put(const std::string& user, Entry entry) {
        auto found = by_user_.find(user);
        if (found != by_user_.end()) {
            found->second->second = std::move(entry);
            return;
        }
        if (limit_ == 0) {
            return;
        }
        if (entries_.size() == limit_) {
            by_user_.erase(entries_.back().first);
            entries_.pop_back();
        }
        entries_.emplace_front(user, std::move(entry));
        by_user_.emplace(user, entries_.begin());
    }

    std::size_t size() const noexcept { return entries_.size(); }

private:
    using entries = std::list<std::pair<std::string, Entry>>;
    std::size_t limit_;
    entries entries_;
    std::unordered_map<std::string, typename entries::iterator> by_user_;
};

}  // namespace detail

/// For log-ins at servers: the keys of (user, password, the server's salt and iterations).
class scram_client_cache {
public:
    explicit scram_client_cache(std::size_t limit = 10'000) : cache_(limit) {}

    scram_keys keys(
        const std::string& user, const secret& password, std::string_view salt, int iterations
    );

    /// The same if they are kept already, at next to no cost.
    std::optional<scram_keys> find(
        const std::string& user, const secret& password, std::string_view salt, int iterations
    );

    std::size_t size() const;

private:
    struct entry {
        secret password;
        std::string salt;
        int iterations = 0;
        scram_keys keys;
    };

    mutable std::mutex mutex_;
    detail::user_cache<entry> cache_;  // under mutex_
};

/// For clients: secrets of users whose password is stored as plain text, and of users that do not
/// exist. Both show the salt that belongs to the user's name and the process's key, so that they
/// cannot be told apart.
class scram_verifier_cache {
public:
    explicit scram_verifier_cache(
        std::string process_key = random_bytes(32), std::size_t limit = 10'000
    )
        : process_key_(std::move(process_key)), cache_(limit), mocks_(limit) {}

    /// The secret of a plain password.
    scram_secret verifier(const std::string& user, const secret& password, int iterations);

    /// The same if it is kept already, at next to no cost.
    std::optional<scram_secret> find(
        const std::string& user, const secret& password, int iterations
    );

    /// The secret of a user that does not exist. Costs next to nothing and is not kept.
    scram_secret mock(std::string_view user, int iterations) const;

    /// The same, with the work that a plain password's takes, once a name, as long as it is kept.
    scram_secret slow_mock(const std::string& user, int iterations);

    /// Whether that work has been done.
    bool knows_mock(const std::string& user);

    std::size_t size() const;

private:
    struct entry {
        secret password;
        scram_secret verifier;
    };

    struct nothing {};

    const std::string process_key_;
    mutable std::mutex mutex_;
    detail::user_cache<entry> cache_;    // under mutex_
    detail::user_cache<nothing> mocks_;  // under mutex_; apart, so that strangers push nobody out
};

}  // namespace pgweir::auth
