#include "router/analysis.hpp"

#include "router/large_stack.hpp"
#include "router/shape.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::router {
namespace {

text_facts facts_of(std::string_view text, sql::backslash strings = sql::backslash::plain) {
    text_facts facts;
    with_large_stack([&] { facts = analyse(text, strings); });
    return facts;
}

reason why(std::string_view text) {
    return facts_of(text).why;
}

std::vector<std::string> relations_of(std::string_view text) {
    std::vector<std::string> out;
    for (const used_name& one : facts_of(text).relations) {
        out.push_back(one.schema.empty() ? one.name : one.schema + "." + one.name);
    }
    return out;
}

bool calls(std::string_view text, const char* name, int arguments, const char* schema = "") {
    const auto facts = facts_of(text);
    return std::any_of(
        facts.functions.begin(),
        facts.functions.end(),
        [&](const used_function& one) {
            return one.name == used_name{schema, name} && one.arguments == arguments;
        }
    );
}

bool uses_operator(std::string_view text, const char* name, int operands = 2) {
    const auto facts = facts_of(text);
    return std::any_of(
        facts.operators.begin(),
        facts.operators.end(),
        [&](const used_operator& one) { return one.name.name == name && one.operands == operands; }
    );
}

using names = std::vector<std::string>;

TEST(AnalysisTest, QueriesAreReadsAsFarAsTheyGo) {
    for (const char* text :
         {"select 1",
          "values (1), (2)",
          "table t",
          "(select 1) union (select 2) order by 1 limit 3 offset 1",
          "select a, count(*) from t where b > 1 group by rollup (a) having count(*) > 1",
          "select sum(a) over (partition by b order by c rows between 1 preceding and current row) "
          "from t",
          "with recursive r as (select 1 as n union all select n + 1 from r where n < 9) select * "
          "from r",
          "select case a when 1 then 'x' else 'y' end, coalesce(a, b), nullif(a, b), greatest(a, "
          "b) "
          "from t",
          "select (array[1, 2])[1], row(1, 2), (t).a, t.*, a::int[], cast(a as numeric(5, 2)) from "
          "t",
          "select * from t left join u using (id) natural join v cross join lateral f(t.a) as x(y)",
          "select * from rows from (f(1), g(2)) with ordinality",
          "select current_user, current_timestamp, localtime(0), extract(year from now())",
          "select * from t tablesample system (10) repeatable (1)",
          "select xmlelement(name a, xmlattributes(1 as b), 'c'), xmlserialize(content x as text) "
          "from t",
          "select * from xmltable('/a' passing x columns b int path 'b', c for ordinality)",
          "select grouping(a), a is null, a is not true, a collate \"C\", $1 from t",
          "select f(a => 1, variadic b := array[2])",
          "explain select 1",
          "explain (analyze, verbose, buffers off, format json) select * from t",
          "copy t to stdout",
          "copy t (a, b) to stdout with (format csv, header true, force_quote *)",
          "copy (select 1) to stdout (format binary)",
          "declare c cursor for select 1",
          "declare c scroll cursor without hold for select * from t",
          "select 1; select 2; values (3)",
          "select 1 for read only",
          ";;select 1;;",
          "",
          " -- nothing"}) {
        EXPECT_EQ(why(text), reason::read) << text;
    }
}

TEST(AnalysisTest, DataAndSchemaChangesAreWrites) {
    for (const char* text :
         {"insert into t values (1)",
          "update t set a = 1",
          "delete from t",
          "merge into t using u on t.id = u.id when matched then delete",
          "truncate t",
          "create table x (a int)",
          "create table x as select 1",
          "create temp table x (a int)",
          "drop view v",
          "alter table t add b int",
          "vacuum",
          "analyze t",
          "call p()",
          "do 'begin end'",
          "grant select on t to public",
          "refresh materialized view m",
          "notify n",
          "copy t from stdin",
          "copy t from '/file'",
          "copy t from program 'true'",
          "prepare transaction 'x'",
          "commit prepared 'x'",
          "rollback prepared 'x'",
          "checkpoint",
          "reindex table t",
          "cluster t",
          "comment on table t is 'x'",
          "import foreign schema s from server x into y"}) {
        EXPECT_EQ(why(text), reason::writes) << text;
    }
}

TEST(AnalysisTest, WithUpdateInsideIsAWrite) {
    EXPECT_EQ(why("with x as (update t set a = 1 returning *) select * from x"), reason::writes);
    EXPECT_EQ(why("with x as (insert into t values (1) returning a) table x"), reason::writes);
    EXPECT_EQ(
        why("select (with x as (select 1) select * from x), (select 1 from u) from (with y as "
            "(delete from t returning 1) select * from y) z"),
        reason::writes
    );
}

TEST(AnalysisTest, WithDeleteInTheWithOfASubselectIsAWrite) {
    EXPECT_EQ(
        why("select * from t where a in (with d as (delete from t returning a) select a from d)"),
        reason::writes
    );
    EXPECT_EQ(
        why("select exists (select from (with a as (select 1), d as (delete from t returning a) "
            "select * from a, d) x)"),
        reason::writes
    );
}

TEST(AnalysisTest, EveryKindOfRowLockIsALock) {
    for (const char* text :
         {"select * from t for update",
          "select * from t for no key update",
          "select * from t for share",
          "select * from t for key share",
          "select * from t for update of t nowait",
          "select * from t for update skip locked",
          "select * from t\nfor\n\tupdate",
          "select * from t /* x */ for -- y\n update",
          "select * from (select * from t for share) x",
          "with x as (select * from t for key share) select * from x",
          "select 1 where exists (select from t for update)",
          "explain select * from t for update",
          "explain analyze select * from t for update",
          "copy (select * from t for update) to stdout",
          "declare c cursor for select * from t for update",
          "(select 1) union all (select a from t for update)",
          "lock table t",
          "lock t in access share mode"}) {
        EXPECT_EQ(why(text), reason::locks) << text;
    }
}

TEST(AnalysisTest, SelectIntoMakesATable) {
    EXPECT_EQ(why("select * into x from t"), reason::writes);
    EXPECT_EQ(why("select 1 as a into unlogged x"), reason::writes);
    EXPECT_EQ(why("select * into temp x from t"), reason::session_state);
    EXPECT_EQ(why("with a as (select 1) select * into x from a"), reason::writes);
    EXPECT_EQ(why("select * into pg_temp.x from t"), reason::session_state);
}

TEST(AnalysisTest, ExplainIsAsWhatItExplains) {
    EXPECT_EQ(why("explain insert into t values (1)"), reason::writes);
    EXPECT_EQ(why("explain analyze insert into t values (1)"), reason::writes);
    EXPECT_EQ(why("explain (analyze 1) delete from t"), reason::writes);
    EXPECT_EQ(why("explain (analyze 0) delete from t"), reason::writes);
    EXPECT_EQ(why("explain analyze create table x as select 1"), reason::writes);
    EXPECT_EQ(why("explain refresh materialized view m"), reason::writes);
    EXPECT_EQ(why("explain execute p"), reason::session_state);
    EXPECT_EQ(why("explain declare c cursor with hold for select 1"), reason::session_state);
}

TEST(AnalysisTest, CopyReadsOnlyWhenItGoesToTheClient) {
    EXPECT_EQ(why("copy (insert into t values (1) returning a) to stdout"), reason::writes);
    EXPECT_EQ(why("copy (delete from t returning a) to stdout"), reason::writes);
    EXPECT_EQ(why("copy t to '/tmp/file'"), reason::writes);
    EXPECT_EQ(why("copy t to program 'cat'"), reason::writes);
    EXPECT_EQ(why("copy (select 1) to program 'cat'"), reason::writes);
    EXPECT_EQ(relations_of("copy s.t to stdout"), names{"s.t"});
}

TEST(AnalysisTest, SessionAndServerStatementsBelongToThePrimary) {
    for (const char* text :
         {"set x.y = 1",
          "reset all",
          "set session characteristics as transaction read only",
          "set transaction snapshot 'x'",
          "listen a",
          "unlisten *",
          "discard all",
          "prepare p as select 1",
          "prepare p as insert into t values (1)",
          "execute p",
          "deallocate p",
          "fetch all from c",
          "move c",
          "close c",
          "load 'x'",
          "set constraints all deferred",
          "declare c cursor with hold for select 1",
          "select * from pg_temp.x"}) {
        EXPECT_EQ(why(text), reason::session_state) << text;
    }
    EXPECT_EQ(why("show all"), reason::server_state);
    EXPECT_EQ(why("show transaction_read_only"), reason::server_state);
}

TEST(AnalysisTest, TransactionsAreDecidedByWhatComesWithThem) {
    for (const char* text :
         {"begin",
          "start transaction read only",
          "commit",
          "rollback and chain",
          "savepoint a",
          "release a",
          "rollback to a",
          "set transaction read only",
          "begin; select 1; commit"}) {
        EXPECT_EQ(why(text), reason::transaction) << text;
    }
}

TEST(AnalysisTest, OfSeveralStatementsTheStrictestCounts) {
    EXPECT_EQ(why("select 1; insert into t values (1)"), reason::writes);
    EXPECT_EQ(why("select 1; select * from t for update; select 2"), reason::locks);
    EXPECT_EQ(why("begin; insert into t values (1); commit"), reason::writes);
    EXPECT_EQ(why("show x; set x = 1"), reason::session_state);
}

TEST(AnalysisTest, WhatTheGrammarRefusesIsNotUnderstood) {
    for (const char* text :
         {"selec 1",
          "select from where",
          "select 'x",
          "select * from t where",
          "(",
          "select 1 2"}) {
        EXPECT_EQ(why(text), reason::not_understood) << text;
    }
    EXPECT_EQ(why(std::string_view("select 1\0; insert", 17)), reason::not_understood);
}

TEST(AnalysisTest, BackslashesThatMayEscapeAreNotUnderstood) {
    EXPECT_EQ(
        facts_of(R"(select '\'', '; delete from t --')", sql::backslash::escapes).why,
        reason::not_understood
    );
    EXPECT_EQ(facts_of("select 'a'", sql::backslash::escapes).why, reason::read);
    EXPECT_EQ(facts_of(R"(select '\')").why, reason::read);
}

TEST(AnalysisTest, ACommonTableCoversTheTableOfItsNameOnlyWhereItIsInSight) {
    EXPECT_EQ(relations_of("with t as (select 1) select * from t"), names{});
    EXPECT_EQ(relations_of("with t as (select * from t) select * from t"), names{"t"});
    EXPECT_EQ(relations_of("with recursive t as (select * from t) select * from t"), names{});
    EXPECT_EQ(relations_of("with t as (select 1) select * from s.t"), names{"s.t"});
    EXPECT_EQ(relations_of("with a as (select * from b), b as (select 1) table a"), names{"b"});
    EXPECT_EQ(relations_of("with a as (select 1), b as (select * from a) table b"), names{});
    EXPECT_EQ(
        relations_of("select * from (with t as (select 1) select * from t) x, t"), names{"t"}
    );
    EXPECT_EQ(
        relations_of(
            "with t as (select 1) select (select max(a) from t), (with t as (select * from "
            "u) select * from t)"
        ),
        names{"u"}
    );
    EXPECT_EQ(relations_of("with t as (select 1) (select * from t) union table t"), names{});
}

TEST(AnalysisTest, FunctionsAreFoundWhereverTheyAre) {
    EXPECT_TRUE(calls("select f(1, 2)", "f", 2));
    EXPECT_TRUE(calls("select s.f()", "f", 0, "s"));
    EXPECT_TRUE(calls("select count(*)", "count", 0));
    EXPECT_TRUE(calls("select * from f(1)", "f", 1));
    EXPECT_TRUE(calls("select 1 order by f(1)", "f", 1));
    EXPECT_TRUE(calls("select 1 limit f(1)", "f", 1));
    EXPECT_TRUE(calls("select 1 offset f(1)", "f", 1));
    EXPECT_TRUE(calls("values (f(1))", "f", 1));
    EXPECT_TRUE(calls("select a[f(1)] from t", "f", 1));
    EXPECT_TRUE(calls("select array[f(1)]", "f", 1));
    EXPECT_TRUE(calls("select (row(f(1)))", "f", 1));
    EXPECT_TRUE(calls("select sum(a) filter (where f(1)) from t", "f", 1));
    EXPECT_TRUE(calls("select sum(a order by f(1)) from t", "f", 1));
    EXPECT_TRUE(calls("select sum(a) over (partition by f(1)) from t", "f", 1));
    EXPECT_TRUE(calls("select sum(a) over w from t window w as (order by f(1))", "f", 1));
    EXPECT_TRUE(calls("select sum(a) over (rows f(1) preceding) from t", "f", 1));
    EXPECT_TRUE(calls("select * from t join u on f(1)", "f", 1));
    EXPECT_TRUE(calls("select * from t group by cube (f(1))", "f", 1));
    EXPECT_TRUE(calls("select * from t having f(1)", "f", 1));
    EXPECT_TRUE(calls("select distinct on (f(1)) 1", "f", 1));
    EXPECT_TRUE(calls("select case when f(1) then 1 end", "f", 1));
    EXPECT_TRUE(calls("select * from t where a in (1, f(1))", "f", 1));
    EXPECT_TRUE(calls("select * from t where a between f(1) and 2", "f", 1));
    EXPECT_TRUE(calls("select * from t tablesample system (f(1))", "f", 1));
    EXPECT_TRUE(calls("select * from t tablesample mine (1)", "mine", 1));
    EXPECT_TRUE(calls("select f(1)::text collate \"C\"", "f", 1));
    EXPECT_TRUE(calls("select xmlelement(name a, f(1))", "f", 1));
    EXPECT_TRUE(calls("select f(a => g(1))", "g", 1));
    EXPECT_TRUE(
        calls("select percentile_cont(0.5) within group (order by a) from t", "percentile_cont", 2)
    );
    EXPECT_TRUE(calls("select \"F\"(1)", "F", 1));
    EXPECT_TRUE(calls("select F(1)", "f", 1));
    EXPECT_TRUE(calls("explain select f(1)", "f", 1));
    EXPECT_TRUE(calls("with x as (select f(1)) select 1", "f", 1));
    EXPECT_TRUE(calls("select U&\"\\0066\"(1)", "f", 1));
}

TEST(AnalysisTest, OperatorsAreFoundAlsoWhereTheyAreNotWritten) {
    EXPECT_TRUE(uses_operator("select 1 + 2", "+"));
    EXPECT_TRUE(uses_operator("select - a from t", "-", 1));
    EXPECT_TRUE(uses_operator("select a <-> b from t", "<->"));
    EXPECT_TRUE(uses_operator("select a operator(s.###) b from t", "###"));
    EXPECT_TRUE(uses_operator("select a like 'x' from t", "~~"));
    EXPECT_TRUE(uses_operator("select a in (1) from t", "="));
    EXPECT_TRUE(uses_operator("select a in (select 1) from t", "="));
    EXPECT_TRUE(uses_operator("select a > all (select 1) from t", ">"));
    EXPECT_TRUE(uses_operator("select a between 1 and 2 from t", "<="));
    EXPECT_TRUE(uses_operator("select case a when 1 then 2 end from t", "="));
    EXPECT_TRUE(uses_operator("select * from t join u using (a)", "="));
    EXPECT_TRUE(uses_operator("select * from t natural join u", "="));
    EXPECT_TRUE(uses_operator("select a from t order by a using ~<~", "~<~"));
    EXPECT_TRUE(uses_operator("select nullif(a, b) from t", "="));
    EXPECT_TRUE(uses_operator("select a is distinct from b from t", "="));
    EXPECT_TRUE(uses_operator("select a = any ($1) from t", "="));
}

TEST(AnalysisTest, TypesAndFieldsAreNamed) {
    const auto facts =
        facts_of("select a::mine, cast(b as s.other[]), date '2020-01-01', x.f from x");
    EXPECT_EQ(facts.types, (std::vector<used_name>{{"", "mine"}, {"s", "other"}, {"", "date"}}));
    EXPECT_EQ(facts.fields, names{"f"});
    EXPECT_EQ(facts_of("select (f(1)).g, (x).h[1].i from x").fields, (names{"g", "h", "i"}));
}

TEST(AnalysisTest, OfOwnParametersTheNameIsKept) {
    EXPECT_EQ(facts_of("select current_setting('app.user')").functions.at(0).setting, "app.user");
    EXPECT_EQ(facts_of("select current_setting($1)").functions.at(0).setting, "");
    EXPECT_EQ(facts_of("select f('app.user')").functions.at(0).setting, "");
}

TEST(AnalysisTest, NamesInOtherDatabasesAreUnknown) {
    EXPECT_EQ(why("select * from other.public.t"), reason::unknown_name);
    EXPECT_EQ(why("select other.public.f(1)"), reason::unknown_name);
}

// As deep as the limits allow.

std::string repeated(std::string_view what, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; i++) {
        out += what;
    }
    return out;
}

TEST(AnalysisTest, TheDeepestTextsWithinTheLimitsAreAnalysed) {
    constexpr std::size_t terms = token_limit / 2 - 10;
    for (const char* term : {"+1", "and a", "or a", "||a", " union select 1"}) {
        const std::string text = "select a " + repeated(term, terms);
        const reason found = why(text);
        EXPECT_TRUE(found == reason::read || found == reason::not_understood) << term;
    }
    EXPECT_NE(why("select " + repeated("(", terms) + "1" + repeated(")", terms)), reason::writes);
    EXPECT_NE(why("select " + repeated("- ", token_limit) + "1"), reason::writes);
    EXPECT_NE(why("select " + repeated("f(", terms) + repeated(")", terms)), reason::writes);
    EXPECT_NE(
        why(repeated("select (", terms / 2) + "1" + repeated(")", terms / 2)), reason::writes
    );
}

TEST(AnalysisTest, TheDeepestNestingWithinTheLimitsIsARead) {
    const auto nested = [](std::string_view opening, std::string_view closing, std::size_t each) {
        const std::size_t levels = (token_limit - 10) / each;
        return "select " + repeated(opening, levels) + "1" + repeated(closing, levels);
    };
    EXPECT_EQ(why(nested("(select ", ")", 3)), reason::read);
    EXPECT_EQ(why(nested("not ", "", 1)), reason::read);
    EXPECT_EQ(why(nested("- ", "", 1)), reason::read);
    EXPECT_EQ(why(nested("f(", ")", 3)), reason::read);
    EXPECT_EQ(why(nested("case when true then ", " end", 5)), reason::read);
    EXPECT_EQ(why(nested("", "::int", 2)), reason::read);
    EXPECT_EQ(why(nested("array[", "]", 3)), reason::read);
}

TEST(AnalysisTest, LongerTextsAreNotUnderstoodWithoutALook) {
    EXPECT_EQ(why("select 1" + repeated("+1", token_limit)), reason::not_understood);
    EXPECT_EQ(why("select '" + std::string(text_limit, 'x') + "'"), reason::not_understood);
}

TEST(AnalysisTest, AnyBytesEndInSomeReason) {
    std::mt19937 random(20240811);
    constexpr std::string_view pieces[] = {
        "select ", "from ", "t ",      "(",  ")",     "'",  "\"", "$1 ",   "$$",      "/*", "*/",
        "--",      "\n",    "update ", ";",  "with ", "as", ",",  "\x80x", "::",      "=",  "E'\\",
        "for ",    "into ", "null ",   "1 ", "1.5e3", ".",  "[",  "]",     "values ",
    };
    with_large_stack([&] {
        for (int round = 0; round < 3000; round++) {
            std::string text;
            for (auto i = random() % 30; i > 0; i--) {
                text += pieces[random() % std::size(pieces)];
            }
            const text_facts facts = analyse(text, sql::backslash::plain);
            EXPECT_FALSE(name_of(facts.why).empty());
        }
    });
}

TEST(AnalysisTest, TheStricterReasonWins) {
    EXPECT_EQ(stricter(reason::read, reason::locks), reason::locks);
    EXPECT_EQ(stricter(reason::writes, reason::locks), reason::writes);
    EXPECT_EQ(stricter(reason::unknown_name, reason::server_state), reason::server_state);
    EXPECT_EQ(stricter(reason::read, reason::read), reason::read);
}

}  // namespace
}  // namespace pgweir::router
