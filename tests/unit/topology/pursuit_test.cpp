#include "topology/pursuit.hpp"

#include <gmock/gmock.h>

namespace pgweir::topology {
namespace {

using router::host_role;
using router::host_state;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr milliseconds patience{10};

/// Times are milliseconds; host 0 is primary, 1 and 2 are standbys. What was sampled at the
/// beginning is old, and everybody has it.
class PursuitTest : public testing::Test {
protected:
    PursuitTest() {
        view_.hosts.resize(3);
        for (router::host_view& host : view_.hosts) {
            host.role = host_role::standby;
            host.state = host_state::serving;
        }
        view_.hosts[0].role = host_role::primary;
        view_.primary = 0;
        view_.inserted = {1, 1000};
        view_.flushed = 1000;
        sampled(0);
        replayed(1, 0);
        replayed(2, 0);
    }

    static steady_time at(int time) { return steady_time(seconds(1000)) + milliseconds(time); }

    void want(int time) { wish_.want(at(time), patience); }

    void sampled(int time) { view_.sampled_at = at(time); }

    void replayed(std::size_t host, int time) { view_.hosts[host].fresh_as_of = at(time); }

    std::vector<std::size_t> next(int time) { return wish_.next(view_, at(time)); }

    pursuit wish_{router::awaited::fresh_standby};
    router::cluster_view view_;
};

TEST_F(PursuitTest, NobodyIsAskedForNobody) {
    EXPECT_THAT(next(0), IsEmpty());
}

TEST_F(PursuitTest, PrimaryIsAskedFirstAndThenTheStandbys) {
    want(5);
    EXPECT_THAT(next(5), ElementsAre(0));
    sampled(5);
    EXPECT_THAT(next(6), ElementsAre(1, 2));
    replayed(1, 5);
    EXPECT_THAT(next(8), ElementsAre(2));
    replayed(2, 5);
    EXPECT_THAT(next(9), IsEmpty());
}

TEST_F(PursuitTest, SampleThatWasBegunBeforeTheWishSaysNothing) {
    want(5);
    sampled(4);
    EXPECT_THAT(next(6), ElementsAre(0));
}

TEST_F(PursuitTest, PatienceEnds) {
    want(5);
    sampled(6);
    EXPECT_THAT(next(14), ElementsAre(1, 2));
    EXPECT_THAT(next(15), IsEmpty());
}

TEST_F(PursuitTest, StandbysAreAskedThoughWishesKeepComing) {
    want(5);
    sampled(6);
    want(7);
    EXPECT_THAT(next(7), ElementsAre(0, 1, 2));
    replayed(1, 6);
    replayed(2, 6);
    EXPECT_THAT(next(8), ElementsAre(0)) << "they have what there is";
    sampled(8);
    want(9);
    EXPECT_THAT(next(9), ElementsAre(0, 1, 2));
}

TEST_F(PursuitTest, WishAfterAPauseBeginsWithThePrimaryAgain) {
    want(5);
    sampled(6);
    want(50);
    EXPECT_THAT(next(50), ElementsAre(0)) << "what was written last is after the old sample";
}

TEST_F(PursuitTest, WhatIsNotWrittenDownIsNotWaitedFor) {
    want(5);
    sampled(6);
    view_.flushed = 999;
    EXPECT_THAT(next(7), IsEmpty());
}

TEST_F(PursuitTest, OnlyStandbysThatServeAreAsked) {
    want(5);
    sampled(6);
    view_.hosts[1].state = host_state::late;
    EXPECT_THAT(next(7), ElementsAre(2));
    view_.hosts[2].state = host_state::unreachable;
    EXPECT_THAT(next(7), IsEmpty());
}

TEST_F(PursuitTest, PrimaryAndStandbysAreAskedUntilItShowsWhatTheyHaveShown) {
    pursuit shown(router::awaited::showing_primary);
    shown.want(at(5), patience);
    view_.hosts[1].shown_by_primary = at(3);
    view_.hosts[2].shown_by_primary = at(5);
    EXPECT_THAT(shown.next(view_, at(6)), ElementsAre(1, 0));
    view_.hosts[1].shown_by_primary = at(6);
    EXPECT_THAT(shown.next(view_, at(7)), IsEmpty());
    shown.want(at(8), patience);
    EXPECT_THAT(shown.next(view_, at(8)), ElementsAre(1, 2, 0));
    EXPECT_THAT(shown.next(view_, at(18)), IsEmpty()) << "patience is over";
}

TEST_F(PursuitTest, NothingIsPursuedWithoutAPrimary) {
    want(5);
    view_.primary.reset();
    EXPECT_THAT(next(6), IsEmpty());
}

}  // namespace
}  // namespace pgweir::topology
