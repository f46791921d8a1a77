#include "topology/probe.hpp"

#include "topology/prober.hpp"

#include <gtest/gtest.h>

namespace pgweir::topology {
namespace {

const std::optional<std::string> null;

TEST(ReadAnswerTest, PrimaryTellsWhatItHasWritten) {
    const auto said = read_answer(
        {"f", "1/16", "1/10", "0000001F", null, null, null, null, null, null, null, null}
    );
    ASSERT_TRUE(said);
    EXPECT_FALSE(said->in_recovery);
    EXPECT_EQ(said->inserted, 0x100000016U);
    EXPECT_EQ(said->flushed, 0x100000010U);
    EXPECT_EQ(said->timeline, 0x1fU) << "names of segments are hexadecimal";
    EXPECT_FALSE(said->replayed);
    EXPECT_EQ(said->receiver, receiver_state::absent);
}

TEST(ReadAnswerTest, StandbyTellsWhatItHasReplayedAndReceives) {
    const auto said = read_answer(
        {"t", null, null, null, "0/30", "0/40", "1500000", "4711", "streaming", "31", null, null}
    );
    ASSERT_TRUE(said);
    EXPECT_TRUE(said->in_recovery);
    EXPECT_EQ(said->replayed, 0x30U);
    EXPECT_EQ(said->received, 0x40U);
    EXPECT_EQ(said->timeline, 31U);
    EXPECT_EQ(said->commit_age, milliseconds(1500));
    EXPECT_EQ(said->receiver, receiver_state::streaming);
    EXPECT_FALSE(said->inserted);
}

TEST(ReadAnswerTest, BothTellWhatTheyShow) {
    const auto primary = read_answer(
        {"f", "1/16", "1/10", "0000001F", null, null, null, null, null, null, "7:20:7,9", null}
    );
    ASSERT_TRUE(primary && primary->snapshot);
    EXPECT_EQ(primary->snapshot->end, 20U);
    EXPECT_EQ(primary->snapshot->running, (std::vector<transaction_number>{7, 9}));
    const auto standby = read_answer(
        {"t", null, null, null, "0/30", "0/40", "0", "1", "streaming", "1", "9:19:", "9,7"}
    );
    ASSERT_TRUE(standby && standby->snapshot);
    EXPECT_EQ(standby->snapshot->end, 19U);
    EXPECT_EQ(standby->unseen, (std::vector<transaction_number>{9, 7}));
}

TEST(ReadAnswerTest, SnapshotThatIsNoneIsUnknown) {
    for (const char* text : {"", "7", "7:20", "7:x:", "7:20:9,,10", "7:20:-1", ":::"}) {
        EXPECT_FALSE(read_snapshot(text)) << text;
    }
    EXPECT_TRUE(read_snapshot("7:20:"));
}

TEST(ReadAnswerTest, WhatARoleMayNotSeeIsUnknown) {
    const auto said =
        read_answer({"t", null, null, null, "0/30", "0/40", null, "4711", null, null, null, null});
    ASSERT_TRUE(said);
    EXPECT_EQ(said->timeline, 0U);
    EXPECT_EQ(said->receiver, receiver_state::hidden);
    EXPECT_FALSE(said->commit_age);
}

TEST(ReadAnswerTest, StandbyThatHasReceivedNothingDoesNotSayZero) {
    const auto said =
        read_answer({"t", null, null, null, null, null, null, null, null, null, null, null});
    ASSERT_TRUE(said);
    EXPECT_FALSE(said->replayed);
    EXPECT_FALSE(said->received);
    EXPECT_EQ(said->timeline, 0U);
}

TEST(ReadAnswerTest, ReceiverThatWaitsDoesNotStream) {
    const auto said =
        read_answer({"t", null, null, null, "0/30", "0/40", "0", "1", "waiting", "1", null, null});
    ASSERT_TRUE(said);
    EXPECT_EQ(said->receiver, receiver_state::other);
}

TEST(ReadAnswerTest, OtherRowsAreNoAnswer) {
    EXPECT_FALSE(read_answer({}));
    EXPECT_FALSE(read_answer({"t"}));
    EXPECT_FALSE(
        read_answer({null, null, null, null, null, null, null, null, null, null, null, null})
    );
    EXPECT_FALSE(
        read_answer({"yes", null, null, null, null, null, null, null, null, null, null, null})
    );
}

TEST(ProberTest, ServerHasASecondOrThreeIntervalsToAnswer) {
    EXPECT_EQ(answer_limit(milliseconds(100)), seconds(1));
    EXPECT_EQ(answer_limit(seconds(2)), seconds(6));
}

TEST(ProberTest, AttemptsFollowAtOnceAndThenMoreSeldom) {
    const microseconds interval = milliseconds(100);
    EXPECT_EQ(pause_after(1, interval), milliseconds(20));
    EXPECT_EQ(pause_after(2, interval), milliseconds(100));
    for (int failures = 1; failures < 100; failures++) {
        EXPECT_LE(pause_after(failures, interval), pause_after(failures + 1, interval));
    }
    EXPECT_EQ(pause_after(100, interval), milliseconds(500));
    EXPECT_EQ(pause_after(100, seconds(10)), seconds(10)) << "never more often than it is asked";
}

}  // namespace
}  // namespace pgweir::topology
