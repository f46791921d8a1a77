#include "admin/stats.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace pgweir::admin {
namespace {

using std::chrono::seconds;

stats_counters busy_minute() {
    stats_counters counters;
    counters.server_assignment_count = 600;
    counters.xact_count = 1200;
    counters.query_count = 2400;
    counters.bytes_received = 60'000;
    counters.bytes_sent = 120'000;
    counters.xact_time = 2'400'000;
    counters.query_time = 1'200'000;
    counters.wait_time = 3'000;
    counters.client_parse_count = 60;
    counters.server_parse_count = 120;
    counters.bind_count = 180;
    counters.client_login_count = 240;
    return counters;
}

TEST(StatsTest, CountsAreAveragedToASecondAndTimesToOneOfWhatTheyMeasure) {
    const stats_counters mean = average({}, busy_minute(), seconds(60));
    EXPECT_EQ(mean.server_assignment_count, 10U);
    EXPECT_EQ(mean.xact_count, 20U);
    EXPECT_EQ(mean.query_count, 40U);
    EXPECT_EQ(mean.bytes_received, 1000U);
    EXPECT_EQ(mean.bytes_sent, 2000U);
    EXPECT_EQ(mean.xact_time, 2000U);  // of 1200 transactions
    EXPECT_EQ(mean.query_time, 500U);  // of 2400 queries
    EXPECT_EQ(mean.wait_time, 5U);     // of 600 assignments
    EXPECT_EQ(mean.client_parse_count, 1U);
    EXPECT_EQ(mean.server_parse_count, 2U);
    EXPECT_EQ(mean.bind_count, 3U);
    EXPECT_EQ(mean.client_login_count, 4U);
}

TEST(StatsTest, OnlyWhatHappenedInThePeriodCounts) {
    const stats_counters before = busy_minute();
    stats_counters after = before;
    after.query_count += 30;
    after.query_time += 90;
    const stats_counters mean = average(before, after, seconds(10));
    EXPECT_EQ(mean.query_count, 3U);
    EXPECT_EQ(mean.query_time, 3U);
    EXPECT_EQ(mean.xact_count, 0U);
    EXPECT_EQ(mean.xact_time, 0U);
}

TEST(StatsTest, ATimeIsKnownEvenIfThereWasLessThanOneInASecond) {
    stats_counters few;
    few.query_count = 3;
    few.query_time = 300;
    const stats_counters mean = average({}, few, seconds(60));
    EXPECT_EQ(mean.query_count, 0U);
    EXPECT_EQ(mean.query_time, 100U);
}

TEST(StatsTest, ACounterThatWentBackDoesNotWrapAround) {
    EXPECT_EQ(average(busy_minute(), {}, seconds(60)), stats_counters{});
}

TEST(StatsTest, APeriodOfNoLengthAveragesToNothing) {
    EXPECT_EQ(average({}, busy_minute(), seconds(0)), stats_counters{});
    EXPECT_EQ(average({}, busy_minute(), seconds(-1)), stats_counters{});
}

TEST(StatsTest, ManyTerabytesDoNotOverflow) {
    stats_counters huge;
    huge.bytes_sent = 6'000'000'000'000'000'000ULL;
    EXPECT_EQ(average({}, huge, seconds(60)).bytes_sent, 100'000'000'000'000'000ULL);
}

TEST(StatsTest, CountersAddUp) {
    stats_counters sum = busy_minute();
    sum += busy_minute();
    EXPECT_EQ(sum.server_assignment_count, 1200U);
    EXPECT_EQ(sum.client_login_count, 480U);
    EXPECT_EQ(sum.wait_time, 6000U);
}

TEST(StatsWindowTest, ShowsTheLastFullPeriodUntilTheNextHasEnded) {
    const steady_time start{};
    stats_window window(start);
    EXPECT_EQ(window.averages(), stats_counters{});

    stats_counters totals;
    totals.xact_count = 600;
    window.roll(totals, start + seconds(60));
    EXPECT_EQ(window.averages().xact_count, 10U);

    totals.xact_count += 120;
    window.roll(totals, start + seconds(120));
    EXPECT_EQ(window.averages().xact_count, 2U);

    window.roll(totals, start + seconds(180));
    EXPECT_EQ(window.averages().xact_count, 0U);
}

TEST(StatsTest, TheLogLineHasTheWordsThatAnalyzersLookFor) {
    const stats_counters mean = average({}, busy_minute(), seconds(60));
    EXPECT_EQ(
        stats_line(mean),
        "stats: 20 xacts/s, 40 queries/s, in 1000 B/s, out 2000 B/s, xact 2000 us, query 500 us, "
        "wait 5 us"
    );
}

}  // namespace
}  // namespace pgweir::admin
