#include "session/session_watch.hpp"

#include "session/known_settings.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

namespace pgweir::session {
namespace {

using namespace std::string_literals;
using protocol::request;
using sql::backslash;

class SessionWatchTest : public testing::Test {
protected:
    /// The body in two pieces, sent under the next number. True if there is something to follow.
    bool send(request what, const std::string& body, std::size_t first) {
        number++;
        const auto found =
            watch.request(what, body.substr(0, first), body.size(), backslash::plain);
        left = found.leaves;
        if (!found.nothing()) {
            watch.sent(number, found);
        }
        if (watch.collecting()) {
            const auto later = watch.more(body.substr(first) + "Q\0\0\0\x05"s).leaves;
            left = later ? later : left;
        }
        EXPECT_FALSE(watch.collecting());
        return watch.active();
    }

    bool send(request what, const std::string& body) { return send(what, body, body.size()); }

    session_watch watch;
    std::uint64_t number = 0;
    std::optional<leak> left;
};

TEST_F(SessionWatchTest, QueriesCostNothing) {
    EXPECT_FALSE(send(request::query, "select 1\0"s));
    EXPECT_FALSE(send(request::parse, "\0select 1\0\0\0"s));
    EXPECT_FALSE(send(request::parse, "s\0commit\0\0\0"s));
    EXPECT_FALSE(send(request::bind, "\0\0\0\0\0\0\0\0"s));
    EXPECT_FALSE(send(request::execute, "\0\0\0\0\0"s));
    EXPECT_FALSE(send(request::sync, ""));
    EXPECT_EQ(watch.state(), nullptr);
}

TEST_F(SessionWatchTest, ASetIsFollowed) {
    EXPECT_TRUE(send(request::query, "set a = 1\0"s));
    EXPECT_EQ(watch.state()->on_tag("SET", number), std::nullopt);
    EXPECT_EQ(
        watch.state()->on_ready(protocol::transaction_status::idle, false, number + 1), std::nullopt
    );
    EXPECT_EQ(watch.state()->take_committed().size(), 1u);
}

TEST_F(SessionWatchTest, APreparedOneIsFollowedWhenItIsExecuted) {
    EXPECT_FALSE(send(request::parse, "s\0set a = 1\0\0\0"s));
    EXPECT_FALSE(send(request::bind, "p\0s\0\0\0\0\0\0\0"s));
    EXPECT_FALSE(send(request::execute, "\0\0\0\0\0"s));
    EXPECT_TRUE(send(request::execute, "p\0\0\0\0\0"s));
}

TEST_F(SessionWatchTest, AnotherStatementOfTheSameNameIsAnother) {
    send(request::parse, "s\0set a = 1\0\0\0"s);
    send(request::parse, "s\0select 1\0\0\0"s);
    send(request::bind, "\0s\0\0\0\0\0\0\0"s);
    EXPECT_FALSE(send(request::execute, "\0\0\0\0\0"s));
    send(request::parse, "s\0set a = 1\0\0\0"s);
    send(request::close, "Ss\0"s);
    send(request::bind, "\0s\0\0\0\0\0\0\0"s);
    EXPECT_FALSE(send(request::execute, "\0\0\0\0\0"s));
}

TEST_F(SessionWatchTest, BodiesCutAnywhereAreReadAllTheSame) {
    const std::string body = "select 1; set a = 1\0"s;
    for (std::size_t cut = 0; cut < body.size(); cut++) {
        EXPECT_TRUE(send(request::query, body, cut)) << cut;
        watch.lease_over();
    }
    const std::string parse = "s\0set a = 1\0\0\0"s;
    for (std::size_t cut = 0; cut < parse.size(); cut++) {
        send(request::parse, "s\0select 1\0\0\0"s);
        send(request::parse, parse, cut);
        send(request::bind, "\0s\0\0\0\0\0\0\0"s);
        EXPECT_TRUE(send(request::execute, "\0\0\0\0\0"s)) << cut;
        watch.lease_over();
    }
}

TEST_F(SessionWatchTest, OfALongTextEveryPieceIsLookedAt) {
    const std::string filler(300000, 'x');
    for (std::string_view word : {"set_config(", "pg_advisory_lock(", "TEMP "}) {
        const std::string body = "select '" + filler + "', " + std::string(word) + filler + '\0';
        for (const std::size_t cut : {body.find(word), body.find(word) + 3, std::size_t{270000}}) {
            send(request::query, body, cut);
            EXPECT_EQ(left, leak::unread) << word << cut;
        }
    }
    send(request::query, "select '" + filler + "';\n\0"s, 270000);
    EXPECT_EQ(left, std::nullopt);
}

TEST_F(SessionWatchTest, OfALongTextASecondStatementMayDoAnything) {
    const std::string filler(300000, 'x');
    const std::string body = "select '" + filler + "'; do 'code'; select '" + filler + "';\0"s;
    const std::size_t between = body.find(';');
    for (const std::size_t cut :
         {between - 1, between, between + 1, between + 2, body.size() - 2}) {
        send(request::query, body, cut);
        EXPECT_EQ(left, leak::unread) << cut;
    }
    send(request::query, "do '" + filler + "'\0"s, 270000);
    EXPECT_EQ(left, leak::unread);
    send(request::parse, "name\0select '"s + filler + "';\0\0\1\0\0\0;"s, 270000);
    EXPECT_EQ(left, std::nullopt);
}

TEST_F(SessionWatchTest, WhatIsShorterIsReadWhole) {
    const std::string filler(100000, 'x');
    send(request::query, "select '" + filler + "'; select ';'\0"s, 70000);
    EXPECT_EQ(left, std::nullopt);
    send(request::query, "select '" + filler + "'; listen x\0"s, 70000);
    EXPECT_TRUE(watch.active());
}

TEST_F(SessionWatchTest, FunctionThatIsCalledByItsNumberMayDoAnything) {
    send(request::function_call, "\0\0\x08\x1e\0\0"s);  // set_config
    EXPECT_EQ(left, leak::call);
    send(request::function_call, "\0\0"s);
    EXPECT_EQ(left, leak::call);
    send(request::function_call, "\0\0\x03\xb8\0\0"s);  // lo_open
    EXPECT_EQ(left, std::nullopt);
}

TEST_F(SessionWatchTest, UpdateOfTheViewOfSettingsIsASetting) {
    for (const char* text :
         {"update pg_settings set setting = 'x' where name = 'search_path'",
          "UPDATE pg_catalog.\"pg_settings\" SET setting = 'x'",
          "with a as (update pg_settings set setting = 'x' returning 1) select 1"}) {
        EXPECT_TRUE(send(request::query, std::string(text) + '\0')) << text;
        EXPECT_EQ(watch.state()->on_tag("UPDATE 1", number), leak::setting) << text;
        watch.lease_over();
    }
    send(request::query, "select * from pg_settings\0"s);
    EXPECT_FALSE(watch.active());
}

TEST_F(SessionWatchTest, ARequestThatWasSkippedIsNotExpected) {
    const auto found = watch.request(request::query, "set a", 10, backslash::plain);
    EXPECT_TRUE(found.collects);
    watch.more(" = 1\0"s);
    EXPECT_FALSE(watch.active());
}

TEST_F(SessionWatchTest, ALockStaysWhateverComesOfIt) {
    send(request::query, "select pg_advisory_lock(1), 1/0\0"s);
    EXPECT_EQ(left, leak::lock);
    send(request::parse, "s\0select pg_advisory_lock(1)\0\0\0"s);
    EXPECT_EQ(left, std::nullopt);
    send(request::bind, "\0s\0\0\0\0\0\0\0"s);
    send(request::execute, "\0\0\0\0\0"s);
    EXPECT_EQ(left, leak::lock);
}

TEST_F(SessionWatchTest, EachKindIsNewsOnce) {
    EXPECT_TRUE(watch.is_news(leak::listen));
    EXPECT_TRUE(watch.is_news(leak::lock));
    EXPECT_FALSE(watch.is_news(leak::listen));
}

TEST(KnownSettingsTest, NamesThatASessionMayHave) {
    for (const char* name : {"work_mem", "role", "statement_timeout", "app.tenant", "a.b.c_1"}) {
        EXPECT_TRUE(is_known_setting(name)) << name;
    }
    for (const char* name :
         {"shared_buffers", "no_such_thing", "", ".", "a.", ".a", "1.a", "a.1", "a;b.c", "a b.c"}) {
        EXPECT_FALSE(is_known_setting(name)) << name;
    }
}

}  // namespace
}  // namespace pgweir::session
