#include "router/search_path.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::router {
namespace {

using schemas = std::vector<std::string>;

TEST(SearchPathTest, PostgresOwnSchemaComesFirstUnlessNamed) {
    EXPECT_EQ(read_search_path("public", ""), (schemas{"pg_catalog", "public"}));
    EXPECT_EQ(read_search_path("public, pg_catalog", ""), (schemas{"public", "pg_catalog"}));
    EXPECT_EQ(read_search_path("", ""), schemas{"pg_catalog"});
    EXPECT_EQ(read_search_path("\"\"", ""), schemas{"pg_catalog"});
}

TEST(SearchPathTest, TheUsersSchemaIsTheRoles) {
    EXPECT_EQ(
        read_search_path("\"$user\", public", "App"), (schemas{"pg_catalog", "App", "public"})
    );
    EXPECT_EQ(read_search_path("$user", "app"), (schemas{"pg_catalog", "app"}));
    EXPECT_FALSE(read_search_path("\"$user\", public", ""));
}

TEST(SearchPathTest, NamesAreReadAsPostgresReadsThem) {
    EXPECT_EQ(
        read_search_path(" A,\"B b\" ,\"c\"\"d\"", ""), (schemas{"pg_catalog", "a", "B b", "c\"d"})
    );
    EXPECT_EQ(read_search_path("pg_temp, a", ""), (schemas{"pg_catalog", "a"}));
}

TEST(SearchPathTest, WhatIsNoListIsNotKnown) {
    for (const char* text : {"a b", "a,,b", "a,", ",a", "\"a", "a\"b\"", "\"a\"b"}) {
        EXPECT_FALSE(read_search_path(text, "x")) << text;
    }
}

}  // namespace
}  // namespace pgweir::router
