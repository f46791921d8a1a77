#include "router/shape.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace pgweir::router {
namespace {

constexpr shape_key key{0x0123456789abcdef, 0xfedcba9876543210};
constexpr name_scope scope{1, "app", {}, "public"};

std::optional<shape> shape_of(std::string_view text, const name_scope& where = scope) {
    return router::shape_of(text, where, 7, key);
}

bool alike(std::string_view one, std::string_view other) {
    const auto first = shape_of(one);
    const auto second = shape_of(other);
    EXPECT_TRUE(first && second) << one << " / " << other;
    return first == second;
}

TEST(ShapeTest, ValuesOfLiteralsAreLeftOutOfQueries) {
    EXPECT_TRUE(alike("select * from t where a = 1", "select * from t where a = 22"));
    EXPECT_TRUE(alike("select 'a'", "select 'bcd'"));
    EXPECT_TRUE(alike("select 1.5", "select 2e9"));
    EXPECT_TRUE(alike("insert into t values (1, 'a')", "insert into t values (2, 'b')"));
    EXPECT_TRUE(alike("with x as (select 1) select 'a'", "with x as (select 2) select 'b'"));
    EXPECT_TRUE(alike("(select 1)", "(select 2)"));
    EXPECT_TRUE(alike("select 1; select 'a'", "select 2; select 'b'"));
    EXPECT_TRUE(alike("select $$a$$", "select $x$b$x$"));
    EXPECT_TRUE(alike("select b'0'", "select x'FF'"));
}

TEST(ShapeTest, TheKindOfALiteralStays) {
    const char* texts[] = {
        "select 1",
        "select 1.0",
        "select '1'",
        "select e'1'",
        "select u&'1'",
        "select $$1$$",
        "select b'1'",
        "select $1",
        "select null",
        "select date '1'",
        "select -1",
    };
    std::set<std::pair<std::uint64_t, std::uint64_t>> shapes;
    for (const char* text : texts) {
        const auto one = shape_of(text);
        ASSERT_TRUE(one) << text;
        EXPECT_TRUE(shapes.emplace(one->high, one->low).second) << text;
    }
}

TEST(ShapeTest, NationalStringIsNoNameOfATypeBesideAString) {
    EXPECT_FALSE(alike("select n'a'", "select n 'a'"));
    EXPECT_FALSE(alike("select n'a'", "select 'a'"));
    EXPECT_TRUE(alike("select n'a'", "select N'b'"));
    EXPECT_TRUE(alike("select n 'a'", "select n\n'b'"));
    EXPECT_TRUE(alike("select m'a'", "select m 'a'")) << "another letter is a name in both";
}

TEST(ShapeTest, ParametersKeepTheirNumbers) {
    EXPECT_FALSE(alike("select $1", "select $2"));
}

TEST(ShapeTest, CaseBlanksAndCommentsDoNotCount) {
    EXPECT_TRUE(alike("select a from T", "SELECT\tA\nFROM t -- x"));
    EXPECT_TRUE(alike("/* for update */ select 1", "select /* /* x */ */ 1"));
}

TEST(ShapeTest, QuotedNamesAreOtherNames) {
    EXPECT_FALSE(alike("select \"A\"", "select \"a\""));
    EXPECT_FALSE(alike("select \"select\"", "select select"));
    EXPECT_FALSE(alike("select \"a\"\"b\"", "select \"a\" \"b\""));
}

TEST(ShapeTest, NamesAreNotJoinedWithTheirNeighbours) {
    EXPECT_FALSE(alike("select ab c", "select a bc"));
    EXPECT_FALSE(alike("select a.b", "select a b"));
    EXPECT_FALSE(alike("select 1 for update", "select 1 forupdate"));
}

TEST(ShapeTest, LiteralsCountInUtilityStatements) {
    EXPECT_FALSE(alike("explain (analyze 1) delete from t", "explain (analyze 0) delete from t"));
    EXPECT_FALSE(alike("set x = 'a'", "set x = 'b'"));
    EXPECT_FALSE(alike("select 1; set x = 1", "select 1; set x = 2"));
    EXPECT_FALSE(
        alike("copy t to stdout with (delimiter 'a')", "copy t to stdout with (delimiter 'b')")
    );
    EXPECT_FALSE(alike("explain select 1", "explain select 2"));
    EXPECT_TRUE(alike("set x = 1; select 1", "set x = 1; select 2"));
}

TEST(ShapeTest, LiteralsCountWithUnicodeNames) {
    EXPECT_FALSE(
        alike("select U&\"!0061\" uescape '!' from t", "select U&\"!0061\" uescape '?' from t")
    );
    EXPECT_FALSE(alike("select 1, U&\"a\"", "select 2, U&\"a\""));
}

TEST(ShapeTest, LiteralsCountForSettings) {
    EXPECT_FALSE(alike("select set_config('a', 'b', false)", "select set_config('a', 'c', false)"));
    EXPECT_FALSE(
        alike("select 1, SET_CONFIG('a', 'b', false)", "select 2, SET_CONFIG('a', 'b', false)")
    );
    EXPECT_FALSE(alike("select \"set_config\"('a')", "select \"set_config\"('b')"));
    EXPECT_FALSE(
        alike("select current_setting('a.b')", "select current_setting('transaction_read_only')")
    );
}

TEST(ShapeTest, TheScopeIsAPartOfTheShape) {
    const auto with = [](auto change) {
        name_scope other = scope;
        change(other);
        return shape_of("select f()", other);
    };
    const auto same = shape_of("select f()");
    EXPECT_EQ(same, with([](name_scope&) {}));
    EXPECT_NE(same, with([](name_scope& s) { s.catalogue = 2; }));
    EXPECT_NE(same, with([](name_scope& s) { s.role = "other"; }));
    EXPECT_NE(same, with([](name_scope& s) { s.user = "other"; }));
    EXPECT_NE(same, with([](name_scope& s) { s.search_path = "other"; }));
    EXPECT_NE(same, with([](name_scope& s) { s.search_path_known = false; }));
    EXPECT_NE(same, with([](name_scope& s) { s.strings = sql::backslash::escapes; }));
    EXPECT_NE(
        with([](name_scope& s) { s.role = "ab", s.search_path = "c"; }),
        with([](name_scope& s) { s.role = "a", s.search_path = "bc"; })
    );
    EXPECT_NE(same, router::shape_of("select f()", scope, 8, key));
}

TEST(ShapeTest, ShapesDependOnTheKey) {
    EXPECT_NE(
        router::shape_of("select 1", scope, 7, key),
        router::shape_of("select 1", scope, 7, {key.first, key.second + 1})
    );
    const shape_key one = shape_key::random();
    const shape_key other = shape_key::random();
    EXPECT_FALSE(one.first == other.first && one.second == other.second);
}

TEST(ShapeTest, BothHalvesDiffer) {
    const auto one = shape_of("select 1");
    EXPECT_NE(one->high, one->low);
}

TEST(ShapeTest, WhatDoesNotEndWellHasNone) {
    for (const char* text :
         {"select 'a", "select \"a", "select /* x", "select $$a", "select \"\""}) {
        EXPECT_FALSE(shape_of(text)) << text;
    }
}

TEST(ShapeTest, LongTextsHaveNone) {
    const std::string fits = "select '" + std::string(text_limit - 9, 'x') + "'";
    EXPECT_TRUE(shape_of(fits));
    EXPECT_FALSE(shape_of(fits + " "));
    std::string tokens = "select 1";
    for (std::size_t i = 0; i < token_limit / 2; i++) {
        tokens += "+1";
    }
    EXPECT_FALSE(shape_of(tokens));
    tokens.resize(token_limit - 10);
    EXPECT_TRUE(shape_of(tokens));
}

TEST(ShapeTest, LengthsAroundTheBufferAreAllDifferent) {
    std::set<std::pair<std::uint64_t, std::uint64_t>> shapes;
    std::string text = "select a";
    for (int i = 0; i < 1200; i++) {
        text += 'a';
        const auto one = shape_of(text);
        ASSERT_TRUE(one);
        EXPECT_TRUE(shapes.emplace(one->high, one->low).second) << i;
    }
}

}  // namespace
}  // namespace pgweir::router
