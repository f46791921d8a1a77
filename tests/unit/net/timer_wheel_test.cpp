#include "net/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace pgweir::net {
namespace {

constexpr steady_time start{seconds(1'000)};
constexpr auto slot = timer_wheel::slot_length;
constexpr auto turn = slot * timer_wheel::slots;

class entry final : public deadline {
public:
    void on_deadline(steady_time now) override {
        EXPECT_EQ(at(), never) << "cleared before it is told";
        fired.push_back(now);
        if (then) {
            then(now);
        }
    }

    std::vector<steady_time> fired;
    std::function<void(steady_time)> then;

    using deadline::leave_wheel;
};

class TimerWheelTest : public testing::Test {
protected:
    /// Lets the time pass as a loop would: advances when the wheel said, up to `until`.
    void run(steady_time until) {
        while (const auto next = wheel.next()) {
            if (*next > until) {
                break;
            }
            wheel.advance(*next);
            advances++;
        }
        wheel.advance(until);
    }

    timer_wheel wheel{start};
    int advances = 0;
};

TEST_F(TimerWheelTest, EmptyWheelWaitsForNothing) {
    EXPECT_EQ(wheel.next(), std::nullopt);
    wheel.advance(start + turn * 3);
    EXPECT_EQ(wheel.next(), std::nullopt);
}

TEST_F(TimerWheelTest, FiresNeverEarlyAndAtMostASlotLate) {
    for (const auto delay :
         {microseconds(0),
          microseconds(1),
          microseconds(slot) - microseconds(1),
          microseconds(slot),
          microseconds(slot) + microseconds(1),
          microseconds(turn) - microseconds(1),
          microseconds(turn),
          microseconds(turn * 5) + microseconds(7)}) {
        timer_wheel fresh(start);
        entry e;
        fresh.set(e, start + delay);
        EXPECT_EQ(e.at(), start + delay);
        while (e.fired.empty()) {
            ASSERT_TRUE(fresh.next());
            fresh.advance(*fresh.next());
        }
        EXPECT_GE(e.fired[0], start + delay);
        EXPECT_LE(e.fired[0], start + delay + slot) << delay.count();
        EXPECT_EQ(e.at(), deadline::never);
        fresh.advance(start + turn * 20);
        EXPECT_EQ(e.fired.size(), 1U);
    }
}

TEST_F(TimerWheelTest, DeadlineInThePastFiresInTheNextSlot) {
    entry e;
    wheel.set(e, start - seconds(5));
    run(start + slot);
    EXPECT_EQ(e.fired.size(), 1U);
}

TEST_F(TimerWheelTest, DeadlineMovedAwayFiresAtTheLaterTimeOnly) {
    entry e;
    EXPECT_TRUE(wheel.set(e, start + slot * 2));
    EXPECT_FALSE(wheel.set(e, start + slot * 50)) << "no earlier wake-up is needed";
    run(start + slot * 49);
    EXPECT_TRUE(e.fired.empty());
    run(start + slot * 51);
    EXPECT_EQ(e.fired.size(), 1U);
}

TEST_F(TimerWheelTest, MovingAwayThousandsOfTimesIsSeenByTheWheelOnce) {
    entry e;
    for (int i = 1; i <= 10'000; i++) {
        wheel.set(e, start + slot * 100 + microseconds(i));
    }
    run(start + slot * 300);
    EXPECT_EQ(e.fired.size(), 1U);
    EXPECT_LE(advances, 2);
}

TEST_F(TimerWheelTest, DeadlineMovedNearerFiresThen) {
    entry e;
    wheel.set(e, start + seconds(600));
    EXPECT_TRUE(wheel.set(e, start + slot * 3));
    run(start + slot * 4);
    ASSERT_EQ(e.fired.size(), 1U);
    run(start + seconds(700));
    EXPECT_EQ(e.fired.size(), 1U);
}

TEST_F(TimerWheelTest, SetTellsWhetherToWakeUpEarlier) {
    entry a;
    entry b;
    entry c;
    EXPECT_TRUE(wheel.set(a, start + slot * 10));
    EXPECT_FALSE(wheel.set(b, start + slot * 20));
    EXPECT_TRUE(wheel.set(c, start + slot * 5));
    EXPECT_EQ(wheel.next(), start + slot * 5);
}

TEST_F(TimerWheelTest, ClearedDeadlineDoesNotFireAndCanBeSetAgain) {
    entry e;
    wheel.set(e, start + slot * 5);
    e.clear();
    EXPECT_EQ(e.at(), deadline::never);
    run(start + slot * 10);
    EXPECT_TRUE(e.fired.empty());
    wheel.set(e, start + slot * 20);
    run(start + slot * 21);
    EXPECT_EQ(e.fired.size(), 1U);
}

TEST_F(TimerWheelTest, NeverIsNoDeadline) {
    entry e;
    EXPECT_FALSE(wheel.set(e, deadline::never));
    EXPECT_EQ(wheel.next(), std::nullopt);
    wheel.set(e, start + slot);
    wheel.set(e, deadline::never);
    run(start + slot * 5);
    EXPECT_TRUE(e.fired.empty());
}

TEST_F(TimerWheelTest, DestroyedEntryHasLeft) {
    {
        entry e;
        wheel.set(e, start + slot);
    }
    EXPECT_EQ(wheel.next(), std::nullopt);
    run(start + slot * 2);
}

TEST_F(TimerWheelTest, EntryThatLeftTheWheelMayGoToAnother) {
    entry e;
    timer_wheel other(start);
    wheel.set(e, start + slot);
    e.leave_wheel();
    EXPECT_EQ(wheel.next(), std::nullopt);
    other.set(e, start + slot * 2);
    run(start + slot * 5);
    EXPECT_TRUE(e.fired.empty());
    other.advance(start + slot * 2);
    EXPECT_EQ(e.fired.size(), 1U);
}

TEST_F(TimerWheelTest, NextIsTheFirstSlotThatAnEntryIsLeftIn) {
    std::mt19937 random(11);
    std::vector<std::unique_ptr<entry>> entries(20);
    steady_time now = start;
    for (int step = 0; step < 20'000; step++) {
        auto& e = entries[random() % entries.size()];
        if (e) {
            e.reset();
        } else {
            e = std::make_unique<entry>();
            wheel.set(*e, now + slot * (1 + random() % (timer_wheel::slots - 2)));
        }
        std::optional<steady_time> first;
        for (const auto& left : entries) {
            if (left && left->at() != deadline::never && (!first || left->at() < *first)) {
                first = left->at();
            }
        }
        ASSERT_EQ(wheel.next(), first);
        now += slot * (random() % 8 == 0 ? random() % 100 : 0);
        wheel.advance(now);
    }
}

TEST_F(TimerWheelTest, LongSleepFiresAllThatIsDueAndNothingElse) {
    std::vector<std::unique_ptr<entry>> due;
    std::vector<std::unique_ptr<entry>> later;
    const steady_time now = start + turn * 10 + microseconds(3);
    for (int i = 0; i < 3'000; i++) {
        due.push_back(std::make_unique<entry>());
        wheel.set(*due.back(), start + slot * i * 3);
        later.push_back(std::make_unique<entry>());
        wheel.set(*later.back(), now + microseconds(1) + slot * i);
    }
    wheel.advance(now);
    for (const auto& e : due) {
        EXPECT_EQ(e->fired.size(), 1U);
    }
    for (const auto& e : later) {
        EXPECT_TRUE(e->fired.empty());
    }
    run(now + slot * 3'002);
    for (const auto& e : later) {
        EXPECT_EQ(e->fired.size(), 1U);
    }
}

TEST_F(TimerWheelTest, EntrySetsItselfAgainInsideOfItsCall) {
    entry e;
    e.then = [&](steady_time now) {
        if (e.fired.size() < 5) {
            wheel.set(e, now + slot * 3);
        }
    };
    wheel.set(e, start + slot);
    run(start + slot * 100);
    ASSERT_EQ(e.fired.size(), 5U);
    for (std::size_t i = 1; i < 5; i++) {
        EXPECT_GE(e.fired[i] - e.fired[i - 1], slot * 3);
    }
}

TEST_F(TimerWheelTest, EntrySetToThePastInsideOfItsCallDoesNotFireForEver) {
    entry e;
    e.then = [&](steady_time now) { wheel.set(e, now); };
    wheel.set(e, start + slot);
    wheel.advance(start + slot * 4);
    EXPECT_LE(e.fired.size(), 4U) << "once for each slot at the most";
    e.then = nullptr;
}

TEST_F(TimerWheelTest, EntryEndsItselfAndOthersInsideOfItsCall) {
    auto ends_itself = std::make_unique<entry>();
    auto neighbour = std::make_unique<entry>();
    entry third;
    ends_itself->then = [&](steady_time) {
        neighbour.reset();
        ends_itself.reset();
    };
    wheel.set(*ends_itself, start + slot);
    wheel.set(*neighbour, start + slot);
    wheel.set(third, start + slot);
    wheel.advance(start + slot);
    EXPECT_EQ(ends_itself, nullptr);
    EXPECT_EQ(third.fired.size(), 1U);
}

TEST_F(TimerWheelTest, RandomDeadlinesKeepTheirTime) {
    std::mt19937 random(7);
    std::vector<std::unique_ptr<entry>> entries;
    std::vector<steady_time> expected(100, deadline::never);
    for (int i = 0; i < 100; i++) {
        entries.push_back(std::make_unique<entry>());
    }
    steady_time now = start;
    for (int step = 0; step < 20'000; step++) {
        const std::size_t i = random() % 100;
        if (random() % 8 == 0) {
            entries[i]->clear();
            expected[i] = deadline::never;
        } else {
            expected[i] = now + microseconds(random() % 30'000'000);
            wheel.set(*entries[i], expected[i]);
        }
        now += microseconds(random() % 20'000);
        wheel.advance(now);
        for (std::size_t k = 0; k < 100; k++) {
            if (!entries[k]->fired.empty()) {
                ASSERT_LE(expected[k], now) << "early";
                expected[k] = deadline::never;
                entries[k]->fired.clear();
            }
            ASSERT_TRUE(expected[k] == deadline::never || expected[k] + slot > now) << "late";
        }
    }
}

}  // namespace
}  // namespace pgweir::net
