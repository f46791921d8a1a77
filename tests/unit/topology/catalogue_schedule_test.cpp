#include "topology/catalogue_schedule.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::topology {
namespace {

using deed = catalogue_schedule::deed;

constexpr steady_time start{seconds(1000)};

class CatalogueScheduleTest : public testing::Test {
protected:
    /// What is due, as "read a"; "" if nothing is.
    std::string due() {
        const auto step = schedule_.next(now_);
        return step ? (step->what == deed::read ? "read " : "look ") + step->database : "";
    }

    void pass(milliseconds time) { now_ += time; }

    catalogue_schedule schedule_;
    steady_time now_ = start;
};

TEST_F(CatalogueScheduleTest, NothingIsDueWithoutDatabases) {
    EXPECT_EQ(due(), "");
    EXPECT_EQ(schedule_.due(), steady_time::max());
}

TEST_F(CatalogueScheduleTest, NewDatabaseIsReadAtOnce) {
    schedule_.use({"a"}, now_);
    EXPECT_EQ(due(), "read a");
    EXPECT_EQ(due(), "read a") << "until somebody has done it";
    schedule_.read("a", "1", now_);
    EXPECT_EQ(due(), "");
    EXPECT_EQ(schedule_.due(), now_ + seconds(60));
}

TEST_F(CatalogueScheduleTest, LookThatShowsNothingNewIsAllForAMinute) {
    schedule_.use({"a"}, now_);
    schedule_.read("a", "1", now_);
    pass(seconds(60));
    EXPECT_EQ(due(), "look a");
    schedule_.looked("a", "1", now_);
    EXPECT_EQ(due(), "");
    pass(seconds(60));
    EXPECT_EQ(due(), "look a");
}

TEST_F(CatalogueScheduleTest, LookThatShowsAChangeLeadsToARead) {
    schedule_.use({"a"}, now_);
    schedule_.read("a", "1", now_);
    pass(seconds(60));
    schedule_.looked("a", "2", now_);
    EXPECT_EQ(due(), "read a");
}

TEST_F(CatalogueScheduleTest, ServerThatCountsNothingIsReadNowAndThen) {
    schedule_.use({"a"}, now_);
    schedule_.read("a", "0", now_);
    int looks = 0;
    while (due() != "read a") {
        ASSERT_LE(looks, catalogue_schedule::looks_for_a_read);
        pass(seconds(60));
        if (due() == "look a") {
            schedule_.looked("a", "0", now_);
            looks++;
        }
    }
    EXPECT_EQ(looks, catalogue_schedule::looks_for_a_read);
}

TEST_F(CatalogueScheduleTest, RequestIsReadAtOnce) {
    schedule_.use({"a"}, now_);
    schedule_.read("a", "1", now_);
    pass(seconds(5));
    schedule_.request("a", now_);
    EXPECT_EQ(due(), "read a");
}

TEST_F(CatalogueScheduleTest, ManyRequestsAreOneReadASecond) {
    schedule_.use({"a"}, now_);
    schedule_.read("a", "1", now_);
    for (int i = 0; i < 9; i++) {
        pass(milliseconds(100));
        schedule_.request("a", now_);
        EXPECT_EQ(due(), "");
    }
    pass(milliseconds(100));
    EXPECT_EQ(due(), "read a");
}

TEST_F(CatalogueScheduleTest, FailuresAreRepeatedMoreAndMoreSeldom) {
    schedule_.use({"a"}, now_);
    schedule_.failed("a", now_);
    EXPECT_EQ(due(), "");
    milliseconds before{0};
    for (int i = 0; i < 20; i++) {
        const auto pause = std::chrono::duration_cast<milliseconds>(schedule_.due() - now_);
        EXPECT_GE(pause, before);
        EXPECT_LE(pause, seconds(60));
        before = pause;
        now_ = schedule_.due();
        EXPECT_EQ(due(), "read a");
        schedule_.failed("a", now_);
    }
    EXPECT_EQ(before, seconds(60));
}

TEST_F(CatalogueScheduleTest, RequestsDoNotMakeItFailMoreOften) {
    schedule_.use({"a"}, now_);
    schedule_.failed("a", now_);
    const steady_time before = schedule_.due();
    schedule_.request("a", now_);
    EXPECT_EQ(schedule_.due(), before);
}

TEST_F(CatalogueScheduleTest, DatabasesComeAndGoWithoutDisturbingOthers) {
    schedule_.use({"a", "b"}, now_);
    schedule_.read("a", "1", now_);
    schedule_.read("b", "1", now_);
    schedule_.use({"b", "c"}, now_);
    EXPECT_FALSE(schedule_.knows("a"));
    EXPECT_EQ(due(), "read c");
    schedule_.read("c", "1", now_);
    EXPECT_EQ(due(), "");
    schedule_.read("a", "1", now_);  // it ended meanwhile
    EXPECT_FALSE(schedule_.knows("a"));
}

TEST_F(CatalogueScheduleTest, WhoIsDueForLongestComesFirst) {
    schedule_.use({"a"}, now_);
    pass(seconds(1));
    schedule_.add("b", now_);
    EXPECT_EQ(due(), "read a");
    schedule_.read("a", "1", now_);
    EXPECT_EQ(due(), "read b");
}

}  // namespace
}  // namespace pgweir::topology
