#include "router/classifier.hpp"

#include "unit/router/small_database.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace pgweir::router {
namespace {

using test::small_database;

class ClassifierTest : public ::testing::Test {
protected:
    ClassifierTest() { judge.use_catalogue(id, database.build()); }

    judgement settled(std::string_view text) { return judge.settled(text, scope()); }

    name_scope scope() const { return {id, "app", {}, {}}; }

    small_database database;
    classifier judge;
    const std::uint32_t id = 1;
};

TEST_F(ClassifierTest, ANewShapeIsNotJudgedAndThenIs) {
    const judgement first = judge.of("select * from t where a = 1", scope());
    EXPECT_FALSE(first.read);
    EXPECT_EQ(first.why, reason::not_judged);
    const judgement second = settled("select * from t where a = 2");
    EXPECT_TRUE(second.read);
    EXPECT_TRUE(second.harmless);
    EXPECT_EQ(judge.figures().analysed, 1U);
}

TEST_F(ClassifierTest, AShapeIsAnalysedOnce) {
    for (int i = 0; i < 100; i++) {
        judge.of("select " + std::to_string(i), scope());
    }
    settled("select 100");
    EXPECT_EQ(judge.figures().analysed, 1U);
}

TEST_F(ClassifierTest, WhatTheFirstWordSaysNeedsNoAnalysis) {
    EXPECT_EQ(judge.of("insert into t values (1)", scope()).why, reason::writes);
    EXPECT_EQ(judge.of("begin", scope()).why, reason::transaction);
    EXPECT_TRUE(settled("").read);
    EXPECT_EQ(judge.figures().analysed, 0U);
}

TEST_F(ClassifierTest, SeveralStatementsAreJudgedTogether) {
    EXPECT_TRUE(settled("select 1; select 2").read);
    EXPECT_EQ(settled("select 1; insert into t values (1)").why, reason::writes);
    EXPECT_EQ(settled("select 1; begin").why, reason::transaction);
}

TEST_F(ClassifierTest, WithoutACatalogueNothingIsARead) {
    EXPECT_EQ(judge.of("select 1", {0, "app", {}, {}}).why, reason::unknown_name);
    EXPECT_EQ(judge.of("select 1", {77, "app", {}, {}}).why, reason::unknown_name);
    EXPECT_EQ(judge.of("select 1", {1U << 31, "app", {}, {}}).why, reason::unknown_name);
    EXPECT_TRUE(settled("select 1").read);
    judge.use_catalogue(id, nullptr);
    EXPECT_EQ(judge.of("select 1", scope()).why, reason::unknown_name);
}

TEST_F(ClassifierTest, AnUnknownSearchPathIsUnknown) {
    name_scope unknown = scope();
    unknown.search_path_known = false;
    EXPECT_EQ(judge.of("select 1", unknown).why, reason::unknown_name);
    const std::string endless(100'000, 'a');
    unknown = scope();
    unknown.search_path = endless;
    EXPECT_EQ(judge.of("select 1", unknown).why, reason::unknown_name);
}

TEST_F(ClassifierTest, ANewCatalogueDropsTheVerdicts) {
    EXPECT_EQ(settled("select f(1)").why, reason::unknown_name);
    database.function("public", "f", 1, 's');
    judge.use_catalogue(id, database.build());
    EXPECT_EQ(judge.of("select f(1)", scope()).why, reason::not_judged);
    EXPECT_TRUE(settled("select f(1)").read);
}

TEST_F(ClassifierTest, CreateOrReplaceFunctionIsSeenWithTheNextCatalogue) {
    database.function("public", "f", 1, 's');
    judge.use_catalogue(id, database.build());
    EXPECT_TRUE(settled("select f(1)").read);
    database.function("public", "f", 1, 'v');
    judge.use_catalogue(id, database.build());
    EXPECT_FALSE(settled("select f(1)").read);
}

TEST_F(ClassifierTest, AnEqualCatalogueKeepsTheVerdicts) {
    EXPECT_TRUE(settled("select 1").read);
    judge.use_catalogue(id, database.build());
    EXPECT_TRUE(judge.of("select 1", scope()).read);
}

TEST_F(ClassifierTest, CataloguesDoNotMixTheirVerdicts) {
    constexpr std::uint32_t other = 2;
    EXPECT_TRUE(settled("select * from t").read);
    EXPECT_EQ(judge.of("select * from t", {other, "app", {}, {}}).why, reason::unknown_name);
}

TEST_F(ClassifierTest, ThereAreOnlySoManyCatalogues) {
    for (const std::uint32_t beyond : {0U, 4096U, ~0U}) {
        judge.use_catalogue(beyond, database.build());
        EXPECT_EQ(judge.of("select 1", {beyond, "app", {}, {}}).why, reason::unknown_name);
    }
}

TEST_F(ClassifierTest, WhatMayChangeAJudgementBeginsAnEpoch) {
    EXPECT_TRUE(settled("select * from t where a = 1").read);
    const std::uint64_t before = judge.epoch();
    EXPECT_TRUE(settled("select * from t where a = 3").read);
    judge.use_catalogue(id, database.build());
    EXPECT_EQ(judge.epoch(), before) << "nothing has changed";
    judge.refused("select * from t where a = 1", scope(), "25006");
    const std::uint64_t refused = judge.epoch();
    EXPECT_NE(refused, before);
    judge.use_catalogue(id, database.build());
    EXPECT_NE(judge.epoch(), refused) << "what was refused is judged anew";
}

TEST_F(ClassifierTest, ARefusalIsLearntForTheShape) {
    EXPECT_TRUE(settled("select * from t where a = 1").read);
    judge.refused("select * from t where a = 1", scope(), "25006");
    const judgement verdict = judge.of("select * from t where a = 2", scope());
    EXPECT_FALSE(verdict.read);
    EXPECT_EQ(verdict.why, reason::refused);
    EXPECT_TRUE(settled("select * from u").read);
}

TEST_F(ClassifierTest, ARefusalIsForgottenWhenTheCatalogueIsReadAnew) {
    EXPECT_TRUE(settled("select * from t").read);
    judge.refused("select * from t", scope(), "42P01");
    judge.use_catalogue(id, database.build());
    EXPECT_TRUE(settled("select * from t").read);
}

TEST_F(ClassifierTest, WhatIsOverInAMomentIsNotLearnt) {
    EXPECT_TRUE(settled("select * from t").read);
    for (const char* state : {"40001", "53300", "57P03", "57014", "08006", "22012", ""}) {
        judge.refused("select * from t", scope(), state);
        EXPECT_TRUE(judge.of("select * from t", scope()).read) << state;
    }
    for (const char* state : {"0A000", "55000", "XX000", "3F000", "42501"}) {
        judge.refused("select * from t", scope(), state);
        EXPECT_EQ(judge.of("select * from t", scope()).why, reason::refused) << state;
    }
}

// Hostile texts.

std::string repeated(std::string_view what, std::size_t times) {
    std::string out;
    out.reserve(what.size() * times);
    for (std::size_t i = 0; i < times; i++) {
        out += what;
    }
    return out;
}

TEST_F(ClassifierTest, TextsThatWouldKillTheGrammarNeverReachIt) {
    constexpr std::size_t terms = 400'000;
    for (const char* term : {"+1", " and a", " or a", "||a", " union select 1"}) {
        EXPECT_EQ(judge.of("select a" + repeated(term, terms), scope()).why, reason::not_understood)
            << term;
    }
    constexpr std::size_t depth = 100'000;
    EXPECT_EQ(
        judge.of("select " + repeated("(", depth) + "1" + repeated(")", depth), scope()).why,
        reason::not_understood
    );
    settled("");
    EXPECT_EQ(judge.figures().analysed, 0U);
}

TEST_F(ClassifierTest, ALongTextOfManyTokensDoesNotReachItEither) {
    EXPECT_EQ(
        judge.of("select a" + repeated("+1", token_limit / 2), scope()).why, reason::not_understood
    );
}

TEST_F(ClassifierTest, TheDeepestTextThatReachesItIsJudged) {
    EXPECT_TRUE(settled("select 1" + repeated("+1", token_limit / 2 - 2)).read);
    EXPECT_TRUE(settled("select true" + repeated(" or true", token_limit / 2 - 2)).read);
}

TEST_F(ClassifierTest, AHundredMegabytesAreNotRead) {
    const std::string text = "select '" + std::string(100'000'000, 'x') + "'";
    EXPECT_EQ(judge.of(text, scope()).why, reason::not_understood);
}

TEST(ClassifierBoundsTest, WhatFindsNoRoomIsAskedForAgain) {
    small_database database;
    classifier judge({.verdicts = 100, .waiting = 0, .bytes_waiting = 100});
    constexpr std::uint32_t id = 1;
    judge.use_catalogue(id, database.build());
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(judge.of("select 1", {id, "app", {}, {}}).why, reason::not_judged);
    }
    EXPECT_EQ(judge.figures().turned_away, 3U);
    EXPECT_EQ(judge.figures().analysed, 0U);
}

TEST(ClassifierBoundsTest, EndsWithTextsStillWaiting) {
    small_database database;
    classifier judge;
    constexpr std::uint32_t id = 1;
    judge.use_catalogue(id, database.build());
    for (int i = 0; i < 500; i++) {
        judge.of("select a" + std::to_string(i), {id, "app", {}, {}});
    }
}

TEST_F(ClassifierTest, ThreadsAgree) {
    std::vector<std::thread> threads;
    for (int seed = 0; seed < 4; seed++) {
        threads.emplace_back([this, seed] {
            for (int i = 0; i < 2000; i++) {
                const int number = (i * 7 + seed) % 40;
                const bool writes = number % 2 == 0;
                const std::string text = writes
                                             ? "select nextval('a') as a" + std::to_string(number)
                                             : "select lower('a') as a" + std::to_string(number);
                const judgement verdict = judge.of(text, scope());
                EXPECT_FALSE(writes && verdict.read) << text;
                if (i % 500 == 0) {
                    judge.use_catalogue(id, database.build());
                }
            }
        });
    }
    for (std::thread& one : threads) {
        one.join();
    }
    EXPECT_TRUE(settled("select lower('a') as a1").read);
}

}  // namespace
}  // namespace pgweir::router
