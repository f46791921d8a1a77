#include "router/read_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

namespace pgweir::router {
namespace {

steady_time at(int milliseconds_from_start) {
    return steady_time(milliseconds(milliseconds_from_start));
}

host_view standby(steady_time fresh_as_of, std::uint64_t incarnation = 1) {
    host_view made;
    made.role = host_role::standby;
    made.state = host_state::serving;
    made.incarnation = incarnation;
    made.fresh_as_of = fresh_as_of;
    made.position = {3, 1000};
    return made;
}

host_view primary() {
    host_view made;
    made.role = host_role::primary;
    made.state = host_state::serving;
    return made;
}

TEST(IsFreshTest, WhoHasDoneNothingMayReadAnywhere) {
    EXPECT_TRUE(is_fresh(standby({}), {}));
    EXPECT_TRUE(is_fresh(primary(), {}));
}

TEST(IsFreshTest, WriteIsSeenWhereASampleBegunAfterItIsReplayed) {
    read_marks marks;
    marks.written = at(100);
    EXPECT_FALSE(is_fresh(standby(at(99)), marks));
    EXPECT_FALSE(is_fresh(standby(at(100)), marks)) << "asked for at the same moment, or before";
    EXPECT_TRUE(is_fresh(standby(at(101)), marks));
    EXPECT_TRUE(is_fresh(primary(), marks));
}

TEST(IsFreshTest, WhatWasSeenOnAStandbyIsSeenOnAnotherOneThatIsFurther) {
    read_marks marks;
    marks.seen = at(200);
    marks.seen_incarnation = 7;
    EXPECT_FALSE(is_fresh(standby(at(150), 8), marks));
    EXPECT_TRUE(is_fresh(standby(at(201), 8), marks));
}

TEST(IsFreshTest, StandbyThatWasReadFromIsAsFarAsItWas) {
    read_marks marks;
    marks.seen = at(200);
    marks.seen_incarnation = 7;
    EXPECT_TRUE(is_fresh(standby(at(150), 7), marks));
    marks.written = at(180);
    EXPECT_FALSE(is_fresh(standby(at(150), 7), marks)) << "but not as far as what was written";
}

TEST(IsFreshTest, AfterARestartAStandbyIsAnotherOne) {
    read_marks marks;
    marks.seen = at(200);
    marks.seen_incarnation = 7;
    EXPECT_FALSE(is_fresh(standby(at(150), 9), marks));
}

TEST(IsFreshTest, PositionThatWasCarriedHereIsComparedOnItsTimeline) {
    read_marks marks;
    marks.after = {3, 1000};
    EXPECT_TRUE(is_fresh(standby({}), marks));
    marks.after = {3, 1001};
    EXPECT_FALSE(is_fresh(standby({}), marks));
    marks.after = {2, 500};
    EXPECT_FALSE(is_fresh(standby({}), marks)) << "what was on another timeline may not be here";
    EXPECT_TRUE(is_fresh(primary(), marks));
}

cluster_view view_of(std::vector<host_view> hosts, std::size_t primary_at) {
    cluster_view made;
    made.hosts = std::move(hosts);
    made.primary = primary_at;
    return made;
}

TEST(PrimaryShowsTest, WhatWasSeenOnAStandbyIsComparedWithIt) {
    read_marks marks;
    auto view = view_of({primary(), standby({}), standby({}, 8)}, 0);
    view.hosts[1].incarnation = 7;
    EXPECT_TRUE(primary_shows(view, marks)) << "nothing was seen";
    marks.seen = at(200);
    marks.seen_incarnation = 8;
    EXPECT_FALSE(primary_shows(view, marks));
    view.hosts[1].shown_by_primary = at(300);
    EXPECT_FALSE(primary_shows(view, marks)) << "that is another standby";
    view.hosts[2].shown_by_primary = at(199);
    EXPECT_FALSE(primary_shows(view, marks));
    view.hosts[2].shown_by_primary = at(200);
    EXPECT_TRUE(primary_shows(view, marks));
}

TEST(PrimaryShowsTest, WhatThePrimaryHasAnsweredSinceIsTheLast) {
    read_marks marks;
    const auto view = view_of({primary(), standby({}, 8)}, 0);
    marks.seen = at(200);
    marks.seen_incarnation = 8;
    marks.written = at(201);
    EXPECT_TRUE(primary_shows(view, marks));
}

TEST(PrimaryShowsTest, StandbyThatIsGoneOrPromotedIsNotWaitedFor) {
    read_marks marks;
    marks.seen = at(200);
    marks.seen_incarnation = 8;
    EXPECT_TRUE(primary_shows(view_of({primary(), standby({}, 9)}, 0), marks));
    auto view = view_of({primary(), standby({}, 9)}, 0);
    view.hosts[0].incarnation = 8;
    EXPECT_TRUE(primary_shows(view, marks));
}

TEST(ReadableTest, OnlyServingHostsWithAWeightAreRead) {
    auto view = view_of({primary(), standby({}), standby({}), standby({}), standby({})}, 0);
    view.hosts[2].state = host_state::late;
    view.hosts[3].weight = 0;
    view.hosts[4].role = host_role::unknown;
    const candidates with = readable(view, true, true);
    ASSERT_EQ(with.count, 2U);
    EXPECT_EQ(with.index[0], 0);
    EXPECT_EQ(with.index[1], 1);
    EXPECT_EQ(readable(view, true, false).count, 1U);
    EXPECT_EQ(readable(view, false, true).count, 1U);
}

TEST(ReadableTest, SecondPrimaryIsNotRead) {
    auto view = view_of({primary(), primary()}, 0);
    view.hosts[1].state = host_state::fenced;
    EXPECT_EQ(readable(view, true, true).count, 1U);
    view.hosts[1].state = host_state::serving;
    EXPECT_EQ(readable(view, true, true).count, 1U) << "it is not the one of the view";
}

std::array<int, 3> shares(const cluster_view& view, const std::array<int, 3>& load) {
    const candidates all = readable(view, true, true);
    std::array<int, 3> taken{};
    std::uint64_t chance = 1;
    for (int i = 0; i < 60000; i++) {
        chance = chance * 6364136223846793005U + 1442695040888963407U;
        const auto host =
            choose_host(view, all, chance ^ chance >> 29, [&](std::size_t h) { return load[h]; });
        taken[*host]++;
    }
    return taken;
}

TEST(ChooseHostTest, SharesFollowTheWeights) {
    auto view = view_of({primary(), standby({}), standby({})}, 0);
    for (const int taken : shares(view, {0, 0, 0})) {
        EXPECT_NEAR(taken, 20000, 1000);
    }
    view.hosts[2].weight = 2;
    const auto taken = shares(view, {3, 3, 7});  // each is as busy as its weight says
    EXPECT_NEAR(taken[0], 15000, 1000);
    EXPECT_NEAR(taken[1], 15000, 1000);
    EXPECT_NEAR(taken[2], 30000, 1500);
}

TEST(ChooseHostTest, SlowHostIsAvoided) {
    const auto view = view_of({primary(), standby({}), standby({})}, 0);
    const auto taken = shares(view, {0, 0, 10});
    EXPECT_NEAR(taken[2], 60000 / 9, 1000) << "only where chance names it twice";
}

std::uint64_t usual_of(std::uint64_t load) {
    std::uint64_t usual = 0;
    for (int i = 0; i < 200; i++) {
        usual = usual_load(usual, load);
    }
    return usual;
}

TEST(ShouldMoveTest, EquallyBusyHostsKeepTheirSessions) {
    const std::uint64_t usual = usual_of(8);
    EXPECT_FALSE(should_move({11, usual, 1}, {11, usual, 1}));
    EXPECT_FALSE(should_move({11, usual, 1}, {10, usual, 1})) << "they would only change places";
    EXPECT_TRUE(should_move({12, usual, 1}, {10, usual, 1}));
}

TEST(ShouldMoveTest, OneMomentIsNoReason) {
    const std::uint64_t usual = usual_of(4);
    EXPECT_FALSE(should_move({10, usual_load(usual, 20), 1}, {10, usual_load(usual, 0), 1}));
}

TEST(ShouldMoveTest, SlowHostIsLeftAndNotGoneBackTo) {
    const std::uint64_t slow = usual_of(9);
    const std::uint64_t fast = usual_of(2);
    EXPECT_TRUE(should_move({5, slow, 1}, {15, fast, 1}));
    EXPECT_FALSE(should_move({15, fast, 1}, {5, slow, 1}));
}

TEST(ShouldMoveTest, BusyAsItsWeightSays) {
    const std::uint64_t little = usual_of(4);
    const std::uint64_t much = usual_of(12);
    EXPECT_FALSE(should_move({15, much, 3}, {5, little, 1}));
    EXPECT_FALSE(should_move({5, little, 1}, {15, much, 3}));
    EXPECT_TRUE(should_move({10, little, 1}, {10, much, 3}));
}

TEST(ChooseHostTest, NoWeightNoHost) {
    auto view = view_of({primary(), standby({})}, 0);
    candidates all;
    all.add(0);
    all.add(1);
    view.hosts[0].weight = 0;
    view.hosts[1].weight = 0;
    EXPECT_FALSE(choose_host(view, all, 12345, [](std::size_t) { return 0; }));
    EXPECT_FALSE(choose_host(view, candidates{}, 12345, [](std::size_t) { return 0; }));
}

}  // namespace
}  // namespace pgweir::router
