#include "router/code_words.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::router {
namespace {

using words = code_words::set;

code_words read(std::string_view body) {
    return read_definition("CREATE FUNCTION own() AS $f$" + std::string(body) + "$f$");
}

std::string qualified(std::string_view schema, std::string_view name) {
    return std::string(schema) + '\0' + std::string(name);
}

TEST(CodeWordsTest, WhatStandsBeforeAParenthesisIsCalled) {
    const code_words found = read("select f(1), G (2), \"H\"(3) from t");
    EXPECT_EQ(found.called, (words{"f", "g", "H"}));
    EXPECT_TRUE(found.mentioned.contains("t"));
    EXPECT_FALSE(found.called.contains("t"));
}

TEST(CodeWordsTest, TheFunctionsOwnNameIsLeftOutOnce) {
    EXPECT_EQ(read("select 1").called, words{});
    EXPECT_EQ(read("select own()").called, words{"own"});
}

TEST(CodeWordsTest, DefaultsOfArgumentsAreCode) {
    const auto found = read_definition("CREATE FUNCTION own(a int DEFAULT f('x')) AS 'select 1'");
    EXPECT_EQ(found.called, words{"f"});
}

TEST(CodeWordsTest, NamesKeepTheirSchemas) {
    const code_words found = read("select s.f(1), \"S\".g(2), x.y from s.t");
    EXPECT_EQ(found.called, (words{qualified("s", "f"), qualified("S", "g")}));
    EXPECT_TRUE(found.mentioned.contains(qualified("s", "t")));
    EXPECT_EQ(found.fields, (words{"y", "t"}));
}

TEST(CodeWordsTest, StringsMayBeSql) {
    EXPECT_EQ(read("begin execute 'select f(1)'; end").called, words{"f"});
    EXPECT_EQ(read("begin execute 'perform ''select f(1)'''; end").called, words{"f"});
    EXPECT_EQ(read("begin execute $x$ select f(1) $x$; end").called, words{"f"});
    EXPECT_EQ(read("begin execute E'select f\\x28 1)'; end").called, words{"f"});
}

TEST(CodeWordsTest, CommentsAreNone) {
    EXPECT_EQ(read("select 1 -- f(1)\n /* g(1) */").called, words{});
}

TEST(CodeWordsTest, OwnParametersAreNoCalls) {
    EXPECT_EQ(read("select current_setting('app.user')").called, words{});
    EXPECT_EQ(read("select current_setting('role')").called, words{"current_setting"});
    EXPECT_EQ(read("select current_setting(name)").called, words{"current_setting"});
}

TEST(CodeWordsTest, CodeThatDoesNotEndWellIsReadAsFarAsItGoes) {
    EXPECT_TRUE(read("def f(x): return g(x) + \"it's").called.contains("g"));
    EXPECT_EQ(read_definition("'").called, words{});
    EXPECT_EQ(read_definition("").called, words{});
}

}  // namespace
}  // namespace pgweir::router
