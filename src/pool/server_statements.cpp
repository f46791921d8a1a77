#include "pool/server_statements.hpp"

#include "protocol/message.hpp"

#include <functional>
#include <utility>

namespace pgweir::pool {

namespace {

using kind = statement_effect::kind;

/// Answered effects are cut off when there are so many of them.
constexpr std::size_t compact_above = 64;

}  // namespace

std::uint64_t fingerprint_of_rows(std::string_view row_description) noexcept {
    protocol::message_reader reader(row_description);
    std::uint64_t print = std::hash<std::string_view>()("rows");
    const auto mix = [&print](std::uint64_t value) {
        print = (print ^ value) * 0x9e3779b97f4a7c15U;
        print ^= print >> 32;
    };
    for (int left = reader.int16(); left > 0 && reader.ok(); left--) {
        mix(std::hash<std::string_view>()(reader.cstring()));
        reader.bytes(6);  // the column's table, which may be another one with the same columns
        mix(std::hash<std::string_view>()(reader.bytes(10)));  // type, size, modifier
        reader.bytes(2);                                       // format
    }
    return print;
}

/// The youngest request under way that prepares or closes it on the server; null if there is none.
const statement_effect* server_statements::last_change(const statement& s) const noexcept {
    for (std::size_t i = queue_.size(); i > head_; i--) {
        const statement_effect& effect = queue_[i - 1];
        const bool changes = effect.what == kind::prepare || effect.what == kind::close;
        if (effect.statement.get() == &s && effect.of_server() && changes) {
            return &effect;
        }
    }
    return nullptr;
}

server_statements::standing server_statements::standing_of(
    const statement& s, std::uint32_t segment
) const noexcept {
    const statement_effect* change = last_change(s);
    if (change == nullptr) {
        const auto found = by_number_.find(s.number());
        if (found == by_number_.end()) {
            return standing::missing;
        }
        return found->second->outdated ? standing::outdated : standing::prepared;
    }
    if (change->segment != segment) {
        return standing::unsure;
    }
    return change->what == kind::prepare ? standing::prepared : standing::missing;
}

void server_statements::use(const statement& s, std::uint32_t segment, usage how) noexcept {
    const auto found = by_number_.find(s.number());
    if (found != by_number_.end()) {
        found->second->used = segment;
        found->second->unnamed = found->second->unnamed && how == usage::unnamed;
        entries_.splice(entries_.begin(), entries_, found->second);
    }
}

std::optional<std::uint64_t> server_statements::turn_of(const statement& s) const noexcept {
    const auto found = by_number_.find(s.number());
    return found == by_number_.end() ? std::nullopt : std::optional(found->second->turn);
}

void server_statements::confirm(std::uint64_t number, std::uint64_t turn) noexcept {
    const auto found = by_number_.find(number);
    if (found != by_number_.end()) {
        found->second->turn = turn;
    }
}

std::optional<std::uint64_t> server_statements::rows_of(const statement& s) const noexcept {
    const auto found = by_number_.find(s.number());
    return found == by_number_.end() ? std::nullopt : found->second->rows;
}

/// With what the requests under way prepare and close.
std::size_t server_statements::expected_size() const noexcept {
    std::size_t expected = entries_.size();
    for (std::size_t i = head_; i != queue_.size(); i++) {
        if (queue_[i].of_server()) {
            expected += queue_[i].what == kind::prepare ? 1 : 0;
            expected -= queue_[i].what == kind::close ? 1 : 0;
        }
    }
    return expected;
}

statement_ptr server_statements::victim(std::size_t limit, std::size_t more, const statement* keep)
    const {
    if (expected_size() + more <= limit) {
        return nullptr;
    }
    for (auto at = entries_.rbegin(); at != entries_.rend(); ++at) {
        if (at->statement.get() != keep && last_change(*at->statement) == nullptr) {
            return at->statement;
        }
    }
    for (std::size_t i = head_; i != queue_.size(); i++) {
        const statement_effect& effect = queue_[i];
        const bool prepares = effect.what == kind::prepare && effect.of_server();
        if (prepares && effect.statement.get() != keep &&
            last_change(*effect.statement) == &effect) {
            return effect.statement;
        }
    }
    return nullptr;
}

server_statements::room server_statements::room_for_unnamed(std::size_t limit) const {
    const std::size_t expected = expected_size();
    if (expected < limit) {
        return {true};
    }
    if (expected > limit) {
        return {};
    }
    for (auto at = entries_.rbegin(); at != entries_.rend(); ++at) {
        if (at->unnamed && last_change(*at->statement) == nullptr) {
            return {true, at->statement};
        }
    }
    return {};
}

void server_statements::expect(statement_effect effect) {
    describing_ += effect.what == kind::describe ? 1 : 0;
    queue_.push_back(std::move(effect));
}

statement_effect server_statements::take() {
    statement_effect oldest = std::move(queue_[head_]);
    describing_ -= oldest.what == kind::describe ? 1 : 0;
    head_++;
    if (head_ == queue_.size()) {
        queue_.clear();
        head_ = 0;
    } else if (head_ >= compact_above && 2 * head_ >= queue_.size()) {
        queue_.erase(queue_.begin(), queue_.begin() + std::ptrdiff_t(head_));
        head_ = 0;
    }
    return oldest;
}

statement_effect server_statements::done() {
    statement_effect effect = take();
    if (!effect.of_server()) {
        return effect;
    }
    switch (effect.what) {
        case kind::prepare:
            prepared(effect);
            break;
        case kind::close:
            closed(effect.statement->number());
            break;
        case kind::describe: {
            const auto found = by_number_.find(effect.statement->number());
            if (found != by_number_.end()) {
                found->second->rows = last_rows_;
            }
            break;
        }
        case kind::duplicate:
        case kind::refuse:
        case kind::moved:
        case kind::forget:
            break;
    }
    return effect;
}

statement_effect server_statements::dropped() {
    return take();
}

void server_statements::prepared(const statement_effect& by) {
    const auto [at, added] = by_number_.try_emplace(by.statement->number());
    if (added) {
        at->second = entries_.insert(
            entries_.begin(), entry{by.statement, std::nullopt, by.segment, by.turn, by.unnamed}
        );
    }
}

void server_statements::closed(std::uint64_t number) noexcept {
    const auto found = by_number_.find(number);
    if (found != by_number_.end()) {
        entries_.erase(found->second);
        by_number_.erase(found);
    }
}

void server_statements::clear() noexcept {
    entries_.clear();
    by_number_.clear();
}

void server_statements::lost(std::uint64_t number) noexcept {
    closed(number);
    losses_++;
    for (entry& e : entries_) {
        e.outdated = true;
    }
}

bool server_statements::used_since(const statement& s, std::uint32_t segment) const noexcept {
    const auto found = by_number_.find(s.number());
    return found != by_number_.end() &&
           static_cast<std::int32_t>(found->second->used - segment) >= 0;
}

void server_statements::retire_used_since(std::uint32_t segment) noexcept {
    for (const entry& e : entries_) {
        if (static_cast<std::int32_t>(e.used - segment) < 0) {
            return;  // the others were used earlier
        }
        e.statement->retire();
    }
}

}  // namespace pgweir::pool
