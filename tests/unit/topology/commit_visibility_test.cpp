#include "topology/commit_visibility.hpp"

#include <gtest/gtest.h>

namespace pgweir::topology {
namespace {

steady_time at(int time) {
    return steady_time(seconds(1000)) + milliseconds(time);
}

TEST(CommitVisibilityTest, NothingIsShownBeforeBothHaveAnswered) {
    commit_visibility shown;
    shown.compare({20, {}});
    EXPECT_EQ(shown.shown_at(), steady_time{});
    shown.take(at(1), 20, {});
    EXPECT_EQ(shown.shown_at(), steady_time{});
    shown.compare({20, {}});
    EXPECT_EQ(shown.shown_at(), at(1));
}

TEST(CommitVisibilityTest, PrimaryWhoseSnapshotEndsEarlierMayNotShowTheLast) {
    commit_visibility shown;
    shown.take(at(1), 20, {});
    shown.compare({19, {}});
    EXPECT_EQ(shown.shown_at(), steady_time{});
    shown.compare({21, {}});
    EXPECT_EQ(shown.shown_at(), at(1));
}

TEST(CommitVisibilityTest, WhatRunsOnThePrimaryMayHaveBeenShown) {
    commit_visibility shown;
    shown.take(at(1), 20, {});
    shown.compare({22, {12, 21}});
    EXPECT_EQ(shown.shown_at(), steady_time{}) << "nobody has asked the standby about 12";
    shown.take(at(2), 21, {12});
    shown.compare({22, {12, 21}});
    EXPECT_EQ(shown.shown_at(), at(2)) << "12 is not shown there; 21 is behind its end";
}

TEST(CommitVisibilityTest, CommitThatThePrimaryKeepsBackIsWaitedFor) {
    commit_visibility shown;
    shown.take(at(1), 20, {11});
    shown.compare({20, {11, 12}});  // 12 waits for a synchronous standby
    shown.take(at(2), 20, {11});
    shown.compare({20, {11, 12}});
    EXPECT_EQ(shown.shown_at(), steady_time{});
    shown.compare({20, {11}});
    EXPECT_EQ(shown.shown_at(), at(2)) << "the last answer counts, too";
}

TEST(CommitVisibilityTest, QuestionStaysOpenWhileNewTransactionsComeAllTheTime) {
    commit_visibility shown;
    shown.take(at(1), 20, {});
    shown.compare({21, {19, 20}});
    shown.take(at(2), 30, {20});  // 19 was committed meanwhile
    shown.compare({31, {29}});
    EXPECT_EQ(shown.shown_at(), at(1)) << "of what was before 20 nothing runs any more";
    shown.take(at(3), 40, {29});
    shown.compare({41, {29, 39}});
    EXPECT_EQ(shown.shown_at(), at(2)) << "39 is behind the end of that answer";
}

}  // namespace
}  // namespace pgweir::topology
