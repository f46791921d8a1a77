#include "pool/kept_text.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::pool {
namespace {

using namespace std::string_literals;

/// A definition: text, zero byte, types.
std::string with_types(std::string_view text, std::initializer_list<int> oids = {}) {
    std::string out(text);
    out += '\0';
    const auto put = [&out](std::size_t value, int bytes) {
        for (int i = bytes - 1; i >= 0; i--) {
            out += static_cast<char>(value >> (8 * i));
        }
    };
    put(oids.size(), 2);
    for (int oid : oids) {
        put(static_cast<std::size_t>(oid), 4);
    }
    return out;
}

constexpr int int4 = 23;

TEST(KeptTextTest, OneQueryThatMeansTheSameEachTimeMayBeKept) {
    for (const char* text :
         {"select 1",
          "SELECT a.b, count(*) FROM a GROUP BY 1",
          "\n\tselect 1 ; \n",
          "insert into t values (1)",
          "update t set a = a + 1 where b is null",
          "DELETE from t",
          "merge into t using s on t.a = s.a when matched then do nothing",
          "values (1), (2)",
          "table t",
          "with a as (select 1) select * from a",
          "select \"Quoted\" from t -- the end",
          "select intof, x_into from t",
          "select now(), current_date"}) {
        EXPECT_TRUE(may_be_kept(with_types(text))) << text;
    }
}

TEST(KeptTextTest, WhatIsReadBySettingsMayNot) {
    for (const char* text :
         {"select 'x'", "select e'x'", "select $$x$$", "select $a$x$a$", "select \"\xc3\xa4\""}) {
        EXPECT_FALSE(may_be_kept(with_types(text))) << text;
    }
}

TEST(KeptTextTest, UtilityStatementsAndSeveralMayNot) {
    for (const char* text :
         {"",
          " ",
          ";",
          "(select 1)",
          "/* a */ select 1",
          "-- a\nselect 1",
          "show a",
          "set a = 1",
          "begin",
          "commit",
          "explain select 1",
          "create table t as select 1",
          "call p()",
          "execute s",
          "prepare s as select 1",
          "declare c cursor for select 1",
          "fetch c",
          "vacuum",
          "copy t to stdout",
          "selec",
          "selection",
          "select1",
          "select 1; select 2",
          "select 1;;",
          "select * into t from s",
          "with a as (select 1) select * INTO t from a",
          "discard all",
          "lock t",
          "truncate t",
          "do language plpgsql x"}) {
        EXPECT_FALSE(may_be_kept(with_types(text))) << text;
    }
}

TEST(KeptTextTest, TypesOfParametersAreGiven) {
    EXPECT_TRUE(may_be_kept(with_types("select $1", {int4})));
    EXPECT_TRUE(may_be_kept(with_types("select $2, $1 + $1", {int4, int4})));
    EXPECT_TRUE(may_be_kept(with_types("select $1::int, $1::text", {})));
    EXPECT_TRUE(may_be_kept(with_types("select $1::int, $2", {0, int4})));
    EXPECT_FALSE(may_be_kept(with_types("select $1")));
    EXPECT_FALSE(may_be_kept(with_types("select $1", {0})));
    EXPECT_FALSE(may_be_kept(with_types("select $2", {int4})));
    EXPECT_FALSE(may_be_kept(with_types("select a from t where a = $1 and b = $1::int")));
    EXPECT_FALSE(may_be_kept(with_types("select $1::", {})));
    EXPECT_FALSE(may_be_kept(with_types("select $1 ::int", {})));
    EXPECT_FALSE(may_be_kept(with_types("select $0", {int4})));
    EXPECT_FALSE(may_be_kept(with_types("select $99999999999999999999999", {int4})));
}

TEST(KeptTextTest, WhatIsCutMayNot) {
    EXPECT_FALSE(may_be_kept("select 1"));
    EXPECT_TRUE(may_be_kept("select 1\0"s)) << "it has no parameters";
    EXPECT_FALSE(may_be_kept("select $1\0"s));
    EXPECT_FALSE(may_be_kept("select $1\0\0\1\0\0"s));
    EXPECT_FALSE(may_be_kept("select $1\0\xff\xff\0\0\0\x17"s));
}

TEST(RecurringTextsTest, ATextRecursTheSecondTime) {
    recurring_texts texts;
    EXPECT_FALSE(texts.recurs("a", 1));
    EXPECT_TRUE(texts.recurs("a", 1));
    EXPECT_TRUE(texts.recurs("a", 1));
    EXPECT_FALSE(texts.recurs("a", 2)) << "a longer one with the same beginning";
}

TEST(RecurringTextsTest, WhatIsDismissedDoesNot) {
    recurring_texts texts;
    texts.recurs("a", 1);
    texts.dismiss("a", 1);
    EXPECT_FALSE(texts.recurs("a", 1));
    EXPECT_FALSE(texts.recurs("a", 1));
    EXPECT_FALSE(texts.recurs("b", 1));
    EXPECT_TRUE(texts.recurs("b", 1));
}

TEST(RecurringTextsTest, OldOnesAreForgotten) {
    recurring_texts texts;
    texts.recurs("a", 1);
    for (int i = 0; i < 20'000; i++) {
        const std::string other = "other " + std::to_string(i);
        EXPECT_FALSE(texts.recurs(other, other.size()));
    }
    EXPECT_FALSE(texts.recurs("a", 1));
}

}  // namespace
}  // namespace pgweir::pool
