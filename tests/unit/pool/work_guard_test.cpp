#include "pool/work_guard.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::pool {
namespace {

using namespace std::string_literals;
using protocol::request;
using protocol::transaction_status;

constexpr auto idle = transaction_status::idle;
constexpr auto in_transaction = transaction_status::in_transaction;

bool cancels(const work_guard& guard) {
    return guard.can_be_cancelled(sql::backslash::plain);
}

bool query_cancels(std::string_view sql, transaction_status status, bool whole = true) {
    work_guard guard;
    guard.begin(status);
    guard.sent(request::query, std::string(sql) + '\0', whole);
    return cancels(guard);
}

TEST(WorkGuardTest, StatementsThatLeaveTheTransactionOpen) {
    for (const char* sql :
         {"SELECT 1",
          "select pg_sleep(10);",
          " \t\r\n\f\v INSERT INTO t VALUES (1) ; ",
          "UPDATE t SET commit = 1",
          "SELECT ';'",
          "/* a */ SELECT 1; SELECT 2",
          "SAVEPOINT a",
          "ROLLBACK TO a",
          "COPY t FROM STDIN",
          "WITH a AS (SELECT 1) TABLE a"}) {
        EXPECT_TRUE(query_cancels(sql, in_transaction)) << sql;
    }
}

TEST(WorkGuardTest, StatementsThatMayCommit) {
    for (const char* sql :
         {"COMMIT",
          "commit;",
          "  CoMmIt AND CHAIN",
          "END",
          "ROLLBACK",
          "ABORT",
          "PREPARE TRANSACTION 'x'",
          "COMMIT/* now */",
          "-- x\ncommit",
          "SELECT 1; COMMIT",
          "select 'broken"}) {
        EXPECT_FALSE(query_cancels(sql, in_transaction)) << sql;
    }
}

TEST(WorkGuardTest, OutsideOfATransactionOnlyProvedReads) {
    EXPECT_TRUE(query_cancels("select pg_sleep(10)", idle));
    EXPECT_TRUE(query_cancels("SELECT * FROM t WHERE a IN (1, 2)", idle));
    for (const char* sql :
         {"insert into t values (1)",
          "select f()",
          "select * from t for update",
          "select 1; select 2",
          "begin",
          ""}) {
        EXPECT_FALSE(query_cancels(sql, idle)) << sql;
    }
}

TEST(WorkGuardTest, NothingIsCancelledInAFailedTransaction) {
    EXPECT_FALSE(query_cancels("select 1", transaction_status::failed));
}

TEST(WorkGuardTest, TextThatIsNotAtHandMayDoAnything) {
    EXPECT_FALSE(query_cancels("SELECT 1", in_transaction, false));
    EXPECT_FALSE(query_cancels("SELECT '" + std::string(3000, 'x') + "'", in_transaction));
}

TEST(WorkGuardTest, WithNothingUnderWayThereIsNothingToCancel) {
    EXPECT_FALSE(cancels(work_guard()));
    work_guard guard;
    guard.begin(in_transaction);
    EXPECT_FALSE(cancels(guard));
}

TEST(WorkGuardTest, OneThatMayCommitIsEnoughUntilTheServerHasAnswered) {
    work_guard guard;
    guard.begin(in_transaction);
    guard.sent(request::query, "COMMIT\0"s, true);
    guard.sent(request::query, "SELECT 1\0"s, true);
    EXPECT_FALSE(cancels(guard));
    guard.begin(in_transaction);
    guard.sent(request::query, "SELECT 1\0"s, true);
    guard.sent(request::query, "SELECT 2\0"s, true);
    EXPECT_TRUE(cancels(guard));
}

TEST(WorkGuardTest, UnnamedStatementIsKnownByItsParse) {
    work_guard guard;
    guard.begin(in_transaction);
    guard.sent(request::parse, "\0SELECT 1\0\0\0"s, true);
    guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
    guard.sent(request::execute, "\0\0\0\0\0"s, true);
    guard.sent(request::sync, "", true);
    EXPECT_TRUE(cancels(guard));
    guard.sent(request::parse, "\0COMMIT\0\0\0"s, true);
    EXPECT_TRUE(cancels(guard)) << "not executed yet";
    guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
    EXPECT_FALSE(cancels(guard));
}

TEST(WorkGuardTest, UnnamedStatementIsRememberedBeyondAnAnswer) {
    work_guard guard;
    guard.begin(idle);
    guard.sent(request::parse, "\0SELECT 1\0\0\0"s, true);
    guard.begin(idle);
    guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
    EXPECT_TRUE(cancels(guard));
    guard.sent(request::parse, "\0insert into t values (1)\0\0\0"s, true);
    guard.begin(idle);
    guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
    EXPECT_FALSE(cancels(guard));
}

TEST(WorkGuardTest, CutParseMayDoAnything) {
    work_guard guard;
    guard.begin(in_transaction);
    guard.sent(request::parse, "\0SELECT"s, false);
    guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
    EXPECT_FALSE(cancels(guard));
}

TEST(WorkGuardTest, NamedStatementsAndPortalsMayDoAnything) {
    const auto after = [](request what, const std::string& body) {
        work_guard guard;
        guard.begin(in_transaction);
        guard.sent(request::parse, "\0SELECT 1\0\0\0"s, true);
        guard.sent(request::bind, "\0\0\0\0\0\0\0\0"s, true);
        guard.sent(what, body, true);
        return cancels(guard);
    };
    EXPECT_FALSE(after(request::bind, "\0s1\0\0\0\0\0\0\0"s));
    EXPECT_FALSE(after(request::bind, "portal\0s1\0"s));
    EXPECT_TRUE(after(request::bind, "portal\0\0\0\0\0\0\0\0"s));
    EXPECT_FALSE(after(request::bind, "cut"));
    EXPECT_FALSE(after(request::bind, ""));
    EXPECT_FALSE(after(request::execute, "portal\0\0\0\0\0"s));
    EXPECT_FALSE(after(request::execute, ""));
    EXPECT_FALSE(after(request::function_call, ""));
    EXPECT_TRUE(after(request::parse, "named\0COMMIT\0\0\0"s)) << "its Bind will tell";
}

TEST(WorkGuardTest, BoundStatementsOfKnownText) {
    work_guard guard;
    guard.begin(idle);
    guard.bound("select 1");
    EXPECT_TRUE(cancels(guard));
    guard.bound("insert into t values (1)");
    EXPECT_FALSE(cancels(guard));
    guard.begin(in_transaction);
    guard.bound("insert into t values (1)");
    EXPECT_TRUE(cancels(guard));
    guard.bound("");
    EXPECT_FALSE(cancels(guard));
}

TEST(WorkGuardTest, OtherMessagesExecuteNothing) {
    for (const request what :
         {request::sync,
          request::describe,
          request::close,
          request::flush,
          request::copy_data,
          request::copy_end}) {
        work_guard guard;
        guard.begin(in_transaction);
        guard.sent(request::query, "SELECT 1\0"s, true);
        guard.sent(what, "", true);
        EXPECT_TRUE(cancels(guard));
    }
}

}  // namespace
}  // namespace pgweir::pool
