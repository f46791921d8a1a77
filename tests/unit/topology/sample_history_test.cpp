#include "topology/sample_history.hpp"

#include <gtest/gtest.h>

namespace pgweir::topology {
namespace {

constexpr std::uint64_t page = 8192;
constexpr std::uint64_t segment = std::uint64_t{16} << 20;

steady_time at(int second) {
    return steady_time{seconds(second)};
}

TEST(EndOfRecordsTest, HeadersOfEmptyPagesAreLeftOut) {
    EXPECT_EQ(end_of_records(13 * segment + 40, page, segment), 13 * segment);
    EXPECT_EQ(end_of_records(13 * segment + page + 24, page, segment), 13 * segment + page);
}

TEST(EndOfRecordsTest, WhatLooksLikeAHeaderElsewhereStays) {
    EXPECT_EQ(end_of_records(13 * segment + page + 40, page, segment), 13 * segment + page + 40);
    EXPECT_EQ(end_of_records(13 * segment + 48, page, segment), 13 * segment + 48);
    EXPECT_EQ(end_of_records(13 * segment, page, segment), 13 * segment);
    EXPECT_EQ(end_of_records(7 * page + 32, page, segment), 7 * page + 32);
}

TEST(EndOfRecordsTest, UnknownSizesLeaveThePositionAsItIs) {
    EXPECT_EQ(end_of_records(40, 0, 0), 40U);
}

TEST(SampleHistoryTest, NothingIsReachedWithoutSamples) {
    EXPECT_EQ(sample_history().reached(1000), steady_time{});
}

TEST(SampleHistoryTest, NewestSampleReachedCounts) {
    sample_history samples;
    samples.add(at(1), 100);
    samples.add(at(2), 200);
    samples.add(at(3), 300);
    EXPECT_EQ(samples.reached(99), steady_time{});
    EXPECT_EQ(samples.reached(100), at(1));
    EXPECT_EQ(samples.reached(299), at(2));
    EXPECT_EQ(samples.reached(300), at(3));
    EXPECT_EQ(samples.reached(1000), at(3));
}

TEST(SampleHistoryTest, SamplesOfOnePositionAreOne) {
    sample_history samples;
    samples.add(at(1), 100);
    samples.add(at(2), 100);
    EXPECT_EQ(samples.size(), 1U);
    EXPECT_EQ(samples.reached(100), at(2));
}

TEST(SampleHistoryTest, PositionThatGoesBackForgetsWhatWasBefore) {
    sample_history samples;
    samples.add(at(1), 100);
    samples.add(at(2), 200);
    samples.add(at(3), 150);
    EXPECT_EQ(samples.reached(149), steady_time{});
    EXPECT_EQ(samples.reached(250), at(3));
}

TEST(SampleHistoryTest, OldSamplesAreThinnedOutAndNothingSeemsNewerForIt) {
    sample_history samples;
    const int many = 4 * static_cast<int>(sample_history::most_samples);
    for (int i = 1; i <= many; i++) {
        samples.add(at(i), static_cast<std::uint64_t>(i) * 10);
    }
    EXPECT_LE(samples.size(), sample_history::most_samples);
    for (int i = 1; i <= many; i++) {
        EXPECT_LE(samples.reached(static_cast<std::uint64_t>(i) * 10), at(i));
    }
    EXPECT_EQ(samples.reached(static_cast<std::uint64_t>(many) * 10), at(many));
    EXPECT_GT(samples.reached(static_cast<std::uint64_t>(many) * 5), at(1)) << "some are kept";
}

}  // namespace
}  // namespace pgweir::topology
