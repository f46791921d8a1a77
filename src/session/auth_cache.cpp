#include "session/auth_cache.hpp"

namespace pgweir::session {

/// No name holds a zero byte.
std::string auth_cache::key_of(const auth_query_request& what) {
    std::string key = what.user;
    for (const std::string* part : {&what.database, &what.auth_user, &what.query}) {
        key.append(1, '\0').append(*part);
    }
    return key;
}

std::optional<looked_up> auth_cache::find(const auth_query_request& what, steady_time now) {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key_of(what));
    if (found == by_key_.end()) {
        return std::nullopt;
    }
    if (found->second->until <= now) {
        erase(found->second);
        return std::nullopt;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->answer;
}

void auth_cache::put(
    const auth_query_request& what, const looked_up& answer, steady_time until, std::size_t limit
) {
    const std::string key = key_of(what);
    const std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
        erase(found->second);
    }
    while (!entries_.empty() && entries_.size() >= limit) {
        erase(std::prev(entries_.end()));
    }
    if (limit > 0) {
        entries_.push_front({what, answer, until});
        by_key_.emplace(key, entries_.begin());
    }
}

void auth_cache::drop(const auth_query_request& what) {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find(key_of(what)); found != by_key_.end()) {
        erase(found->second);
    }
}

void auth_cache::clear() {
    const std::lock_guard lock(mutex_);
    by_key_.clear();
    entries_.clear();
}

std::size_t auth_cache::size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
}

void auth_cache::erase(entries::iterator which) {
    by_key_.erase(key_of(which->what));
    entries_.erase(which);
}

}  // namespace pgweir::session
