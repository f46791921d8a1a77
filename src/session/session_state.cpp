#include "session/session_state.hpp"

#include "sql/gate.hpp"

#include <algorithm>
#include <utility>

namespace pgweir::session {

namespace {

/// Steps of one transaction, and names, that are remembered.
constexpr std::size_t pending_limit = 1000;
constexpr std::size_t names_limit = 1000;

bool is_end(std::string_view tag) noexcept {
    return tag == "COMMIT" || tag == "PREPARE TRANSACTION";
}

}  // namespace

// Requests.

void session_state::sent(std::uint64_t number, effects_ptr effects) {
    expected_.push_back({number, std::move(effects), 0});
}

bool session_state::named(std::string_view statement, effects_ptr effects) {
    const auto found = statements_.find(statement);
    if (found != statements_.end()) {
        if (effects) {
            found->second = std::move(effects);
        } else {
            statements_.erase(found);
        }
    } else if (effects) {
        if (statements_.size() >= names_limit) {
            return false;
        }
        statements_.emplace(statement, std::move(effects));
    }
    return true;
}

void session_state::bound(std::string_view portal, std::string_view statement) {
    const auto found = statements_.find(statement);
    const auto here = portals_.find(portal);
    if (found == statements_.end()) {
        if (here != portals_.end()) {
            portals_.erase(here);
        }
    } else if (here != portals_.end()) {
        here->second = found->second;
    } else if (portals_.size() < names_limit) {
        portals_.emplace(portal, found->second);
    }
}

effects_ptr session_state::of_portal(std::string_view portal) const {
    const auto found = portals_.find(portal);
    return found == portals_.end() ? nullptr : found->second;
}

void session_state::drop_before(std::uint64_t number) {
    while (!expected_.empty() && expected_.front().number < number) {
        expected_.pop_front();
    }
}

// Replies.

std::optional<leak> session_state::on_tag(std::string_view tag, std::uint64_t number) {
    drop_before(number);
    if (expected_.empty() || expected_.front().number != number) {
        return unexpected(tag);
    }
    expected& request = expected_.front();
    if (request.next == request.effects->size()) {
        return unexpected(tag);
    }
    return confirm((*request.effects)[request.next++], tag);
}

std::optional<leak> session_state::confirm(const statement_effects& done, std::string_view tag) {
    const bool ends = is_end(done.tag);
    if (ends && tag == "ROLLBACK") {  // of a transaction that has failed
        pending_.clear();
        return std::nullopt;
    }
    if (!done.tag.empty() && tag != done.tag) {
        return leak::unread;
    }
    std::optional<leak> found;
    for (const effect& step : done.effects) {
        if (const auto more = push(step)) {
            found = more;
        }
    }
    return found;
}

/// Of a request whose text is not known, or is of no interest.
std::optional<leak> session_state::unexpected(std::string_view tag) {
    if (is_end(tag)) {
        commit();
    } else if (tag == "ROLLBACK") {
        rolled_back_ = true;
    } else if (tag == "SAVEPOINT") {
        effect step;
        step.what = effect::kind::savepoint;
        return push(step);
    } else if (tag == "RELEASE") {
        release({});
    } else if (!sql::tag_leaves_session_alone(tag)) {
        return leak::unread;
    }
    return std::nullopt;
}

std::optional<leak> session_state::push(const effect& step) {
    switch (step.what) {
        case effect::kind::set:
        case effect::kind::reset_all:
        case effect::kind::discard_all:
            break;
        case effect::kind::savepoint:
            if (pending_.empty()) {
                return std::nullopt;
            }
            break;
        case effect::kind::release:
            release(step.to.name);
            return std::nullopt;
        case effect::kind::rollback_to:
            rollback_to(step.to.name);
            return std::nullopt;
        case effect::kind::commit:
            commit();
            return std::nullopt;
        case effect::kind::rollback:
            pending_.clear();
            return std::nullopt;
        case effect::kind::leaves:
            return step.why;
    }
    if (rolled_back_) {
        return leak::unread;
    }
    if (pending_.size() >= pending_limit) {
        return leak::too_many;
    }
    pending_.push_back(step);
    return std::nullopt;
}

void session_state::commit() {
    for (effect& step : pending_) {
        if (step.what != effect::kind::savepoint) {
            committed_.push_back(std::move(step));
        }
    }
    pending_.clear();
}

/// The last savepoint of this name; pending_.size() if there is none.
std::size_t session_state::find(std::string_view savepoint) const noexcept {
    const auto found = std::find_if(pending_.rbegin(), pending_.rend(), [&](const effect& step) {
        return step.what == effect::kind::savepoint && step.to.name == savepoint;
    });
    return found == pending_.rend() ? pending_.size()
                                    : static_cast<std::size_t>(pending_.rend() - found) - 1;
}

/// The savepoint is forgotten, with all behind it; what was set stays. One that is not here takes
/// all with it.
void session_state::release(std::string_view savepoint) {
    const std::size_t found = find(savepoint);
    const auto from =
        pending_.begin() + static_cast<std::ptrdiff_t>(found == pending_.size() ? 0 : found);
    pending_.erase(
        std::remove_if(
            from,
            pending_.end(),
            [](const effect& step) { return step.what == effect::kind::savepoint; }
        ),
        pending_.end()
    );
}

/// The savepoint stays, what is behind it is undone.
void session_state::rollback_to(std::string_view savepoint) {
    const std::size_t found = find(savepoint);
    pending_.resize(found == pending_.size() ? 0 : found + 1);
}

std::optional<leak> session_state::on_ready(
    protocol::transaction_status status, bool failed, std::uint64_t oldest
) {
    drop_before(oldest);
    std::optional<leak> found;
    if (std::exchange(rolled_back_, false)) {
        if (status != protocol::transaction_status::idle && !pending_.empty()) {
            found = leak::unread;  // to where, nobody knows
        }
        pending_.clear();
    }
    if (status == protocol::transaction_status::idle) {
        if (failed) {
            pending_.clear();
        } else {
            commit();
        }
    }
    return found;
}

void session_state::lease_over() {
    expected_.clear();
    pending_.clear();
    rolled_back_ = false;
}

}  // namespace pgweir::session
