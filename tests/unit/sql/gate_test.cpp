#include "sql/gate.hpp"

#include "sql/read_proof.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::sql {
namespace {

TEST(GateTest, OrdinaryStatementsPass) {
    for (const char* sql :
         {"SELECT abalance FROM pgbench_accounts WHERE aid = 1;",
          "  select 1 ; \n",
          "/* x */ INSERT INTO t (company, stamp) VALUES ('provider of services', now())",
          "update t set _c = 1, timestamp = 2, set_x = 'serving' where view = 'vi' ",
          "with a as (select 1) delete from t",
          "begin",
          "COMMIT",
          "rollback to savepoint a",
          "copy t from stdin"}) {
        EXPECT_TRUE(leaves_session_alone(sql)) << sql;
    }
}

TEST(GateTest, WhatMayChangeTheSessionDoesNot) {
    for (const char* sql :
         {"set x = 1",
          "reset all",
          "select 1; set x = 1",
          "select set_config('a', 'b', false)",
          "SELECT SET_CONFIG('a', 'b', false)",
          "select pg_advisory_lock(1)",
          "select Pg_Advisory_Lock(1)",
          "select 1 into temp t",
          "select 1 into TEMPORARY t",
          "create table t ()",
          "listen a",
          "prepare a as select 1",
          "do $$ $$",
          "select 1;;",
          "",
          "'"}) {
        EXPECT_FALSE(leaves_session_alone(sql)) << sql;
    }
}

TEST(GateTest, FirstWordIsReadAlikeInShortAndLongTexts) {
    for (std::string_view word : {"select", "SELECT", "with", "end", "rollback", "Truncate"}) {
        for (std::size_t after = 1; after < 40; after++) {
            const std::string behind(after, ' ');
            EXPECT_TRUE(leaves_session_alone(std::string(word) + behind)) << word << after;
            EXPECT_TRUE(leaves_session_alone(" \n" + std::string(word) + behind)) << word << after;
            EXPECT_FALSE(leaves_session_alone(std::string(word) + "x" + behind)) << word << after;
            EXPECT_FALSE(leaves_session_alone("1" + std::string(word) + behind)) << word << after;
            EXPECT_TRUE(leaves_session_alone(std::string(word) + "(" + behind)) << word << after;
        }
    }
}

TEST(GateTest, NothingIsOverlookedWhereverItStands) {
    for (std::string_view what : {"set_config(", "pg_advisory_", "TEMP x", "; x", "PG_SETTINGS"}) {
        for (std::size_t before = 0; before < 40; before++) {
            for (std::size_t after = 0; after < 40; after++) {
                const std::string sql = "select " + std::string(before, ' ') + std::string(what) +
                                        std::string(after, ' ');
                EXPECT_FALSE(leaves_session_alone(sql)) << before << " " << after;
            }
        }
    }
}

TEST(GateTest, PartsOfALongText) {
    EXPECT_TRUE(holds_nothing("('a'), ('b'), 'c'"));
    EXPECT_FALSE(holds_nothing("('a'), ('b'); 'c'"));
    EXPECT_TRUE(holds_nothing("('a');")) << "which counts in the next part";
    EXPECT_FALSE(holds_nothing("('a'); "));
    EXPECT_TRUE(ends_alone("('a');\n "));
    EXPECT_FALSE(ends_alone("('a'); do"));
    EXPECT_TRUE(may_begin_alone("insert into t values (1"));
    EXPECT_FALSE(may_begin_alone("insert into t values (1); do "));
    EXPECT_FALSE(may_begin_alone("do $$ begin"));
    EXPECT_TRUE(holds_nothing(""));
    EXPECT_TRUE(holds_nothing("x"));
    EXPECT_FALSE(holds_nothing("), (set_config('a', 'b', false))"));
    EXPECT_FALSE(holds_nothing("advisory"));
}

TEST(GateTest, TagsOfWhatChangesTheSession) {
    for (const char* tag : {"SET", "RESET", "LISTEN", "LOAD", "DISCARD ALL"}) {
        EXPECT_FALSE(tag_leaves_session_alone(tag)) << tag;
    }
    for (const char* tag :
         {"SELECT 1",
          "SAVEPOINT",
          "SET CONSTRAINTS",
          "ROLLBACK",
          "LOCK TABLE",
          "DELETE 0",
          "",
          "INSERT 0 1"}) {
        EXPECT_TRUE(tag_leaves_session_alone(tag)) << tag;
    }
}

bool reads(std::string_view sql) {
    return is_proved_read(sql, backslash::plain);
}

TEST(ReadProofTest, PlainReads) {
    for (const char* sql :
         {"select 1",
          "SELECT * FROM t WHERE a IN (1, 2) AND (b = 'into' OR c IS NULL) ORDER BY 1;",
          "select count(*), max(a), coalesce(b, 'x') from t group by b having count(*) > 1",
          "select pg_sleep(60)",
          "select pg_catalog.pg_sleep(60)",
          "values (1), (2)",
          "table t",
          "with a as (select 1), b as materialized (select 2) select * from a, b",
          "select (select max(x) from t) + (1 * (2))",
          "select x::varchar(10), a[1] from generate_series(1, 10) x",
          "select row_number() over (partition by a order by (b)) from t"}) {
        EXPECT_TRUE(reads(sql)) << sql;
    }
}

TEST(ReadProofTest, WhatIsNotProved) {
    for (const char* sql :
         {"insert into t values (1)",
          "with a as (insert into t values (1) returning 1) select * from a",
          "with a as (delete from t returning 1) table a",
          "select 1 into t",
          "select * from t for update",
          "select * from t for no key update",
          "select f(1)",
          "select nextval('s')",
          "select pg_advisory_lock(1)",
          "select set_config('a', 'b', false)",
          "select mine.count(1)",
          "select mine.pg_sleep(1)",
          "select \"f\"(1)",
          "select \"count\"(1)",
          "select 1; select 2",
          "select 'x",
          "explain analyze select 1",
          "call p()",
          "",
          "begin"}) {
        EXPECT_FALSE(reads(sql)) << sql;
    }
}

}  // namespace
}  // namespace pgweir::sql
