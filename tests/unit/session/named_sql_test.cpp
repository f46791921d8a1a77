#include "session/named_sql.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::session {
namespace {

using kind = named_sql::kind;

named_sql read(std::string_view text) {
    return read_named_sql(text, sql::backslash::plain);
}

TEST(NamedSqlTest, StatementsAreFoundWithTheirNames) {
    const auto expect = [](std::string_view text, kind what, std::string_view name) {
        const named_sql found = read(text);
        EXPECT_EQ(found.what, what) << text;
        EXPECT_EQ(found.name, name) << text;
        EXPECT_FALSE(found.forgets_all) << text;
    };
    expect("prepare s as select 1", kind::prepare, "s");
    expect("/* a */ PREPARE S (int) AS select $1;", kind::prepare, "s");
    expect("prepare \"S\" as select 1", kind::prepare, "S");
    expect("execute s", kind::execute, "s");
    expect("execute s(1, 'x')", kind::execute, "s");
    expect("explain (analyze, costs off) execute s(1)", kind::execute, "s");
    expect("create table t as execute s(1)", kind::execute, "s");
    expect("deallocate s", kind::deallocate, "s");
    expect("deallocate prepare s", kind::deallocate, "s");
    expect("select 'execute s'", kind::none, "");
    expect("prepare transaction 'x'", kind::none, "");
    expect("execute", kind::none, "");
    expect("prepare s as select 'open", kind::none, "");
}

TEST(NamedSqlTest, WhatCannotBePlacedIsSeveral) {
    for (const std::string_view text :
         {"select 1; execute s",
          "prepare s as select 1; execute s",
          "deallocate s; select 1",
          "execute U&\"s\""}) {
        EXPECT_EQ(read(text).what, kind::several) << text;
    }
    EXPECT_EQ(read("execute s;").what, kind::execute) << "one statement and nothing behind it";
}

TEST(NamedSqlTest, WhatForgetsAllIsFoundAmongOthers) {
    for (const std::string_view text :
         {"deallocate all", "discard all", "DEALLOCATE PREPARE ALL", "select 1; discard all"}) {
        EXPECT_TRUE(read(text).forgets_all) << text;
        EXPECT_EQ(read(text).what, kind::none) << text;
    }
    EXPECT_FALSE(read("discard plans").forgets_all);
    EXPECT_FALSE(read("deallocate \"all\"").forgets_all);
}

TEST(NamedSqlTest, TheDefinitionIsWhatFollowsTheName) {
    const std::string_view text = "prepare s (int) as select $1 ; ";
    EXPECT_EQ(read(text).behind.substr(0, 19), " (int) as select $1");
    EXPECT_EQ(read(text).behind.find(';'), std::string_view::npos);
}

TEST(NamedSqlTest, AnotherNameMovesWhatIsBehindIt) {
    const std::string_view text = "/* \xc3\xbc */ execute s(nothing)";
    const named_sql found = read(text);
    const std::string before = with_name(text, found, "PGWEIR_7");
    EXPECT_EQ(before, "/* \xc3\xbc */ execute \"PGWEIR_7\"");
    const pool::moved_text moved = movement(text, found, before);
    EXPECT_EQ(moved.behind, 26u) << "in characters";
    EXPECT_EQ(moved.by, 9);
}

}  // namespace
}  // namespace pgweir::session
