#include "sql/statement.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {
namespace {

using kind = statement_kind;

std::vector<statement> read(std::string_view text) {
    statement_reader reader(text);
    std::vector<statement> out;
    statement one;
    while (reader.next(one)) {
        EXPECT_LE(one.begin, one.end);
        EXPECT_LE(one.end, text.size());
        out.push_back(one);
    }
    return out;
}

std::vector<std::string> texts(std::string_view text) {
    std::vector<std::string> out;
    for (const statement& one : read(text)) {
        out.emplace_back(text.substr(one.begin, one.end - one.begin));
    }
    return out;
}

statement only(std::string_view text) {
    const auto all = read(text);
    EXPECT_EQ(all.size(), 1u) << text;
    return all.empty() ? statement() : all.front();
}

kind kind_of(std::string_view text) {
    return only(text).kind;
}

using list = std::vector<std::string>;

TEST(StatementTest, StatementsEndAtSemicolons) {
    EXPECT_EQ(texts("select 1; select 2"), (list{"select 1", "select 2"}));
    EXPECT_EQ(texts(" ;; a ;/* ; */; b -- ;\n;"), (list{"a", "b"}));
    EXPECT_EQ(texts(""), list{});
    EXPECT_EQ(texts("--"), list{});
    EXPECT_EQ(texts("select ';', $$;$$, \";\""), (list{"select ';', $$;$$, \";\""}));
}

TEST(StatementTest, SemicolonsInParenthesesEndNothing) {
    EXPECT_EQ(texts("create rule r as on insert to t do (a; b); c").size(), 2u);
    EXPECT_EQ(texts("a ) ; b").size(), 2u);
}

TEST(StatementTest, SemicolonsInARoutinesBodyEndNothing) {
    EXPECT_EQ(
        texts("create or replace function f() returns int begin atomic select 1;"
              " select case when true then 1 end; end; commit"),
        (list{
            "create or replace function f() returns int begin atomic select 1;"
            " select case when true then 1 end; end",
            "commit"})
    );
    EXPECT_EQ(texts("create procedure p() begin atomic delete from t; end; a").size(), 2u);
    // Not a routine: BEGIN is just a name.
    EXPECT_EQ(texts("create table function_log (begin int); atomic; b").size(), 3u);
}

TEST(StatementTest, ABrokenTextHasNoStatements) {
    statement_reader reader("set a = 1; select 'x");
    statement one;
    EXPECT_TRUE(reader.next(one));
    EXPECT_FALSE(reader.next(one));
    EXPECT_TRUE(reader.broken());
    EXPECT_FALSE(reader.next(one));
}

TEST(StatementTest, Transactions) {
    for (const char* sql :
         {"BEGIN",
          "begin work",
          "START TRANSACTION READ ONLY",
          "begin isolation level serializable"}) {
        EXPECT_EQ(kind_of(sql), kind::begin) << sql;
    }
    for (const char* sql :
         {"COMMIT", "commit work", "END", "end transaction", "commit and no chain"}) {
        EXPECT_EQ(kind_of(sql), kind::commit) << sql;
        EXPECT_FALSE(only(sql).chain) << sql;
    }
    for (const char* sql : {"ROLLBACK", "ABORT", "rollback transaction", "/* a */ rollback -- b"}) {
        EXPECT_EQ(kind_of(sql), kind::rollback) << sql;
    }
    EXPECT_TRUE(only("commit work and chain").chain);
    EXPECT_TRUE(only("rollback and chain").chain);
    EXPECT_EQ(kind_of("prepare transaction 'x'"), kind::prepare_transaction);
    EXPECT_EQ(kind_of("commit prepared 'x'"), kind::other);
    EXPECT_EQ(kind_of("rollback prepared 'x'"), kind::other);
    EXPECT_EQ(kind_of("committed"), kind::other);
}

TEST(StatementTest, Savepoints) {
    EXPECT_EQ(kind_of("savepoint a"), kind::savepoint);
    EXPECT_EQ(only("savepoint \"A\"").name.text, "\"A\"");
    EXPECT_EQ(only("release a").name.text, "a");
    EXPECT_EQ(kind_of("release savepoint a"), kind::release);
    EXPECT_EQ(only("release savepoint a").name.text, "a");
    for (const char* sql :
         {"rollback to a",
          "rollback to savepoint a",
          "rollback work to a",
          "abort transaction to a"}) {
        EXPECT_EQ(kind_of(sql), kind::rollback_to) << sql;
        EXPECT_EQ(only(sql).name.text, "a") << sql;
    }
}

struct assignment {
    const char* sql;
    std::string_view parameter;
    std::string_view value;
};

TEST(StatementTest, Parameters) {
    for (const assignment& one : {
             assignment{"SET x = 1", "x", "1"},
             {"set X to 'a', b ; ", "X", "'a', b"},
             {"set session x = default", "x", "default"},
             {"set app.\"Some\".thing = 'y' -- z", "app.\"Some\".thing", "'y'"},
             {"set app . x = on", "app . x", "on"},
             {"set role a", "role", "a"},
             {"set session role none", "role", "none"},
             {"set role = a", "role", "a"},
             {"set time zone interval '1' hour", "timezone", "interval '1' hour"},
             {"set time zone 'UTC'", "timezone", "'UTC'"},
             {"set names 'utf8'", "client_encoding", "'utf8'"},
             {"set names", "client_encoding", ""},
             {"set schema 'a'", "search_path", "'a'"},
             {"set xml option document", "xmloption", "document"},
             {"set x =", "x", ""},
         }) {
        const statement found = only(one.sql);
        EXPECT_EQ(found.kind, kind::set) << one.sql;
        EXPECT_EQ(found.parameter, one.parameter) << one.sql;
        EXPECT_EQ(found.value, one.value) << one.sql;
        EXPECT_FALSE(found.local) << one.sql;
    }
    EXPECT_TRUE(only("set local x = 1").local);
    EXPECT_EQ(only("set local x = 1").parameter, "x");
    EXPECT_TRUE(only("set local role a").local);
}

TEST(StatementTest, WhatSetDoesBesides) {
    EXPECT_EQ(kind_of("set transaction read only"), kind::set_transaction);
    EXPECT_EQ(kind_of("set local transaction read only"), kind::set_transaction);
    EXPECT_EQ(kind_of("set constraints all deferred"), kind::set_transaction);
    EXPECT_EQ(
        kind_of("set session characteristics as transaction read only"),
        kind::session_characteristics
    );
    EXPECT_EQ(only("set session characteristics as transaction read only").value, "read only");
    EXPECT_EQ(kind_of("set session authorization a"), kind::session_authorization);
    EXPECT_EQ(kind_of("set session authorization default"), kind::session_authorization);
    EXPECT_EQ(kind_of("set local session authorization a"), kind::set_transaction);
}

TEST(StatementTest, Resets) {
    EXPECT_EQ(kind_of("reset all"), kind::reset_all);
    EXPECT_EQ(only("RESET a.b").parameter, "a.b");
    EXPECT_EQ(only("reset role").parameter, "role");
    EXPECT_EQ(only("reset time zone").parameter, "timezone");
    EXPECT_EQ(kind_of("reset transaction isolation level"), kind::set_transaction);
    EXPECT_EQ(kind_of("reset session authorization"), kind::session_authorization);
    EXPECT_EQ(kind_of("discard all"), kind::discard_all);
    EXPECT_EQ(kind_of("discard plans"), kind::discard);
    EXPECT_EQ(kind_of("discard temp"), kind::discard);
}

TEST(StatementTest, PreparedStatements) {
    EXPECT_EQ(kind_of("prepare a as select 1"), kind::prepare);
    EXPECT_EQ(only("prepare \"a b\" (int) as select $1").name.text, "\"a b\"");
    EXPECT_EQ(only("prepare transaction as select 1").name.text, "transaction");
    EXPECT_EQ(only("execute a(1)").name.text, "a");
    EXPECT_EQ(kind_of("execute a"), kind::execute);
    EXPECT_EQ(only("deallocate a").name.text, "a");
    EXPECT_EQ(only("deallocate prepare a").name.text, "a");
    EXPECT_EQ(kind_of("deallocate prepare"), kind::deallocate);
    EXPECT_EQ(only("deallocate prepare").name.text, "prepare");
    EXPECT_EQ(kind_of("deallocate all"), kind::deallocate_all);
    EXPECT_EQ(kind_of("deallocate prepare all"), kind::deallocate_all);
    EXPECT_EQ(kind_of("deallocate \"all\""), kind::deallocate);
    EXPECT_EQ(kind_of("deallocate prepare;"), kind::deallocate);
}

TEST(StatementTest, PreparedStatementsAreExecutedByOthersToo) {
    for (const char* sql :
         {"explain execute p",
          "explain analyze verbose execute p(1)",
          "explain (analyze, buffers (x)) execute p",
          "create table t as execute p",
          "create table if not exists s.t (a, b) with (x = 1) on commit drop as execute p (1)",
          "create temp table t as execute p",
          "create unlogged table t as execute \"p\"",
          "explain create table t as execute p"}) {
        const statement found = only(sql);
        EXPECT_EQ(found.kind, kind::execute) << sql;
        EXPECT_TRUE(found.name.text == "p" || found.name.text == "\"p\"") << sql;
    }
    EXPECT_EQ(kind_of("explain select 1"), kind::other);
    EXPECT_EQ(kind_of("create table t (a int default (select 1 as execute))"), kind::other);
    EXPECT_TRUE(only("create temp table t as execute p").temporary);
}

TEST(StatementTest, NamesAreWhereTheyAreInTheText) {
    const std::string_view sql = "select 1; execute  p1 (2); deallocate p2";
    const auto all = read(sql);
    EXPECT_EQ(sql.substr(all[1].name.begin, 2), "p1");
    EXPECT_EQ(sql.substr(all[2].name.begin, 2), "p2");
}

TEST(StatementTest, WhatStaysWithASession) {
    EXPECT_EQ(kind_of("listen a"), kind::listen);
    EXPECT_EQ(kind_of("unlisten *"), kind::unlisten);
    EXPECT_EQ(kind_of("notify a"), kind::other);
    EXPECT_EQ(kind_of("load 'x'"), kind::load);
    EXPECT_EQ(kind_of("declare a cursor with hold for select 1"), kind::hold);
    EXPECT_EQ(kind_of("declare a binary scroll cursor with hold for select 1"), kind::hold);
    EXPECT_EQ(kind_of("declare a cursor for select 1"), kind::other);
    EXPECT_EQ(kind_of("declare a cursor without hold for select 1"), kind::other);
}

TEST(StatementTest, WhatIsTemporary) {
    for (const char* sql :
         {"create temp table t (a int)",
          "create temporary table t as select 1",
          "CREATE LOCAL TEMP TABLE t (a int) on commit delete rows",
          "create or replace temp view v as select 1",
          "create temp sequence s",
          "create table pg_temp.t (a int)",
          "create function pg_temp.f() returns int language sql as 'select 1'",
          "select 1 into temp t",
          "select 1 into temporary table t",
          "select 1 as a into pg_temp.t",
          "select 1 as a into \"pg_temp\".t",
          "select 1 as a into local temp t",
          "select 1 as a into global temporary table t",
          "(select 1 as a into temp t)",
          "with a as (select 1) select * into temp t from a"}) {
        EXPECT_TRUE(only(sql).temporary) << sql;
    }
    for (const char* sql :
         {"create temp table t (a int) on commit drop",
          "create temp table t on commit drop as select 1",
          "create table t (temp int)",
          "create table temperature ()",
          "insert into temp values (1)",
          "select temp from t",
          "select 1 into t",
          "drop table pg_temp.t"}) {
        EXPECT_FALSE(only(sql).temporary) << sql;
    }
}

TEST(StatementTest, CallsOfSetConfig) {
    for (const char* sql :
         {"select set_config('a', 'b', false)",
          "select pg_catalog.set_config($1, $2, $3)",
          "select \"set_config\"('a', 'b', false)",
          "SELECT SET_CONFIG('a', 'b', not true)",
          "select set_config('a', 'b', true), set_config('a', 'b', false)",
          "select set_config('a', set_config('b', 'c', true), true)",
          "update t set a = set_config('a', 'b', false)",
          "explain analyze select set_config('a', 'b', false)"}) {
        EXPECT_TRUE(only(sql).sets_config) << sql;
    }
    for (const char* sql :
         {"select set_config('a', 'b', true)",
          "select set_config('a', f(1, 2), true) from t",
          "select set_config($1, $2, TRUE), 1",
          "select set_config",
          "select 'set_config(1)'",
          "select current_setting('a')"}) {
        EXPECT_FALSE(only(sql).sets_config) << sql;
    }
}

TEST(StatementTest, AdvisoryLocksOfTheSession) {
    for (const char* sql :
         {"select pg_advisory_lock(1)",
          "select pg_catalog.pg_try_advisory_lock_shared(1, 2)",
          "with a as (select PG_ADVISORY_LOCK_SHARED(1)) table a",
          "select pg_try_advisory_lock(1) from t"}) {
        EXPECT_TRUE(only(sql).locks_session) << sql;
    }
    for (const char* sql :
         {"select pg_advisory_xact_lock(1)",
          "select pg_advisory_unlock_all()",
          "select pg_try_advisory_xact_lock_shared(1)",
          "select pg_advisory_lock"}) {
        EXPECT_FALSE(only(sql).locks_session) << sql;
    }
}

TEST(StatementTest, CodeThatMayChangeTheSession) {
    for (const char* sql :
         {"do $$ begin perform set_config('a', 'b', false); end $$",
          "do $x$ begin if true then set a = 1; end if; end $x$",
          "do language plpgsql 'begin listen a; end'",
          "do $$ begin execute 'set a = 1'; end $$",
          "do $$ begin create temp table t (); end $$",
          "do $$ begin perform pg_advisory_lock(1); end $$"}) {
        EXPECT_EQ(kind_of(sql), kind::code) << sql;
    }
    for (const char* sql :
         {"do $$ begin update t set a = 1; end $$",
          "do $$ begin perform 1; end $$",
          "do ''",
          "do"}) {
        EXPECT_NE(kind_of(sql), kind::code) << sql;
    }
}

TEST(StatementTest, WhatLeavesATransactionOpen) {
    for (const char* sql :
         {"select 1",
          "select 1; select 2",
          "savepoint a",
          "rollback to a",
          "set a = 1",
          "begin",
          ""}) {
        EXPECT_TRUE(leaves_transaction_open(sql, backslash::plain)) << sql;
    }
    for (const char* sql :
         {"commit",
          "END",
          "abort",
          "select 1; commit",
          "/* x */ rollback",
          "prepare transaction 'a'",
          "commit and chain",
          "select 'open"}) {
        EXPECT_FALSE(leaves_transaction_open(sql, backslash::plain)) << sql;
    }
    EXPECT_FALSE(leaves_transaction_open("select '\\'; commit; --'", backslash::plain));
    EXPECT_TRUE(leaves_transaction_open("select '\\'; commit; --'", backslash::escapes));
}

}  // namespace
}  // namespace pgweir::sql
