#include "cluster/lag.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::cluster {
namespace {

lag_figures behind(std::uint64_t bytes, microseconds time = microseconds(0)) {
    lag_figures figures;
    figures.standby = "east";
    figures.state = "streaming";
    figures.replay_bytes = bytes;
    figures.replay_time = time;
    return figures;
}

constexpr std::uint64_t mb = 1U << 20U;

TEST(LagTest, BytesCountBelowAtAndAboveTheThresholds) {
    const lag_thresholds limits;
    EXPECT_EQ(judge(behind(0), limits), lag_level::ok);
    EXPECT_EQ(judge(behind(10 * mb - 1), limits), lag_level::ok);
    EXPECT_EQ(judge(behind(10 * mb), limits), lag_level::warning);
    EXPECT_EQ(judge(behind(100 * mb - 1), limits), lag_level::warning);
    EXPECT_EQ(judge(behind(100 * mb), limits), lag_level::critical);
}

TEST(LagTest, TimeCountsBelowAtAndAboveTheThresholds) {
    const lag_thresholds limits;
    EXPECT_EQ(judge(behind(0, microseconds(4999999)), limits), lag_level::ok);
    EXPECT_EQ(judge(behind(0, seconds(5)), limits), lag_level::warning);
    EXPECT_EQ(judge(behind(0, seconds(60)), limits), lag_level::critical);
}

TEST(LagTest, AStandbyThatThePrimaryDoesNotSeeIsCritical) {
    lag_figures absent;
    absent.standby = "east";
    EXPECT_EQ(judge(absent, {}), lag_level::critical);
}

TEST(LagTest, WhatIsNotKnownIsNotZero) {
    lag_figures unknown = behind(0);
    unknown.replay_bytes.reset();
    EXPECT_EQ(judge(unknown, {}), lag_level::unknown);
}

TEST(LagTest, TheAgeOfTheLastTransactionCountsOnlyWhileSomethingWaits) {
    lag_figures figures = behind(0);
    figures.since_last_replayed = seconds(1000);
    figures.unreplayed_bytes = 0;
    EXPECT_EQ(judge(figures, {}), lag_level::ok);
    figures.unreplayed_bytes = 1;
    EXPECT_EQ(judge(figures, {}), lag_level::critical);
    figures.replay_time = seconds(2000);
    EXPECT_EQ(lag_time(figures), seconds(2000));
}

TEST(LagTest, TheWorstStandbyDecides) {
    lag_figures unknown = behind(0);
    unknown.replay_bytes.reset();
    EXPECT_EQ(judge({behind(0), behind(10 * mb)}, {}), lag_level::warning);
    EXPECT_EQ(judge({behind(10 * mb), unknown}, {}), lag_level::unknown);
    EXPECT_EQ(judge({unknown, behind(100 * mb)}, {}), lag_level::critical);
    EXPECT_EQ(judge(std::vector<lag_figures>{}, {}), lag_level::unknown);
}

TEST(LagTest, ALineHasVerdictAndPerformanceData) {
    const auto line = lag_line({behind(10 * mb, milliseconds(12))}, {});
    EXPECT_EQ(line.rfind("LAG WARNING - east 10.0 MB, 12 ms behind |", 0), 0U) << line;
    EXPECT_NE(line.find("east_replay=10485760B;10485760;104857600"), line.npos) << line;
    EXPECT_NE(line.find("east_replay_time=0.012000s;5.000;60.000"), line.npos) << line;
    EXPECT_EQ(line.find('\n'), line.npos);
}

TEST(LagTest, LimitsAreBytesATimeOrBoth) {
    const lag_limits before{1, seconds(1)};
    EXPECT_EQ(parse_limits("64MB", before)->bytes, 64 * mb);
    EXPECT_EQ(parse_limits("64MB", before)->time, seconds(1));
    EXPECT_EQ(parse_limits("500ms", before)->time, milliseconds(500));
    EXPECT_EQ(parse_limits("2min", before)->bytes, 1U);
    EXPECT_EQ(parse_limits("1MB,5s", before)->bytes, mb);
    EXPECT_EQ(parse_limits("1MB,5s", before)->time, seconds(5));
    EXPECT_EQ(parse_limits("", before)->bytes, 1U);
    for (const char* text : {"5 s", "fast", "1MB;5s", "-1s"}) {
        EXPECT_FALSE(parse_limits(text, before)) << text;
    }
}

TEST(LagTest, FiguresAreReadable) {
    EXPECT_EQ(readable_bytes(std::nullopt), "-");
    EXPECT_EQ(readable_bytes(1023), "1023 B");
    EXPECT_EQ(readable_bytes(1536), "1.5 kB");
    EXPECT_EQ(readable_bytes(3ULL << 30U), "3.0 GB");
    EXPECT_EQ(readable_time(std::nullopt), "-");
    EXPECT_EQ(readable_time(microseconds(850)), "0.85 ms");
    EXPECT_EQ(readable_time(seconds(12)), "12.0 s");
    EXPECT_EQ(readable_time(std::chrono::minutes(5)), "5 min");
}

}  // namespace
}  // namespace pgweir::cluster
