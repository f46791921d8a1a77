#include "router/first_word.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::router {
namespace {

std::optional<judgement> judged(std::string_view text) {
    return judge_by_first_word(text, sql::backslash::plain);
}

void expect_reason(std::string_view text, reason why) {
    const auto verdict = judged(text);
    ASSERT_TRUE(verdict) << text;
    EXPECT_FALSE(verdict->read) << text;
    EXPECT_EQ(verdict->why, why) << text << ": " << name_of(verdict->why);
}

TEST(FirstWordTest, QueriesNeedACloserLook) {
    for (const char* text :
         {"select 1",
          "SELECT 1",
          "with x as (select 1) select 2",
          "values (1)",
          "table t",
          "(select 1)",
          "explain select 1",
          "copy t to stdout",
          "declare c cursor for select 1",
          "; select 1",
          "/* insert */ select 1"}) {
        EXPECT_FALSE(judged(text)) << text;
    }
}

TEST(FirstWordTest, NothingIsARead) {
    for (const char* text : {"", ";", " ;; ", "-- x", "/* x */"}) {
        const auto verdict = judged(text);
        ASSERT_TRUE(verdict) << text;
        EXPECT_TRUE(verdict->read && verdict->harmless) << text;
    }
}

TEST(FirstWordTest, OthersSayItAtOnce) {
    expect_reason("insert into t values (1)", reason::writes);
    expect_reason("UPDATE t SET a = 1", reason::writes);
    expect_reason("/* select */ delete from t", reason::writes);
    expect_reason("create table t ()", reason::writes);
    expect_reason("call p()", reason::writes);
    expect_reason("do 'x'", reason::writes);
    expect_reason("notify x", reason::writes);
    expect_reason("lock table t", reason::locks);
    expect_reason("listen x", reason::session_state);
    expect_reason("set x = 1", reason::session_state);
    expect_reason("execute p", reason::session_state);
    expect_reason("prepare p as insert into t values (1)", reason::session_state);
    expect_reason("show x", reason::server_state);
    expect_reason("wait for lsn '0/1'", reason::server_state);
}

TEST(FirstWordTest, TransactionsAreToldFromTwoPhaseCommit) {
    for (const char* text :
         {"begin",
          "START TRANSACTION READ ONLY",
          "commit",
          "end",
          "rollback",
          "abort",
          "savepoint a",
          "release a",
          "rollback to a",
          "set transaction read only",
          "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"}) {
        expect_reason(text, reason::transaction);
    }
    expect_reason("commit prepared 'x'", reason::writes);
    expect_reason("rollback prepared 'x'", reason::writes);
    expect_reason("prepare transaction 'x'", reason::writes);
    expect_reason("prepare transaction as select 1", reason::session_state);
    expect_reason("set transaction snapshot 'x'", reason::session_state);
}

TEST(FirstWordTest, WhatIsNoStatementIsNotUnderstood) {
    expect_reason("selec 1", reason::not_understood);
    expect_reason("\"select\" 1", reason::not_understood);
    expect_reason("'x", reason::not_understood);
    expect_reason("averyveryverylongword", reason::not_understood);
    expect_reason("1", reason::not_understood);
}

}  // namespace
}  // namespace pgweir::router
