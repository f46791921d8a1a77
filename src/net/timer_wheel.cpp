#include "net/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace pgweir::net {

std::int64_t timer_wheel::tick_of(steady_time at) const noexcept {
    // Rounded up: an entry is never served before its deadline.
    const auto since = at - start_;
    return (since + slot_length - std::chrono::nanoseconds(1)) / slot_length;
}

void timer_wheel::link(deadline& entry) noexcept {
    const std::int64_t horizon = now_tick_ + std::int64_t(slots) - 1;
    entry.tick_ = std::clamp(tick_of(entry.at_), now_tick_ + 1, horizon);
    entry.hook_.unlink();
    const std::size_t slot = std::size_t(entry.tick_) % slots;
    wheel_[slot].push_back(entry);
    used_[slot / word_bits] |= bit_of(slot);
}

bool timer_wheel::set(deadline& entry, steady_time at) noexcept {
    entry.at_ = at;
    if (at == deadline::never) {
        return false;
    }
    // Linked earlier than needed is right too: it is put back when the wheel comes by.
    if (entry.hook_.is_linked() && entry.tick_ <= tick_of(at)) {
        return false;
    }
    const auto before = next();
    link(entry);
    return !before || time_of(entry.tick_) < *before;
}

void timer_wheel::advance(steady_time now) {
    const std::int64_t target = (now - start_) / slot_length;
    // After a long sleep one turn of the wheel passes every entry.
    now_tick_ = std::max(now_tick_, target - std::int64_t(slots));
    while (now_tick_ < target) {
        now_tick_++;
        slot_list due;
        due.swap(wheel_[std::size_t(now_tick_) % slots]);
        while (!due.empty()) {
            deadline& entry = due.front();
            due.pop_front();
            if (entry.at_ <= now) {
                entry.at_ = deadline::never;
                entry.on_deadline(now);
            } else if (entry.at_ != deadline::never) {
                link(entry);
            }
        }
    }
}

std::optional<steady_time> timer_wheel::next() const noexcept {
    for (std::size_t ahead = 1; ahead < slots;) {
        const std::size_t slot = (std::size_t(now_tick_) + ahead) % slots;
        const word rest = used_[slot / word_bits] >> slot % word_bits;
        if (rest == 0) {
            ahead += word_bits - slot % word_bits;
            continue;
        }
        const auto skipped = std::size_t(std::countr_zero(rest));
        ahead += skipped;
        if (ahead >= slots) {
            break;
        }
        if (!wheel_[slot + skipped].empty()) {
            return time_of(now_tick_ + std::int64_t(ahead));
        }
        used_[slot / word_bits] &= ~bit_of(slot + skipped);
    }
    return std::nullopt;
}

}  // namespace pgweir::net
