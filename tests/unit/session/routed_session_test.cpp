#include "session/routed_session.hpp"

#include "unit/session/routing_support.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::session {
namespace {

using namespace test;
using config::routing;
using step = routed_session::step;

steady_time at(int milliseconds_from_start) {
    return steady_time(milliseconds(milliseconds_from_start));
}

class RoutedSessionTest : public testing::Test {
protected:
    RoutedSessionTest() {
        terms_.where = routing::automatic;
        terms_.defer_begin = true;
    }

    routed_session::plan next(std::string_view bytes) {
        out_.clear();
        return session_.next(bytes, 64 * 1024, terms_, court_.get(), sql::backslash::plain, out_);
    }

    step of(std::string_view text) { return next(query(text)).what; }

    /// The last status that the client was told.
    char status() const { return out_.back(); }

    court court_;
    routing_terms terms_;
    routed_session session_{std::nullopt};
    std::string out_;
};

TEST_F(RoutedSessionTest, ReadsAndWritesGoTheirWays) {
    EXPECT_EQ(of("SELECT 1"), step::read);
    EXPECT_EQ(of("UPDATE"), step::primary);
    EXPECT_EQ(next(query("SELECT 1").substr(0, 7)).what, step::wait);
    EXPECT_EQ(next(message('X')).what, step::primary);
    EXPECT_TRUE(out_.empty());
}

TEST_F(RoutedSessionTest, PlanIsForTheFirstSegment) {
    const auto plan = next(query("SELECT 1") + query("SELECT 2"));
    EXPECT_EQ(plan.what, step::read);
    EXPECT_EQ(plan.length, query("SELECT 1").size());
}

TEST_F(RoutedSessionTest, HarmlessIsAllThatIsHere) {
    ASSERT_EQ(of("SET pgweir.routing = 'primary'"), step::answered);
    EXPECT_TRUE(next(query("SELECT 1")).harmless);
    const auto plan = next(query("SELECT 1") + query("UPDATE"));
    EXPECT_EQ(plan.what, step::primary);
    EXPECT_FALSE(plan.harmless);
}

TEST_F(RoutedSessionTest, WhoKeepsItsServerKeepsThePrimary) {
    terms_.keeps_server = true;
    terms_.defer_begin = false;
    EXPECT_EQ(of("SELECT 1"), step::primary);
    EXPECT_EQ(of("BEGIN"), step::primary);
    EXPECT_EQ(of("/* pgweir: standby */ SELECT 1"), step::standby);
}

TEST_F(RoutedSessionTest, NearestWordCounts) {
    routed_session from_port(routing::standby);
    const auto ask = [&](std::string_view text) {
        out_.clear();
        return from_port.next(
            query(text), 65536, terms_, court_.get(), sql::backslash::plain, out_
        );
    };
    EXPECT_EQ(ask("UPDATE").what, step::standby) << "PostgreSQL says that it cannot";
    EXPECT_TRUE(ask("SELECT 1").primary_too) << "the port for reads has all servers behind it";
    ASSERT_EQ(ask("SET pgweir.routing = 'primary'").what, step::answered);
    EXPECT_EQ(ask("SELECT 1").what, step::primary);
    EXPECT_EQ(ask("/* pgweir: standby */ SELECT 1").what, step::standby);
    EXPECT_FALSE(ask("/* pgweir: standby */ SELECT 1").primary_too);
    ASSERT_EQ(ask("RESET pgweir.routing").what, step::answered);
    EXPECT_EQ(ask("SELECT 1").what, step::standby);
    EXPECT_TRUE(ask("/* pgweir: prefer-standby */ SELECT 1").or_primary);
}

TEST_F(RoutedSessionTest, ConsistencyPrimaryKeepsReadsThere) {
    ASSERT_EQ(of("SET pgweir.read_consistency = 'primary'"), step::answered);
    EXPECT_EQ(of("SELECT 1"), step::primary);
    ASSERT_EQ(of("SET pgweir.read_consistency = eventual"), step::answered);
    EXPECT_EQ(of("SELECT 1"), step::read);
    EXPECT_EQ(session_.consistency(terms_.consistency), config::read_consistency::eventual);
}

TEST_F(RoutedSessionTest, BeginIsAnsweredHere) {
    EXPECT_EQ(of("BEGIN"), step::answered);
    EXPECT_EQ(types(out_), "CZ");
    EXPECT_EQ(status(), 'T');
    EXPECT_TRUE(session_.begun());
    EXPECT_EQ(session_.deferred(), std::vector<std::string>{"BEGIN"});
}

TEST_F(RoutedSessionTest, BeginByExtendedQueryToo) {
    EXPECT_EQ(next(extended("BEGIN")).what, step::answered);
    EXPECT_EQ(types(out_), "12nCZ");
    EXPECT_EQ(status(), 'T');
    EXPECT_EQ(
        next(parse("", "COMMIT") + describe('S') + bind("") + execute() + sync()).what,
        step::answered
    );
    EXPECT_EQ(types(out_), "1tn2CZ");
    EXPECT_EQ(status(), 'I');
}

TEST_F(RoutedSessionTest, NamedBeginIsThePrimarys) {
    EXPECT_EQ(next(parse("b", "BEGIN") + bind("b") + execute() + sync()).what, step::primary);
    EXPECT_FALSE(session_.begun());
}

TEST_F(RoutedSessionTest, TransactionThatMayWriteGoesToThePrimaryWhateverItBeginsWith) {
    ASSERT_EQ(of("BEGIN"), step::answered);
    EXPECT_EQ(of("SELECT 1"), step::primary);
}

TEST_F(RoutedSessionTest, ReadOnlyTransactionGoesWhereItsFirstReadGoes) {
    ASSERT_EQ(of("BEGIN READ ONLY"), step::answered);
    EXPECT_EQ(of("SELECT 1"), step::read);
    EXPECT_EQ(of("SELECT volatile"), step::primary);
}

TEST_F(RoutedSessionTest, ReadOnlyMayBeSaidLater) {
    ASSERT_EQ(of("BEGIN"), step::answered);
    ASSERT_EQ(of("SET TRANSACTION READ ONLY"), step::answered);
    EXPECT_EQ(status(), 'T');
    EXPECT_EQ(session_.deferred().size(), 2U);
    EXPECT_EQ(of("SELECT 1"), step::read);
    ASSERT_EQ(of("SET TRANSACTION READ WRITE"), step::answered);
    EXPECT_EQ(of("SELECT 1"), step::primary);
}

TEST_F(RoutedSessionTest, NoMoreThanALittleIsKeptOfATransaction) {
    EXPECT_EQ(of("BEGIN /*" + std::string(2000, '.') + "*/"), step::primary);
    EXPECT_FALSE(session_.begun());
    ASSERT_EQ(of("BEGIN"), step::answered);
    EXPECT_EQ(of("SET TRANSACTION READ ONLY /*" + std::string(2000, '.') + "*/"), step::primary);
    int kept = 1;
    while (of("SET TRANSACTION READ ONLY") == step::answered) {
        ASSERT_LT(++kept, 100);
    }
    EXPECT_EQ(session_.deferred().size(), static_cast<std::size_t>(kept));
}

TEST_F(RoutedSessionTest, ParsedBeginHasNotBegun) {
    EXPECT_EQ(next(parse("", "BEGIN") + describe('S') + sync()).what, step::primary);
    EXPECT_FALSE(session_.begun());
    ASSERT_EQ(of("BEGIN"), step::answered);
    EXPECT_EQ(next(parse("", "COMMIT") + describe('S') + sync()).what, step::primary);
    EXPECT_TRUE(session_.begun());
}

TEST_F(RoutedSessionTest, ResetReturnsToWhatTheLogInSaid) {
    ASSERT_TRUE(session_.begin_with(own_parameter::routing, "prefer-standby"));
    ASSERT_TRUE(session_.begin_with(own_parameter::read_after, "1/0/10"));
    ASSERT_EQ(of("SET pgweir.routing = 'primary'"), step::answered);
    ASSERT_EQ(of("SET pgweir.read_consistency = 'primary'"), step::answered);
    ASSERT_EQ(of("SET pgweir.read_after = ''"), step::answered);
    ASSERT_EQ(of("RESET pgweir.routing"), step::answered);
    EXPECT_EQ(of("UPDATE"), step::standby);
    session_.reset_all();
    EXPECT_EQ(session_.consistency(terms_.consistency), terms_.consistency);
    EXPECT_EQ(session_.marks.after.lsn, 0x10U);
    routed_session next_process(std::nullopt);
    ASSERT_TRUE(session_.set(own_parameter::routing, "primary"));
    next_process.take(session_.carried());
    next_process.reset(own_parameter::routing);
    EXPECT_EQ(next_process.carried().own.routing, routing::prefer_standby);
    EXPECT_EQ(next_process.marks.after.lsn, 0x10U);
}

TEST_F(RoutedSessionTest, DefaultReadOnlyIsReadOnly) {
    terms_.read_by_default = true;
    ASSERT_EQ(of("BEGIN"), step::answered);
    EXPECT_EQ(of("SELECT 1"), step::read);
    ASSERT_EQ(of("COMMIT"), step::answered);
    ASSERT_EQ(of("BEGIN READ WRITE"), step::answered);
    EXPECT_EQ(of("SELECT 1"), step::primary);
}

TEST_F(RoutedSessionTest, SerializableIsThePrimarys) {
    ASSERT_EQ(of("BEGIN READ ONLY, ISOLATION LEVEL SERIALIZABLE"), step::answered);
    EXPECT_EQ(of("SELECT 1"), step::primary);
}

TEST_F(RoutedSessionTest, EmptyTransactionNeverReachesAServer) {
    for (const std::string_view end : {"COMMIT", "END", "ROLLBACK", "ABORT"}) {
        ASSERT_EQ(of("BEGIN"), step::answered);
        EXPECT_EQ(of(end), step::answered);
        EXPECT_EQ(status(), 'I');
        EXPECT_FALSE(session_.begun());
    }
}

TEST_F(RoutedSessionTest, WhatIsNotKnownHereBringsTheBeginAlong) {
    for (const std::string_view text :
         {"BEGIN",
          "SAVEPOINT a",
          "COMMIT AND CHAIN",
          "ROLLBACK TO a",
          "DISCARD ALL",
          "SET TRANSACTION SNAPSHOT 'x'",
          "PREPARE TRANSACTION 'x'"}) {
        ASSERT_EQ(of("BEGIN"), step::answered) << text;
        EXPECT_EQ(of(text), step::primary) << text;
        EXPECT_TRUE(session_.begun());
        session_.sent_begin();
    }
}

TEST_F(RoutedSessionTest, EndWithoutABeginIsPostgreSQLsToWarnOf) {
    EXPECT_EQ(of("COMMIT"), step::primary);
    EXPECT_EQ(of("SET TRANSACTION READ ONLY"), step::primary);
}

TEST_F(RoutedSessionTest, DeferringCanBeOff) {
    terms_.defer_begin = false;
    EXPECT_EQ(of("BEGIN READ ONLY"), step::primary);
    EXPECT_FALSE(session_.begun());
}

TEST_F(RoutedSessionTest, ModesOfOneTransactionAreNotThoseOfTheNext) {
    ASSERT_EQ(of("BEGIN READ ONLY"), step::answered);
    ASSERT_EQ(of("COMMIT"), step::answered);
    ASSERT_EQ(of("BEGIN"), step::answered);
    EXPECT_EQ(of("SELECT 1"), step::primary);
}

TEST_F(RoutedSessionTest, BeginComesBackToBeSentAgain) {
    ASSERT_EQ(of("BEGIN READ ONLY"), step::answered);
    const auto texts = session_.deferred();
    session_.sent_begin();
    EXPECT_FALSE(session_.begun());
    session_.resume_begin(texts);
    EXPECT_TRUE(session_.begun());
    EXPECT_EQ(session_.deferred(), texts);
}

TEST_F(RoutedSessionTest, WrongValueIsAnErrorAndChangesNothing) {
    EXPECT_EQ(of("SET pgweir.routing = 'nowhere'"), step::refused);
    EXPECT_EQ(types(out_), "EZ");
    EXPECT_NE(out_.find("22023"), std::string::npos);
    EXPECT_EQ(of("SET pgweir.routing = 'off'"), step::refused);
    EXPECT_EQ(of("SET pgweir.read_after = '16/B374D848'"), step::refused) << "without a timeline";
    EXPECT_EQ(of("SET pgweir.last_write = '1/0/1'"), step::refused);
    EXPECT_EQ(of("SELECT 1"), step::read);
}

TEST_F(RoutedSessionTest, ErrorInATransactionThatIsNotSentYetLeavesItOpen) {
    ASSERT_EQ(of("BEGIN"), step::answered);
    EXPECT_EQ(of("SET pgweir.routing = 'nowhere'"), step::refused);
    EXPECT_EQ(status(), 'T');
}

TEST_F(RoutedSessionTest, OwnSettingsAreShown) {
    ASSERT_EQ(of("SHOW pgweir.routing"), step::answered);
    EXPECT_EQ(types(out_), "TDCZ");
    EXPECT_NE(out_.find("auto"), std::string::npos);
    ASSERT_EQ(of("SET pgweir.read_after = '2/0/10'"), step::answered);
    EXPECT_EQ(session_.marks.after, (wal_position{2, 16}));
    ASSERT_EQ(next(extended("SHOW pgweir.read_after")).what, step::answered);
    EXPECT_EQ(types(out_), "12TDCZ");
    EXPECT_NE(out_.find("2/0/10"), std::string::npos);
    ASSERT_EQ(of("SET pgweir.read_after = ''"), step::answered);
    EXPECT_FALSE(session_.marks.after.known());
}

TEST_F(RoutedSessionTest, LastWriteIsTheFirstPositionThatIsKnownToHoldIt) {
    terms_.sampled_at = at(50);
    terms_.inserted = {1, 256};
    ASSERT_EQ(of("SHOW pgweir.last_write"), step::answered);
    EXPECT_EQ(out_.find("1/0/100"), std::string::npos) << "nothing was written";
    session_.marks.written = at(60);
    EXPECT_EQ(of("SHOW pgweir.last_write"), step::sample);
    terms_.sampled_at = at(61);
    ASSERT_EQ(of("SHOW pgweir.last_write"), step::answered);
    EXPECT_NE(out_.find("1/0/100"), std::string::npos);
}

}  // namespace
}  // namespace pgweir::session
