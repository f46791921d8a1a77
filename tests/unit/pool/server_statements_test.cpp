#include "pool/server_statements.hpp"

#include "protocol/message.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::pool {
namespace {

using kind = statement_effect::kind;
using scope = statement_effect::scope;
using standing = server_statements::standing;

struct ServerStatementsTest : testing::Test {
    parameter_store parameters{{}};
    statement_store store{parameters};
    server_statements server;
    statement_ptr a = make("a");
    statement_ptr b = make("b");
    statement_ptr c = make("c");

    statement_ptr make(const std::string& text) {
        return store.find_or_make(this, text + std::string(3, '\0'), parameters.empty());
    }

    void expect(
        kind what, const statement_ptr& s, std::uint32_t segment = 0, scope where = scope::server
    ) {
        server.expect({what, where, s, "name", segment});
    }

    void have(const statement_ptr& s) {
        expect(kind::prepare, s);
        server.done();
    }
};

TEST_F(ServerStatementsTest, IsPreparedWhenTheAnswerHasCome) {
    EXPECT_EQ(server.standing_of(*a, 0), standing::missing);
    expect(kind::prepare, a, 5);
    EXPECT_EQ(server.standing_of(*a, 5), standing::prepared)
        << "what comes behind in the segment relies on it";
    EXPECT_EQ(server.standing_of(*a, 6), standing::unsure) << "the segment may fail";
    EXPECT_EQ(server.size(), 0u);
    const statement_effect effect = server.done();
    EXPECT_EQ(effect.statement, a);
    EXPECT_EQ(effect.name, "name");
    EXPECT_EQ(server.standing_of(*a, 6), standing::prepared);
    EXPECT_EQ(server.size(), 1u);
    EXPECT_EQ(server.in_flight(), 0u);
}

TEST_F(ServerStatementsTest, WhatIsDroppedChangesNothing) {
    have(a);
    expect(kind::close, a, 1);
    expect(kind::prepare, b, 1);
    EXPECT_EQ(server.standing_of(*a, 1), standing::missing);
    server.dropped();
    server.dropped();
    EXPECT_EQ(server.standing_of(*a, 2), standing::prepared);
    EXPECT_EQ(server.standing_of(*b, 2), standing::missing);
}

TEST_F(ServerStatementsTest, EffectsOfTheClientAloneDoNotConcernTheServer) {
    expect(kind::prepare, a, 0, scope::client);
    EXPECT_EQ(server.standing_of(*a, 0), standing::missing);
    server.done();
    EXPECT_EQ(server.size(), 0u);
}

TEST_F(ServerStatementsTest, TheLeastRecentlyUsedGoesFirst) {
    have(a);
    have(b);
    have(c);
    EXPECT_EQ(server.victim(4, 1, nullptr), nullptr);
    EXPECT_EQ(server.victim(3, 1, nullptr), a);
    server.use(*a, 7);
    EXPECT_EQ(server.victim(3, 1, nullptr), b);
    EXPECT_EQ(server.victim(3, 1, b.get()), c);
}

TEST_F(ServerStatementsTest, WhatIsUnderWayCountsForTheLimit) {
    have(a);
    have(b);
    expect(kind::prepare, c);
    EXPECT_EQ(server.victim(3, 1, nullptr), a);
    expect(kind::close, a);
    EXPECT_EQ(server.victim(3, 1, nullptr), nullptr) << "one goes already";
    EXPECT_EQ(server.victim(2, 1, nullptr), b) << "the one that goes is not chosen again";
}

TEST_F(ServerStatementsTest, RowsAreKnownWhenTheyWereDescribed) {
    have(a);
    EXPECT_FALSE(server.rows_of(*a));
    expect(kind::describe, a);
    EXPECT_TRUE(server.describing());
    std::string rows;
    protocol::put_row_description(rows, {{"x", 23}});
    server.rows_described(std::string_view(rows).substr(5));
    server.done();
    EXPECT_FALSE(server.describing());
    EXPECT_EQ(server.rows_of(*a), fingerprint_of_rows(std::string_view(rows).substr(5)));
}

TEST_F(ServerStatementsTest, NothingIsLeftWhenAllAreDropped) {
    have(a);
    have(b);
    server.clear();
    EXPECT_EQ(server.size(), 0u);
    EXPECT_EQ(server.standing_of(*a, 0), standing::missing);
    have(a);
    EXPECT_EQ(server.size(), 1u);
}

TEST_F(ServerStatementsTest, WhatTheServerDoesNotKnowIsForgotten) {
    have(a);
    have(b);
    server.lost(a->number());
    server.lost(a->number());
    EXPECT_EQ(server.standing_of(*a, 0), standing::missing);
    EXPECT_EQ(server.standing_of(*b, 0), standing::outdated) << "that may be gone, too";
    EXPECT_EQ(server.losses(), 2u);
    expect(kind::close, b, 1);
    expect(kind::prepare, b, 1);
    EXPECT_EQ(server.standing_of(*b, 1), standing::prepared);
    server.done();
    server.done();
    EXPECT_EQ(server.standing_of(*b, 2), standing::prepared);
}

TEST_F(ServerStatementsTest, KnowsWhatWasUsedSince) {
    have(a);
    have(b);
    server.use(*b, 3);
    server.use(*a, 4);
    EXPECT_TRUE(server.used_since(*a, 4));
    EXPECT_FALSE(server.used_since(*b, 4));
    EXPECT_TRUE(server.used_since(*b, 0xffff'ffff)) << "segments are counted round";
    EXPECT_FALSE(server.used_since(*c, 0));
}

TEST_F(ServerStatementsTest, KnowsSinceWhenItHasAStatement) {
    EXPECT_EQ(server.turn_of(*a), std::nullopt);
    server.expect({kind::prepare, scope::server, a, "", 0, {}, 7});
    EXPECT_EQ(server.turn_of(*a), std::nullopt) << "the answer is not here yet";
    server.done();
    EXPECT_EQ(server.turn_of(*a), 7u);
    server.confirm(a->number(), 9);
    server.confirm(b->number(), 9);
    EXPECT_EQ(server.turn_of(*a), 9u);
    EXPECT_EQ(server.turn_of(*b), std::nullopt);
}

TEST_F(ServerStatementsTest, UnnamedOnesTakeThePlaceOfUnnamedOnesOnly) {
    const auto have_for = [&](const statement_ptr& s, bool unnamed) {
        server.expect({kind::prepare, scope::server, s, "", 0, {}, 0, unnamed});
        server.done();
    };
    EXPECT_FALSE(server.room_for_unnamed(0).found);
    EXPECT_TRUE(server.room_for_unnamed(1).found);
    have_for(a, false);
    EXPECT_FALSE(server.room_for_unnamed(1).found);
    have_for(b, true);
    have_for(c, true);
    EXPECT_EQ(server.room_for_unnamed(3).victim, b) << "the least recently used";
    server.use(*b, 1, server_statements::usage::unnamed);
    EXPECT_EQ(server.room_for_unnamed(3).victim, c);
    expect(kind::close, c, 1);
    EXPECT_TRUE(server.room_for_unnamed(3).found);
    EXPECT_EQ(server.room_for_unnamed(3).victim, nullptr) << "one goes already";
    server.dropped();
    server.use(*c, 2);
    server.use(*b, 2);
    EXPECT_FALSE(server.room_for_unnamed(3).found) << "they have names now";
    EXPECT_TRUE(server.room_for_unnamed(4).found);
}

TEST_F(ServerStatementsTest, OnlyWhatWasUsedSinceIsRetired) {
    have(a);
    have(b);
    server.use(*a, 4);
    server.use(*b, 5);
    server.retire_used_since(5);
    EXPECT_EQ(make("a"), a);
    EXPECT_NE(make("b"), b);
}

TEST_F(ServerStatementsTest, ManyEffectsComeOutInTheirOrder) {
    for (std::uint32_t i = 0; i < 300; i++) {
        expect(kind::prepare, i % 2 == 0 ? a : b, i);
        if (i % 3 != 0) {
            const std::uint32_t oldest = server.queue()[server.head()].segment;
            EXPECT_EQ(server.done().segment, oldest);
        }
    }
    std::uint32_t last = 0;
    while (server.in_flight() != 0) {
        const std::uint32_t segment = server.done().segment;
        EXPECT_GT(segment, last);
        last = segment;
    }
    EXPECT_EQ(last, 299u);
}

std::uint64_t fingerprint(const std::vector<protocol::column>& columns) {
    std::string rows;
    protocol::put_row_description(rows, columns);
    return fingerprint_of_rows(std::string_view(rows).substr(5));
}

TEST(FingerprintTest, TellsNamesTypesAndOrderApart) {
    const std::uint64_t one = fingerprint({{"a", 23}, {"b", 25}});
    EXPECT_EQ(one, fingerprint({{"a", 23}, {"b", 25}}));
    EXPECT_NE(one, fingerprint({{"b", 25}, {"a", 23}}));
    EXPECT_NE(one, fingerprint({{"a", 20}, {"b", 25}}));
    EXPECT_NE(one, fingerprint({{"a", 23}, {"c", 25}}));
    EXPECT_NE(one, fingerprint({{"a", 23}}));
    EXPECT_EQ(fingerprint({}), fingerprint_of_rows({})) << "no columns and no data";
}

}  // namespace
}  // namespace pgweir::pool
