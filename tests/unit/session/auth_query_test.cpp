#include "session/auth_query.hpp"

#include "protocol/message.hpp"
#include "protocol/pipeline.hpp"
#include "session/auth_cache.hpp"
#include "unit/config/support.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

namespace pgweir::session {
namespace {

using kind = looked_up::kind;

// What is asked, and where.

std::optional<auth_query_request> asked(std::string text, std::string_view database) {
    return auth_query_for(*config::test::good(std::move(text)), database, "amelie");
}

TEST(AuthQueryTest, WithoutAuthUserNobodyIsAsked) {
    EXPECT_FALSE(asked("[databases]\ndb =\n[pgbouncer]\n", "db"));
}

TEST(AuthQueryTest, ADatabaseIsAskedItself) {
    const auto what = asked("[databases]\ndb =\n[pgbouncer]\nauth_user = asker\n", "db");
    ASSERT_TRUE(what);
    EXPECT_EQ(what->database, "db");
    EXPECT_EQ(what->auth_user, "asker");
    EXPECT_EQ(what->user, "amelie");
    EXPECT_NE(what->query.find("pg_authid"), std::string::npos);
}

TEST(AuthQueryTest, ADatabasesOwnWordsWin) {
    const auto what = asked(
        "[databases]\ndb = auth_user=b auth_query='SELECT 2' auth_dbname=c\nc =\n"
        "[pgbouncer]\nauth_user = a\nauth_query = SELECT 1\nauth_dbname = d\n",
        "db"
    );
    ASSERT_TRUE(what);
    EXPECT_EQ(*what, (auth_query_request{"c", "b", "SELECT 2", "amelie"}));
}

TEST(AuthQueryTest, UnknownDatabasesAreLookedUpWhereAuthDbnameSays) {
    EXPECT_FALSE(asked("[pgbouncer]\nauth_user = a\n", "nowhere"));
    const auto what = asked("[databases]\nd =\n[pgbouncer]\nauth_user = a\nauth_dbname = d\n", "x");
    ASSERT_TRUE(what);
    EXPECT_EQ(what->database, "d");
}

TEST(AuthQueryTest, TheConsoleIsNeverAsked) {
    EXPECT_FALSE(asked("[databases]\n* =\n[pgbouncer]\nauth_user = a\n", "pgbouncer"));
    EXPECT_FALSE(asked("[databases]\n* =\n[pgbouncer]\nauth_user = a\n", "pgweir"));
}

TEST(AuthQueryTest, TheNameIsAParameterAndNotText) {
    std::string out;
    put_auth_query(out, {"db", "asker", "SELECT $1", "'; DROP TABLE x; --"});
    EXPECT_NE(out.find(std::string_view("SELECT $1\0", 10)), std::string::npos);
    EXPECT_EQ(out.find("SELECT '; DROP"), std::string::npos);
    std::string types;
    for (std::string_view rest = out; !rest.empty();) {
        types.push_back(rest[0]);
        protocol::message_reader reader(rest.substr(1));
        reader.bytes(static_cast<std::size_t>(reader.int32()) - 4);
        ASSERT_TRUE(reader.ok());
        rest = reader.rest();
    }
    EXPECT_EQ(types, "PBDES");
}

// What the answer means.

void put(std::string& out, char type, std::string_view body = "") {
    protocol::message_writer(out, type).bytes(body);
}

std::string description(const std::vector<protocol::column>& columns) {
    std::string out;
    put(out, '1');
    put(out, '2');
    protocol::put_row_description(out, columns);
    return out;
}

const std::vector<protocol::column> two{{"user", 25}, {"password", 25}};

std::string end() {
    std::string out;
    protocol::put_command_complete(out, "SELECT 1");
    protocol::put_ready_for_query(out, protocol::transaction_status::idle);
    return out;
}

std::string row(const std::vector<protocol::field>& fields) {
    std::string out;
    protocol::put_data_row(out, fields);
    return out;
}

looked_up read(std::string_view bytes, std::size_t piece = 0) {
    auth_reply reply;
    while (!bytes.empty()) {
        const std::string_view part = bytes.substr(0, piece == 0 ? bytes.size() : piece);
        bytes.remove_prefix(part.size());
        reply.feed(part);
    }
    return std::move(reply).result();
}

TEST(AuthReplyTest, OneRowIsTheUserHoweverItIsCut) {
    const std::string all = description(two) + row({"amelie", "geheim"}) + end();
    for (std::size_t piece = 0; piece <= all.size(); piece++) {
        const looked_up found = read(all, piece);
        EXPECT_EQ(found.what, kind::found) << piece;
        EXPECT_EQ(found.name, "amelie");
        EXPECT_EQ(found.password.view(), "geheim");
    }
}

TEST(AuthReplyTest, NoRowIsNobody) {
    EXPECT_EQ(read(description(two) + end()).what, kind::nobody);
}

TEST(AuthReplyTest, NullPasswordIsNobodyAndAnEmptyOneIsAUser) {
    EXPECT_EQ(read(description(two) + row({"amelie", std::nullopt}) + end()).what, kind::nobody);
    const looked_up found = read(description(two) + row({"amelie", ""}) + end());
    EXPECT_EQ(found.what, kind::found);
    EXPECT_TRUE(found.password.empty());
}

TEST(AuthReplyTest, NullNameIsRefused) {
    EXPECT_EQ(read(description(two) + row({std::nullopt, "x"}) + end()).what, kind::refused);
    EXPECT_EQ(read(description(two) + row({"", "x"}) + end()).what, kind::refused);
}

TEST(AuthReplyTest, ExactlyTwoColumnsAndOneRow) {
    EXPECT_EQ(read(description({{"a", 25}}) + row({"a"}) + end()).what, kind::refused);
    EXPECT_EQ(
        read(description({{"a", 25}, {"b", 25}, {"c", 25}}) + row({"a", "b", "c"}) + end()).what,
        kind::refused
    );
    EXPECT_EQ(read(row({"a", "b"}) + end()).what, kind::refused) << "without its description";
    EXPECT_EQ(
        read(description(two) + row({"a", "b"}) + row({"c", "d"}) + end()).what, kind::refused
    );
    std::string no_data;
    put(no_data, 'n');
    EXPECT_EQ(read(no_data + end()).what, kind::refused);
}

TEST(AuthReplyTest, ErrorsAreKeptForTheLog) {
    std::string error;
    protocol::put_error(error, protocol::severity::error, "42501", "permission denied");
    const looked_up answer = read(error + end());
    EXPECT_EQ(answer.what, kind::refused);
    EXPECT_EQ(answer.code, errc::auth_query_failed);
    EXPECT_EQ(answer.detail, "permission denied");
    const looked_up late = read(description(two) + row({"amelie", "geheim"}) + error);
    EXPECT_EQ(late.what, kind::refused);
    EXPECT_TRUE(late.password.empty());
}

TEST(AuthReplyTest, AnAnswerWithoutItsEndIsNone) {
    EXPECT_EQ(read("").what, kind::refused);
    EXPECT_EQ(read(description(two) + row({"amelie", "geheim"})).what, kind::refused);
}

TEST(AuthReplyTest, WhatNobodyNeedsIsBounded) {
    const std::string huge(100'000, 'x');
    EXPECT_EQ(read(description(two) + row({"amelie", huge}) + end()).what, kind::refused);
}

// What is kept.

class AuthCacheTest : public testing::Test {
protected:
    static auth_query_request request(std::string user) {
        return {"db", "asker", "SELECT 1", std::move(user)};
    }

    void put(std::string user, seconds until, std::size_t limit = 10) {
        looked_up answer;
        answer.what = kind::found;
        answer.name = user;
        cache.put(request(std::move(user)), answer, steady_time(until), limit);
    }

    bool knows(std::string user, seconds now = seconds(0)) {
        return cache.find(request(std::move(user)), steady_time(now)).has_value();
    }

    auth_cache cache;
};

TEST_F(AuthCacheTest, KeepsAnAnswerForItsTime) {
    put("a", seconds(10));
    EXPECT_TRUE(knows("a", seconds(9)));
    EXPECT_FALSE(knows("a", seconds(10)));
    EXPECT_EQ(cache.size(), 0u);
    EXPECT_FALSE(knows("b"));
}

TEST_F(AuthCacheTest, AnotherQueryOrDatabaseIsAnotherAnswer) {
    put("a", seconds(10));
    EXPECT_FALSE(cache.find({"other", "asker", "SELECT 1", "a"}, steady_time()));
    EXPECT_FALSE(cache.find({"db", "other", "SELECT 1", "a"}, steady_time()));
    EXPECT_FALSE(cache.find({"db", "asker", "SELECT 2", "a"}, steady_time()));
}

TEST_F(AuthCacheTest, TheOneUsedTheLongestAgoGoesFirst) {
    put("a", seconds(10), 2);
    put("b", seconds(10), 2);
    EXPECT_TRUE(knows("a"));
    put("c", seconds(10), 2);
    EXPECT_EQ(cache.size(), 2u);
    EXPECT_FALSE(knows("b"));
    EXPECT_TRUE(knows("a"));
    put("c", seconds(10), 2);
    EXPECT_EQ(cache.size(), 2u);
}

TEST_F(AuthCacheTest, DropsOneOrAll) {
    put("a", seconds(10));
    put("b", seconds(10));
    cache.drop(request("a"));
    cache.drop(request("a"));
    EXPECT_FALSE(knows("a"));
    EXPECT_TRUE(knows("b"));
    cache.clear();
    EXPECT_FALSE(knows("b"));
}

}  // namespace
}  // namespace pgweir::session
