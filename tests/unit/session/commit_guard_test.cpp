#include "session/commit_guard.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::session {
namespace {

using namespace std::string_literals;
using protocol::request;

bool query_may_commit(std::string_view sql, bool whole = true) {
    commit_guard guard;
    guard.begin();
    guard.sent(request::query, std::string(sql) + '\0', whole);
    return guard.may_commit();
}

TEST(CommitGuardTest, StatementsThatLeaveTheTransactionOpen) {
    for (const char* sql :
         {"SELECT 1",
          "select pg_sleep(10);",
          " \t\r\n\f\v INSERT INTO t VALUES (1) ; ",
          "UPDATE t SET commit = 1",
          "DELETE FROM t",
          "LOCK t",
          "SAVEPOINT a",
          "RELEASE a",
          "SET x = 1",
          "committed",
          "ender",
          "COPY t FROM STDIN",
          "WITH a AS (SELECT 1) TABLE a"}) {
        EXPECT_FALSE(query_may_commit(sql)) << sql;
    }
}

TEST(CommitGuardTest, StatementsThatMayCommit) {
    for (const char* sql :
         {"COMMIT",
          "commit;",
          "  CoMmIt AND CHAIN",
          "END",
          "end transaction",
          "ROLLBACK",
          "rollback to a",
          "ABORT",
          "PREPARE TRANSACTION 'x'",
          "COMMIT/* now */"}) {
        EXPECT_TRUE(query_may_commit(sql)) << sql;
    }
}

TEST(CommitGuardTest, WhatIsNotASinglePlainStatementMayCommit) {
    for (const char* sql :
         {"SELECT 1; COMMIT",
          "SELECT 1;;",
          "SELECT ';'",
          "/* a */ SELECT 1",
          "-- a\nSELECT 1",
          "(SELECT 1)",
          "",
          "   ",
          ";"}) {
        EXPECT_TRUE(query_may_commit(sql)) << sql;
    }
}

TEST(CommitGuardTest, TextThatIsNotAtHandMayCommit) {
    EXPECT_TRUE(query_may_commit("SELECT 1", false));
}

TEST(CommitGuardTest, UntilItBeginsAnythingMayCommit) {
    EXPECT_TRUE(commit_guard().may_commit());
}

TEST(CommitGuardTest, OneThatMayCommitIsEnoughUntilTheServerHasAnswered) {
    commit_guard guard;
    guard.begin();
    guard.sent(request::query, "COMMIT\0"s, true);
    guard.sent(request::query, "SELECT 1\0"s, true);
    EXPECT_TRUE(guard.may_commit());
    guard.begin();
    EXPECT_FALSE(guard.may_commit());
    guard.sent(request::query, "SELECT 1\0"s, true);
    EXPECT_FALSE(guard.may_commit());
}

TEST(CommitGuardTest, UnnamedStatementIsKnownByItsParse) {
    commit_guard guard;
    guard.begin();
    guard.sent(request::parse, "\0SELECT 1\0\0\0"s, true);
    guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
    guard.sent(request::execute, "\0\0\0\0\0"s, true);
    guard.sent(request::sync, "", true);
    EXPECT_FALSE(guard.may_commit());
    guard.sent(request::parse, "\0COMMIT\0\0\0"s, true);
    EXPECT_FALSE(guard.may_commit()) << "not executed yet";
    guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
    EXPECT_TRUE(guard.may_commit());
}

TEST(CommitGuardTest, UnnamedStatementIsRememberedBeyondAnAnswer) {
    commit_guard guard;
    guard.begin();
    guard.sent(request::parse, "\0COMMIT\0\0\0"s, true);
    guard.begin();
    guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
    EXPECT_TRUE(guard.may_commit());
}

TEST(CommitGuardTest, CutParseMayCommit) {
    commit_guard guard;
    guard.begin();
    guard.sent(request::parse, "\0SELECT"s, false);
    guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
    EXPECT_TRUE(guard.may_commit());
}

TEST(CommitGuardTest, NamedStatementsAndPortalsMayCommit) {
    const auto after = [](request what, const std::string& body) {
        commit_guard guard;
        guard.begin();
        guard.sent(request::parse, "\0SELECT 1\0\0\0"s, true);
        guard.sent(what, body, true);
        return guard.may_commit();
    };
    EXPECT_TRUE(after(request::bind, "\0s1\0\0\0\0\0\0\0"s));
    EXPECT_TRUE(after(request::bind, "portal\0s1\0"s));
    EXPECT_FALSE(after(request::bind, "portal\0\0\0\0\0\0\0\0"s));
    EXPECT_TRUE(after(request::bind, "cut"));
    EXPECT_TRUE(after(request::bind, ""));
    EXPECT_TRUE(after(request::execute, "portal\0\0\0\0\0"s));
    EXPECT_TRUE(after(request::execute, ""));
    EXPECT_FALSE(after(request::parse, "named\0COMMIT\0\0\0"s)) << "its Bind will tell";
}

TEST(CommitGuardTest, OtherMessagesExecuteNothing) {
    commit_guard guard;
    guard.begin();
    for (const request what :
         {request::function_call,
          request::sync,
          request::describe,
          request::close,
          request::flush,
          request::copy_data,
          request::copy_end}) {
        guard.sent(what, "", true);
        EXPECT_FALSE(guard.may_commit());
    }
}

}  // namespace
}  // namespace pgweir::session
