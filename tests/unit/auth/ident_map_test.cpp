#include "auth/ident_map.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgweir::auth {
namespace {

ident_map good(std::string_view text) {
    auto read = ident_map::parse(text, "ident");
    EXPECT_TRUE(read) << read.error().message;
    return *std::move(read);
}

std::string why(std::string_view text) {
    const auto read = ident_map::parse(text, "ident");
    return read ? "no failure" : read.error().message;
}

TEST(IdentMapTest, LinesOfAMapAreAlternatives) {
    const ident_map maps = good(
        "# staff\n"
        "staff  amelie  app\n"
        "staff  amelie  reports\n"
        "staff  \"bruno b\"  \"app\"\n"
        "others clara   app\n"
    );
    EXPECT_EQ(maps.size(), 4u);
    EXPECT_TRUE(maps.allows("staff", "amelie", "app"));
    EXPECT_TRUE(maps.allows("staff", "amelie", "reports"));
    EXPECT_TRUE(maps.allows("staff", "bruno b", "app"));
    EXPECT_FALSE(maps.allows("staff", "amelie", "amelie"));
    EXPECT_FALSE(maps.allows("staff", "clara", "app"));
    EXPECT_FALSE(maps.allows("nowhere", "amelie", "app"));
}

TEST(IdentMapTest, AllIsEveryUserUnlessQuoted) {
    EXPECT_TRUE(good("m root all").allows("m", "root", "anybody"));
    EXPECT_FALSE(good("m root all").allows("m", "other", "anybody"));
    EXPECT_FALSE(good("m root \"all\"").allows("m", "root", "anybody"));
    EXPECT_TRUE(good("m root \"all\"").allows("m", "root", "all"));
}

TEST(IdentMapTest, ExpressionsGiveTheirFirstGroup) {
    const ident_map maps = good("m /^(.*)@example\\.com$ \\1");
    EXPECT_TRUE(maps.allows("m", "amelie@example.com", "amelie"));
    EXPECT_FALSE(maps.allows("m", "amelie@example.com", "bruno"));
    EXPECT_FALSE(maps.allows("m", "amelie@example.com.evil.org", "amelie"));
    EXPECT_FALSE(maps.allows("m", "amelie@exampleXcom", "amelie"));
    EXPECT_TRUE(good("m /^(.*)@x$ app_\\1_ro").allows("m", "a@x", "app_a_ro"));
    EXPECT_TRUE(good("m /@x$ guest").allows("m", "whoever@x", "guest"));
    EXPECT_FALSE(good("m /@x$ guest").allows("m", "whoever@x", "whoever"));
}

TEST(IdentMapTest, AGroupIsTextAndNoExpression) {
    const ident_map maps = good("m /^(.*)@x$ \\1");
    EXPECT_FALSE(maps.allows("m", ".*@x", "amelie"));
    EXPECT_FALSE(maps.allows("m", "\\1@x", "\\1@x"));
    EXPECT_FALSE(maps.allows("m", "/a@x", "a"));
}

TEST(IdentMapTest, UsersMayBeExpressionsToo) {
    const ident_map maps = good("m root /^app");
    EXPECT_TRUE(maps.allows("m", "root", "app_one"));
    EXPECT_FALSE(maps.allows("m", "root", "my_app"));
}

TEST(IdentMapTest, WhatIsNotUnderstoodRefusesTheFileWithItsLine) {
    EXPECT_NE(why("m a").find("ident:1: a line is"), std::string::npos);
    EXPECT_NE(why("\nm a b c").find("ident:2: a line is"), std::string::npos);
    EXPECT_NE(why("m a,b c").find("ident:1: a line is"), std::string::npos);
    EXPECT_NE(why("m /( c").find("ident:1: the regular expression \"(\""), std::string::npos);
    EXPECT_NE(why("m /a \\1").find("has no parentheses"), std::string::npos);
    EXPECT_NE(why("m a +role").find("is not supported"), std::string::npos);
}

TEST(IdentMapTest, WithoutAMapTheNamesMustBeTheSame) {
    EXPECT_TRUE(is_allowed(nullptr, "", "amelie", "amelie"));
    EXPECT_FALSE(is_allowed(nullptr, "", "amelie", "bruno"));
    EXPECT_FALSE(is_allowed(nullptr, "staff", "amelie", "amelie"));
    EXPECT_FALSE(is_allowed(nullptr, "", "", ""));
    const ident_map maps = good("staff /.* all");
    EXPECT_TRUE(is_allowed(&maps, "staff", "amelie", "bruno"));
    EXPECT_FALSE(is_allowed(&maps, "staff", "", "bruno")) << "nobody has been proved";
}

}  // namespace
}  // namespace pgweir::auth
