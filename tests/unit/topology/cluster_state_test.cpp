#include "topology/cluster_state.hpp"

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

namespace pgweir::topology {
namespace {

using router::host_role;
using router::host_state;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::uint64_t our_system = 7000;
constexpr std::uint64_t segment = std::uint64_t{16} << 20;
constexpr std::uint64_t megabyte = std::uint64_t{1} << 20;

/// A cluster whose servers say what a test has them say. The clock moves by 100 ms between reports.
class cluster {
public:
    explicit cluster(std::size_t hosts, const memory& remembered = {}, lag_limits limits = {})
        : state_(settings(hosts), limits, remembered, "watcher"), processes_(hosts) {
        for (process& each : processes_) {
            each.incarnation = ++last_incarnation_;
            each.started_at = 1000 * static_cast<std::int64_t>(last_incarnation_);
        }
    }

    /// The first is primary, and all others are standbys that have everything.
    void starts(std::uint32_t timeline = 1) {
        primary(0, timeline);
        for (std::size_t host = 1; host < processes_.size(); host++) {
            standby(host, timeline);
        }
    }

    /// A primary answers.
    void primary(
        std::size_t host, std::uint32_t timeline = 1, std::uint64_t inserted = 10 * megabyte
    ) {
        answer said = basics(host);
        said.timeline = timeline;
        said.inserted = inserted;
        said.flushed = flushed_.value_or(inserted);
        said.snapshot = shows_;
        take(host, said);
    }

    /// A standby answers that receives the log.
    void standby(
        std::size_t host, std::uint32_t timeline = 1, std::uint64_t replayed = 10 * megabyte
    ) {
        answer said = basics(host);
        said.in_recovery = true;
        said.timeline = timeline;
        said.replayed = replayed;
        said.received = std::max(replayed, received_.value_or(replayed));
        said.receiver = receiver_state::streaming;
        said.snapshot = shows_;
        take(host, said);
    }

    /// A standby answers that receives nothing just now.
    void lonely_standby(std::size_t host, std::uint64_t replayed = 10 * megabyte) {
        lonely_standby(host, replayed, replayed);
    }

    void lonely_standby(std::size_t host, std::uint64_t replayed, std::uint64_t received) {
        answer said = basics(host);
        said.in_recovery = true;
        said.replayed = replayed;
        said.received = received;
        take(host, said);
    }

    /// A standby answers to a role that may not see how it receives.
    void secretive_standby(std::size_t host, std::uint64_t replayed = 10 * megabyte) {
        answer said = basics(host);
        said.in_recovery = true;
        said.replayed = replayed;
        said.receiver = receiver_state::hidden;
        take(host, said);
    }

    void fails(std::size_t host, std::string why = "Connection refused") {
        processes_[host].incarnation = ++last_incarnation_;
        take(host, report{report::kind::failed, {}, std::move(why)});
    }

    void breaks(std::size_t host) {
        processes_[host].incarnation = ++last_incarnation_;
        take(host, report{report::kind::broken, {}, "the connection is lost"});
    }

    void reconnects(std::size_t host) { processes_[host].incarnation = ++last_incarnation_; }

    void restarts(std::size_t host) {
        processes_[host].started_at++;
        reconnects(host);
    }

    void is_of_system(std::size_t host, std::uint64_t system) { processes_[host].system = system; }

    /// Both names lead to one server.
    void is_the_same_server(std::size_t host, std::size_t other) {
        processes_[host].started_at = processes_[other].started_at;
    }

    /// Until told otherwise primaries have flushed to here, and standbys have received to there.
    void flushed_to(std::uint64_t position) { flushed_ = position; }

    void received_to(std::uint64_t position) { received_ = position; }

    /// Until told otherwise servers show this.
    void shows(commit_snapshot what) { shows_ = std::move(what); }

    /// From now on its servers are these of before, by their number, and others for what is -1.
    void has_hosts(const std::vector<int>& which) {
        std::vector<host_settings> next;
        std::vector<process> processes;
        for (const int host : which) {
            if (host < 0) {
                next.push_back({"another", 5432, 1});
                processes.push_back({our_system, 77, ++last_incarnation_});
            } else {
                const auto index = static_cast<std::size_t>(host);
                next.push_back({view().hosts[index].name, 5432, 1});
                processes.push_back(processes_[index]);
            }
        }
        const cluster_state before = std::exchange(
            state_, cluster_state(next, lag_limits{}, memory{}, "watcher", state_.view().term)
        );
        state_.succeed(before, now_);
        processes_ = std::move(processes);
    }

    void pass(microseconds time) { now_ += time; }

    steady_time now() const { return now_; }

    cluster_state& state() { return state_; }

    const router::cluster_view& view() const { return state_.view(); }

    const router::host_view& host(std::size_t index) const { return view().hosts[index]; }

    host_state state_of(std::size_t index) const { return host(index).state; }

    std::vector<note> notes() { return state_.take_notes(); }

private:
    struct process {
        std::uint64_t system = our_system;
        std::int64_t started_at = 0;
        std::uint64_t incarnation = 0;
    };

    static std::vector<host_settings> settings(std::size_t count) {
        std::vector<host_settings> made;
        for (std::size_t i = 0; i < count; i++) {
            made.push_back({std::string(1, static_cast<char>('a' + i)), 5432, 1});
        }
        return made;
    }

    answer basics(std::size_t host) {
        const process& of = processes_[host];
        answer said;
        said.address = "10.0.0.1";
        said.incarnation = of.incarnation;
        said.system_identifier = of.system;
        said.started_at = of.started_at;
        said.segment_size = segment;
        said.page_size = 8192;
        return said;
    }

    void take(std::size_t host, answer said) {
        now_ += milliseconds(100);
        said.asked_at = now_ - milliseconds(1);
        state_.take(host, {report::kind::answered, std::move(said), {}}, now_);
    }

    void take(std::size_t host, const report& what) {
        now_ += milliseconds(100);
        state_.take(host, what, now_);
    }

    cluster_state state_;
    std::vector<process> processes_;
    std::uint64_t last_incarnation_ = 0;
    std::optional<std::uint64_t> flushed_;
    std::optional<commit_snapshot> shows_;
    std::optional<std::uint64_t> received_;
    steady_time now_{seconds(1000)};
};

// The primary.

TEST(ClusterStateTest, NobodyIsPrimaryBeforeAllHaveBeenAsked) {
    cluster c(2);
    EXPECT_EQ(c.state_of(0), host_state::unknown);
    c.primary(0);
    EXPECT_FALSE(c.view().primary);
    EXPECT_EQ(c.state_of(0), host_state::unknown);
    EXPECT_EQ(c.view().term, 0U);
    c.standby(1);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.view().term, 1U);
    EXPECT_EQ(c.state_of(0), host_state::serving);
    EXPECT_EQ(c.host(0).role, host_role::primary);
    EXPECT_EQ(c.state_of(1), host_state::serving);
    EXPECT_EQ(c.host(1).role, host_role::standby);
}

TEST(ClusterStateTest, ServerThatIsDownHasBeenAsked) {
    cluster c(2);
    c.primary(1);
    c.fails(0);
    EXPECT_EQ(c.view().primary, 1U);
    EXPECT_EQ(c.state_of(0), host_state::unreachable);
    EXPECT_EQ(c.host(0).why, "Connection refused");
}

TEST(ClusterStateTest, ServerWhoseNameIsStillBeingResolvedIsNotWaitedForForEver) {
    cluster c(2);
    c.primary(0);
    c.pass(cluster_state::longest_first_round - milliseconds(200));
    c.primary(0);
    EXPECT_FALSE(c.view().primary);
    c.primary(0);
    EXPECT_EQ(c.view().primary, 0U);
}

TEST(ClusterStateTest, TermsGoOnFromTheFirst) {
    cluster_state state({{"a", 5432, 1}}, {}, {}, "watcher", 41);
    EXPECT_EQ(state.view().term, 41U);
    answer said;
    said.system_identifier = our_system;
    said.timeline = 1;
    said.inserted = 1;
    state.take(0, {report::kind::answered, said, {}}, steady_time{seconds(1)});
    EXPECT_EQ(state.view().term, 42U);
}

TEST(ClusterStateTest, AnswersOfTheSameChangeNoTerm) {
    cluster c(2);
    c.starts();
    for (int i = 0; i < 3; i++) {
        c.primary(0);
        c.standby(1);
    }
    EXPECT_EQ(c.view().term, 1U);
}

TEST(ClusterStateTest, BrokenConnectionKeepsThePrimaryUntilItIsRefused) {
    cluster c(2);
    c.starts();
    c.breaks(0);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.view().term, 1U);
    EXPECT_EQ(c.state_of(0), host_state::unreachable);
    EXPECT_FALSE(c.host(0).position.known()) << "what was known of it ends with its connection";
    c.primary(0);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.view().term, 1U) << "the same process";
    c.breaks(0);
    c.fails(0);
    EXPECT_FALSE(c.view().primary);
    EXPECT_EQ(c.view().term, 2U);
}

TEST(ClusterStateTest, SilentPrimaryIsLostAtOnce) {
    cluster c(2);
    c.starts();
    c.notes();
    c.fails(0, "it does not answer");
    EXPECT_FALSE(c.view().primary);
    EXPECT_THAT(c.notes(), Contains(Field(&note::text, HasSubstr("there is no primary any more"))));
}

TEST(ClusterStateTest, PrimaryThatComesBackIsANewTerm) {
    cluster c(2);
    c.starts();
    c.fails(0);
    c.primary(0);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.view().term, 3U);
}

TEST(ClusterStateTest, QuickRestartOfThePrimaryIsANewTerm) {
    cluster c(2);
    c.starts();
    c.breaks(0);
    c.restarts(0);
    c.primary(0);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.view().term, 2U);
}

TEST(ClusterStateTest, PromotedStandbyIsPrimaryAndTheOldOneIsFencedWhenItComesBack) {
    cluster c(3);
    c.starts();
    c.fails(0);
    c.primary(1, 2);
    EXPECT_EQ(c.view().primary, 1U);
    EXPECT_EQ(c.state_of(2), host_state::outdated);
    c.notes();
    c.reconnects(0);
    c.primary(0, 1);
    EXPECT_EQ(c.view().primary, 1U);
    EXPECT_EQ(c.state_of(0), host_state::fenced);
    EXPECT_THAT(c.host(0).why, HasSubstr("make it a standby of the new primary"));
    const auto said = c.notes();
    ASSERT_FALSE(said.empty());
    EXPECT_EQ(said.back().level, log::level::error);
}

TEST(ClusterStateTest, HigherTimelineWinsOverThePrimaryInUse) {
    cluster c(2);
    c.starts();
    c.primary(1, 2);
    EXPECT_EQ(c.view().primary, 1U);
    EXPECT_EQ(c.view().term, 2U) << "from one to the other, without a time of none";
    c.primary(0, 1);
    EXPECT_EQ(c.state_of(0), host_state::fenced);
}

TEST(ClusterStateTest, StandbyOnAHigherTimelineFencesThePrimary) {
    cluster c(3);
    c.starts();
    c.fails(1);       // it was promoted where we cannot reach it
    c.standby(2, 2);  // and this one follows it
    EXPECT_FALSE(c.view().primary);
    EXPECT_EQ(c.state_of(0), host_state::fenced);
}

TEST(ClusterStateTest, OfTwoPrimariesOfOneTimelineTheOneInUseStays) {
    cluster c(2);
    c.starts(2);
    c.primary(1, 2);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.view().term, 1U);
    EXPECT_EQ(c.state_of(1), host_state::fenced);
    EXPECT_THAT(c.host(1).why, HasSubstr("as a:5432 does, which is in use"));
}

TEST(ClusterStateTest, OfTwoPrimariesAtStartNeitherGetsWrites) {
    cluster c(2);
    c.primary(0, 2);
    c.primary(1, 2);
    EXPECT_FALSE(c.view().primary);
    EXPECT_EQ(c.state_of(0), host_state::fenced);
    EXPECT_EQ(c.state_of(1), host_state::fenced);
    EXPECT_THAT(c.host(0).why, HasSubstr("take it out of the list of hosts, then RELOAD"));
    c.fails(0);
    EXPECT_EQ(c.view().primary, 1U) << "the wrong one was stopped";
}

TEST(ClusterStateTest, FencedRivalIsNotTakenWhenTheOneInUseIsLost) {
    cluster c(2);
    c.starts(2);
    c.primary(1, 2);
    c.fails(0);
    EXPECT_FALSE(c.view().primary);
    EXPECT_EQ(c.state_of(1), host_state::fenced);
    EXPECT_THAT(c.host(1).why, HasSubstr("bring that one back"));
    c.primary(1, 2);
    EXPECT_FALSE(c.view().primary);
    c.primary(0, 2);
    EXPECT_EQ(c.view().primary, 0U);
}

TEST(ClusterStateTest, ReloadThatAddsAServerLeavesThePrimary) {
    cluster c(2);
    c.starts(2);
    c.has_hosts({-1, 1, 0});
    EXPECT_EQ(c.view().primary, 2U);
    EXPECT_EQ(c.view().term, 1U);
    EXPECT_EQ(c.state_of(0), host_state::unknown);
    EXPECT_EQ(c.state_of(1), host_state::serving);
    EXPECT_EQ(c.state_of(2), host_state::serving);
    EXPECT_EQ(c.state().remembered().timeline, 2U);
    c.standby(1, 2);
    c.primary(2, 2);
    c.fails(0);
    EXPECT_EQ(c.view().primary, 2U);
    EXPECT_EQ(c.view().term, 1U) << "nothing has happened to it";
}

TEST(ClusterStateTest, ReloadThatTakesThePrimaryAwayLooksForAnother) {
    cluster c(3);
    c.starts(2);
    c.has_hosts({1, 2});
    EXPECT_FALSE(c.view().primary);
    c.primary(1, 3);
    EXPECT_EQ(c.view().primary, 1U);
}

TEST(ClusterStateTest, RivalStaysFencedOverAReload) {
    cluster c(2);
    c.starts(2);
    c.primary(1, 2);
    c.has_hosts({1, 0});
    EXPECT_EQ(c.view().primary, 1U) << "the one in use stays";
    EXPECT_EQ(c.state_of(0), host_state::fenced);
    c.fails(1);
    c.has_hosts({0, 1, -1});
    c.primary(0, 2);
    c.fails(2);
    EXPECT_FALSE(c.view().primary) << "it was fenced before that one was lost";
    EXPECT_EQ(c.state_of(0), host_state::fenced);
}

TEST(ClusterStateTest, RivalIsTakenWhenTheOneInUseIsTakenOutOfTheList) {
    for (const bool lost : {false, true}) {
        cluster c(2);
        c.starts(2);
        c.primary(1, 2);
        if (lost) {
            c.fails(0);
        }
        c.has_hosts({1});
        c.primary(0, 2);
        EXPECT_EQ(c.view().primary, 0U) << lost;
    }
}

TEST(ClusterStateTest, RivalThatWasAStandbySinceMayBePrimary) {
    cluster c(2);
    c.starts(2);
    c.primary(1, 2);
    c.restarts(1);
    c.standby(1, 2);
    c.fails(0);
    c.primary(1, 3);
    EXPECT_EQ(c.view().primary, 1U);
}

TEST(ClusterStateTest, StandbyPromotedToTheTimelineOfALostPrimaryIsPrimary) {
    cluster c(2);
    c.primary(0, 2);
    c.standby(1, 1);  // it never followed the other
    c.fails(0);
    c.primary(1, 2);
    EXPECT_EQ(c.view().primary, 1U);
    c.reconnects(0);
    c.primary(0, 2);
    EXPECT_EQ(c.view().primary, 1U) << "the one in use stays";
    EXPECT_EQ(c.state_of(0), host_state::fenced);
}

TEST(ClusterStateTest, ServerUnderTwoNamesIsNoRival) {
    cluster c(2);
    c.primary(0);
    c.is_the_same_server(1, 0);
    c.primary(1);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.state_of(1), host_state::fenced);
    EXPECT_EQ(c.host(1).why, "is the same server as a:5432");
}

// Which cluster it is.

TEST(ClusterStateTest, ServerOfAnotherSystemIsForeign) {
    cluster c(3);
    c.is_of_system(2, 8000);
    c.primary(0);
    c.standby(1);
    c.primary(2, 5);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.state_of(2), host_state::foreign);
    EXPECT_EQ(c.host(2).why, "its system identifier is 8000, and the cluster's is 7000");
    EXPECT_EQ(c.state().remembered().timeline, 1U) << "and its timeline is nobody's business";
}

TEST(ClusterStateTest, MemoryDecidesWhichSystemIsMeant) {
    cluster c(2, {our_system, 1});
    c.is_of_system(1, 8000);
    c.fails(0);
    c.primary(1, 3);
    EXPECT_EQ(c.state_of(1), host_state::foreign);
    EXPECT_FALSE(c.view().primary);
}

TEST(ClusterStateTest, OfTwoSystemsTheOneWithAPrimaryIsMeant) {
    cluster c(2);
    c.is_of_system(0, 8000);
    c.standby(0);
    c.primary(1);
    EXPECT_EQ(c.view().primary, 1U);
    EXPECT_EQ(c.state_of(0), host_state::foreign);
}

TEST(ClusterStateTest, TwoPrimariesOfTwoSystemsAreBothForeign) {
    cluster c(2);
    c.is_of_system(0, 8000);
    c.primary(0);
    c.primary(1);
    EXPECT_FALSE(c.view().primary);
    EXPECT_EQ(c.state_of(0), host_state::foreign);
    EXPECT_EQ(c.state_of(1), host_state::foreign);
    EXPECT_THAT(c.host(0).why, HasSubstr("take those that are not meant out"));
}

TEST(ClusterStateTest, ClusterThatWasMadeAnewIsTakenWhenAllAgree) {
    cluster c(2);
    c.starts(4);
    c.is_of_system(0, 8000);
    c.is_of_system(1, 8000);
    c.restarts(0);
    c.primary(0, 1);
    EXPECT_EQ(c.state_of(0), host_state::foreign);
    EXPECT_FALSE(c.view().primary);
    c.restarts(1);
    c.standby(1, 1);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.state().remembered(), (memory{8000, 1}));
}

// Timelines.

TEST(ClusterStateTest, RememberedTimelineFencesAnOldPrimaryThatIsAlone) {
    cluster c(2, {our_system, 2});
    c.fails(1);
    c.primary(0, 1);
    EXPECT_FALSE(c.view().primary);
    EXPECT_EQ(c.state_of(0), host_state::fenced);
    c.primary(1, 2);
    EXPECT_EQ(c.view().primary, 1U);
}

TEST(ClusterStateTest, HighestTimelineIsRemembered) {
    cluster c(2);
    c.starts(3);
    EXPECT_EQ(c.state().remembered(), (memory{our_system, 3}));
    c.primary(1, 4);
    EXPECT_EQ(c.state().remembered(), (memory{our_system, 4}));
    c.fails(1);
    EXPECT_EQ(c.state().remembered(), (memory{our_system, 4}));
}

TEST(ClusterStateTest, TimelineIsGivenUpWhenAllAgreeOnALowerOne) {
    cluster c(2, {our_system, 5});
    c.primary(0, 3);
    EXPECT_FALSE(c.view().primary);
    c.standby(1, 3);
    EXPECT_EQ(c.view().primary, 0U);
    EXPECT_EQ(c.state().remembered().timeline, 3U);
    EXPECT_THAT(c.notes(), Contains(Field(&note::text, HasSubstr("it is given up"))));
}

TEST(ClusterStateTest, TimelineIsNotGivenUpWhileOneIsNotKnown) {
    cluster c(3, {our_system, 5});
    c.primary(0, 3);
    c.standby(1, 3);
    c.lonely_standby(2);
    EXPECT_FALSE(c.view().primary);
    EXPECT_EQ(c.state().remembered().timeline, 5U);
}

TEST(ClusterStateTest, StandbyThatFollowsTheNewPrimaryServesAgain) {
    cluster c(3);
    c.starts();
    c.fails(0);
    c.primary(1, 2);
    c.standby(2, 1);
    EXPECT_EQ(c.state_of(2), host_state::outdated);
    c.standby(2, 2);
    EXPECT_EQ(c.state_of(2), host_state::serving);
}

TEST(ClusterStateTest, StandbyServesOnWithoutItsReceiverWhileItReplaysWhatItHasReceived) {
    cluster c(2);
    c.primary(0, 1, 12 * megabyte);
    c.received_to(12 * megabyte);
    c.standby(1, 1, 10 * megabyte);
    c.fails(0);
    c.lonely_standby(1, 11 * megabyte);
    EXPECT_EQ(c.state_of(1), host_state::serving);
    EXPECT_EQ(c.host(1).position, (wal_position{1, 11 * megabyte}));
    c.lonely_standby(1, 13 * megabyte);
    EXPECT_EQ(c.state_of(1), host_state::serving) << "it was received after the last answer";
    c.lonely_standby(1, 14 * megabyte, 13 * megabyte);
    EXPECT_EQ(c.state_of(1), host_state::late) << "this has come from somewhere else";
    EXPECT_FALSE(c.host(1).position.known());
}

TEST(ClusterStateTest, WhatAStandbyWasNotSeenToReceiveMakesItNoFresher) {
    cluster c(2);
    c.received_to(10 * megabyte);
    c.standby(1, 1, 10 * megabyte);
    c.primary(0, 1, 11 * megabyte);
    c.lonely_standby(1, 12 * megabyte);
    EXPECT_EQ(c.state_of(1), host_state::serving);
    EXPECT_EQ(c.host(1).fresh_as_of, steady_time{}) << "it may be of another timeline";
}

TEST(ClusterStateTest, StandbyThatWasNeverSeenToReceiveIsLate) {
    cluster c(2);
    c.primary(0);
    c.lonely_standby(1);
    EXPECT_EQ(c.state_of(1), host_state::late);
    EXPECT_THAT(c.host(1).why, HasSubstr("timeline is not known"));
}

// Lag.

TEST(ClusterStateTest, LagIsCountedFromThePrimarysLastPosition) {
    cluster c(2);
    c.primary(0, 1, 10 * megabyte);
    c.standby(1, 1, 7 * megabyte);
    EXPECT_EQ(c.host(1).lag_bytes, 3 * megabyte);
    c.standby(1, 1, 11 * megabyte);
    EXPECT_EQ(c.host(1).lag_bytes, 0U) << "it was asked later";
    EXPECT_EQ(c.host(1).lag_time, microseconds(0));
}

TEST(ClusterStateTest, StandbyBeyondTheLimitOfBytesIsLate) {
    cluster c(2, {}, {2 * static_cast<std::int64_t>(megabyte), microseconds(0)});
    c.primary(0, 1, 10 * megabyte);
    c.standby(1, 1, 8 * megabyte);
    EXPECT_EQ(c.state_of(1), host_state::serving);
    c.standby(1, 1, 8 * megabyte - 1);
    EXPECT_EQ(c.state_of(1), host_state::late);
    EXPECT_EQ(c.host(1).why, "is 2.0 MB behind (max_standby_lag)");
}

TEST(ClusterStateTest, StandbyBeyondTheLimitOfTimeIsLate) {
    cluster c(2, {}, {0, seconds(5)});
    c.primary(0, 1, 10 * megabyte);
    c.standby(1, 1, 10 * megabyte);
    c.pass(seconds(4));
    c.primary(0, 1, 11 * megabyte);
    c.standby(1, 1, 10 * megabyte);
    EXPECT_EQ(c.state_of(1), host_state::serving);
    c.pass(seconds(2));
    c.primary(0, 1, 12 * megabyte);
    c.standby(1, 1, 10 * megabyte);
    EXPECT_EQ(c.state_of(1), host_state::late);
    EXPECT_THAT(c.host(1).why, HasSubstr("s behind (max_standby_lag_time)"));
}

TEST(ClusterStateTest, QuietPrimaryMakesNobodyLate) {
    cluster c(2, {}, {0, seconds(5)});
    c.starts();
    c.pass(seconds(60));
    c.primary(0);
    c.standby(1);
    EXPECT_EQ(c.state_of(1), host_state::serving);
    EXPECT_EQ(c.host(1).lag_time, microseconds(0));
}

TEST(ClusterStateTest, LagStandsStillWithoutAPrimary) {
    cluster c(2, {}, {0, seconds(5)});
    c.starts();
    c.fails(0);
    c.pass(seconds(60));
    c.lonely_standby(1);
    EXPECT_EQ(c.state_of(1), host_state::serving) << "there is nothing newer to be had";
}

TEST(ClusterStateTest, UnknownLagIsNoLagOfZero) {
    cluster c(2);
    c.fails(0);
    c.standby(1);
    EXPECT_FALSE(c.host(1).lag_bytes);
    EXPECT_FALSE(c.host(1).lag_time);
    EXPECT_EQ(c.state_of(1), host_state::late);
    EXPECT_FALSE(c.host(1).may_be_read());
}

TEST(ClusterStateTest, RoleThatMayNotSeeIsToldWhatToGrant) {
    cluster c(2);
    c.primary(0);
    c.secretive_standby(1);
    EXPECT_EQ(c.state_of(1), host_state::late);
    EXPECT_THAT(c.host(1).why, HasSubstr("GRANT pg_monitor TO \"watcher\""));
}

// Freshness.

TEST(ClusterStateTest, StandbyIsFreshAsOfTheNewestSampleThatItHasReplayed) {
    cluster c(2);
    c.standby(1, 1, 9 * megabyte);
    c.primary(0, 1, 10 * megabyte);
    const steady_time first = c.view().sampled_at;
    c.primary(0, 1, 11 * megabyte);
    const steady_time second = c.view().sampled_at;
    c.standby(1, 1, 10 * megabyte);
    EXPECT_EQ(c.host(1).fresh_as_of, first);
    c.standby(1, 1, 11 * megabyte - 1);
    EXPECT_EQ(c.host(1).fresh_as_of, first);
    c.standby(1, 1, 11 * megabyte);
    EXPECT_EQ(c.host(1).fresh_as_of, second);
}

TEST(ClusterStateTest, SampleThatComesLaterCountsForWhatWasReplayedBefore) {
    cluster c(2);
    c.starts();
    c.primary(0);
    EXPECT_EQ(c.host(1).fresh_as_of, c.view().sampled_at)
        << "nothing was written, so it has everything";
}

TEST(ClusterStateTest, FreshnessEndsWithTheConnection) {
    cluster c(2);
    c.starts();
    c.breaks(1);
    EXPECT_EQ(c.host(1).fresh_as_of, steady_time{});
    EXPECT_FALSE(c.host(1).position.known());
    c.restarts(1);
    c.standby(1, 1, 9 * megabyte);  // a crash: it has less than before
    EXPECT_EQ(c.host(1).fresh_as_of, steady_time{});
    EXPECT_EQ(c.host(1).lag_bytes, megabyte);
}

TEST(ClusterStateTest, FreshnessEndsWithTheServerThoughNobodySawTheConnectionBreak) {
    cluster c(2);
    c.starts();
    const std::uint64_t before = c.host(1).incarnation;
    c.restarts(1);
    c.standby(1, 1, 9 * megabyte);
    EXPECT_NE(c.host(1).incarnation, before);
    EXPECT_EQ(c.host(1).fresh_as_of, steady_time{});
}

TEST(ClusterStateTest, SamplesOfALostPrimaryCountNoMoreOnAnotherTimeline) {
    cluster c(3);
    c.primary(0, 1, 10 * megabyte);
    c.standby(1, 1, 10 * megabyte);
    c.standby(2, 1, 8 * megabyte);
    c.fails(0);
    c.primary(1, 2, 11 * megabyte);
    c.standby(2, 2, 10 * megabyte);
    EXPECT_EQ(c.host(2).fresh_as_of, steady_time{});
    c.standby(2, 2, 11 * megabyte);
    EXPECT_EQ(c.host(2).fresh_as_of, c.view().sampled_at);
}

TEST(ClusterStateTest, HeaderOfAnEmptyPageNeedNotBeReplayed) {
    cluster c(2);
    c.standby(1, 1, 2 * segment);
    c.flushed_to(3 * segment);
    c.primary(0, 1, 3 * segment + 40);
    EXPECT_EQ(c.view().inserted, (wal_position{1, 3 * segment}));
    EXPECT_EQ(c.view().flushed, 3 * segment);
    c.standby(1, 1, 3 * segment);
    EXPECT_EQ(c.host(1).lag_bytes, 0U);
    EXPECT_EQ(c.host(1).fresh_as_of, c.view().sampled_at);
}

TEST(ClusterStateTest, ViewTellsWhatCanHaveReachedAStandby) {
    cluster c(2);
    c.flushed_to(9 * megabyte);
    c.primary(0, 1, 10 * megabyte);
    c.standby(1, 1, 9 * megabyte);
    EXPECT_LT(c.view().flushed, c.view().inserted.lsn);
    EXPECT_EQ(c.host(1).fresh_as_of, steady_time{});
}

// What the primary shows of what standbys have shown.

TEST(ClusterStateTest, PrimaryShowsWhatAStandbyHasShownWhenItsSnapshotHasIt) {
    cluster c(3);
    c.shows({20, {}});
    c.starts();
    EXPECT_EQ(c.host(1).shown_by_primary, c.host(1).asked_at);
    EXPECT_EQ(c.host(2).shown_by_primary, c.host(2).asked_at);
    const steady_time before = c.host(1).asked_at;
    c.shows({21, {}});
    c.standby(1);
    EXPECT_EQ(c.host(1).shown_by_primary, before);
    c.shows({22, {20}});
    c.primary(0);
    EXPECT_EQ(c.host(1).shown_by_primary, before) << "20 may be what the standby shows";
    EXPECT_EQ(c.state().running(), (std::vector<transaction_number>{20}));
    c.shows({22, {}});
    c.primary(0);
    EXPECT_EQ(c.host(1).shown_by_primary, c.host(1).asked_at);
}

TEST(ClusterStateTest, WhatALostPrimaryHasShownIsNotWhatTheNextOneShows) {
    cluster c(3);
    c.shows({20, {}});
    c.starts();
    c.fails(0);
    c.shows({19, {}});
    c.primary(1, 2);
    c.shows({20, {}});
    c.standby(2, 2);
    EXPECT_LT(c.host(2).shown_by_primary, c.host(2).asked_at);
    c.shows({20, {}});
    c.primary(1, 2);
    EXPECT_EQ(c.host(2).shown_by_primary, c.host(2).asked_at);
}

TEST(ClusterStateTest, ServerThatDoesNotTellWhatItShowsIsNotCompared) {
    cluster c(2);
    c.starts();
    EXPECT_EQ(c.host(1).shown_by_primary, steady_time{});
}

// What the log says.

TEST(ClusterStateTest, EachChangeOfStateIsToldOnce) {
    cluster c(2);
    c.starts();
    EXPECT_THAT(c.notes(), Contains(Field(&note::text, "a:5432 is the primary, on timeline 1")));
    c.standby(1);
    EXPECT_THAT(c.notes(), IsEmpty());
    c.fails(1);
    EXPECT_THAT(
        c.notes(), Contains(Field(&note::text, "b:5432: unknown, unreachable: Connection refused"))
    );
    c.fails(1);
    EXPECT_THAT(c.notes(), IsEmpty());
}

TEST(ClusterStateTest, StandbyThatIsLateAgainAndAgainIsToldSeldom) {
    cluster c(2, {}, {static_cast<std::int64_t>(megabyte), microseconds(0)});
    c.primary(0, 1, 10 * megabyte);
    c.standby(1, 1, 10 * megabyte);
    c.notes();
    c.standby(1, 1, 2 * megabyte);
    EXPECT_THAT(c.notes(), Not(IsEmpty()));
    for (int i = 0; i < 10; i++) {
        c.standby(1, 1, 10 * megabyte);
        c.standby(1, 1, 2 * megabyte);
    }
    EXPECT_THAT(c.notes(), IsEmpty());
    c.pass(seconds(10));
    c.standby(1, 1, 10 * megabyte);
    EXPECT_THAT(c.notes(), Not(IsEmpty()));
}

}  // namespace
}  // namespace pgweir::topology
