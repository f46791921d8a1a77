#pragma once

// Timeouts of thousands of connections at the cost of none: an entry is a hook inside of its owner,
// and moving a deadline further away is a store. No entry is ever searched for and nothing scans
// all of them.
//
// A wheel of slots, each `slot_length` long. An entry lies in the slot of its deadline, or earlier:
// when the wheel comes by and the deadline is not reached, the entry is put where it belongs now.
// So a deadline that moves away (each query moves it) touches no list, and one that comes nearer is
// linked anew.
//
// Told the time, never asks for it. An entry fires at its deadline or at most one slot later, never
// before. Not thread-safe: one wheel for each loop.

#include "base/clock.hpp"

#include <boost/intrusive/list.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace pgweir::net {

class timer_wheel;

/// A deadline of somebody's. Unlinks itself when destroyed.
class deadline {
public:
    static constexpr steady_time never = steady_time::max();

    /// When it will fire; `never` if it will not.
    steady_time at() const noexcept { return at_; }

    /// Stops it. Costs nothing.
    void clear() noexcept { at_ = never; }

protected:
    deadline() = default;
    virtual ~deadline() = default;

    /// Leaves the wheel, so that the owner can go to another thread.
    void leave_wheel() noexcept {
        at_ = never;
        hook_.unlink();
    }

    deadline(const deadline&) = delete;
    deadline& operator=(const deadline&) = delete;

    /// Called by the wheel, with the deadline cleared: it may be set again, and the owner may end
    /// itself.
    virtual void on_deadline(steady_time now) = 0;

private:
    friend class timer_wheel;

    using hook_type = boost::intrusive::list_member_hook<
        boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

    hook_type hook_;
    steady_time at_ = never;
    std::int64_t tick_ = 0;  // where it is linked
};

class timer_wheel {
public:
    static constexpr milliseconds slot_length{10};
    static constexpr std::size_t slots = 1024;

    explicit timer_wheel(steady_time start) noexcept : start_(start) {}

    timer_wheel(const timer_wheel&) = delete;
    timer_wheel& operator=(const timer_wheel&) = delete;

    /// Sets or moves a deadline. True if the wheel must now be advanced earlier than `next()` said
    /// before.
    bool set(deadline& entry, steady_time at) noexcept;

    /// Fires what is due.
    void advance(steady_time now);

    /// When to advance next; nothing if no entry is linked.
    std::optional<steady_time> next() const noexcept;

private:
    using slot_list = boost::intrusive::list<
        deadline,
        boost::intrusive::member_hook<deadline, deadline::hook_type, &deadline::hook_>,
        boost::intrusive::constant_time_size<false>>;

    std::int64_t tick_of(steady_time at) const noexcept;

    steady_time time_of(std::int64_t tick) const noexcept { return start_ + tick * slot_length; }

    void link(deadline& entry) noexcept;

    using word = std::uint64_t;
    static constexpr std::size_t word_bits = 64;
    static_assert(slots % word_bits == 0);

    static constexpr word bit_of(std::size_t slot) noexcept { return word{1} << slot % word_bits; }

    steady_time start_;
    std::int64_t now_tick_ = 0;  // slots up to here have been served
    std::array<slot_list, slots> wheel_;

    /// A bit for each slot that an entry was put into since it was last seen empty: entries leave
    /// without a word.
    mutable std::array<word, slots / word_bits> used_{};
};

}  // namespace pgweir::net
