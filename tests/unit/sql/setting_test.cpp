#include "sql/setting.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {
namespace {

/// "name=value", "name" for the default, "?" for what is not followed.
std::string show(const setting& one) {
    return one.name + (one.value ? "=" + *one.value : "");
}

std::string set(std::string_view text, backslash meaning = backslash::plain) {
    statement_reader reader(text, meaning);
    statement one;
    if (!reader.next(one)) {
        return "broken";
    }
    const auto found = read_setting(one, meaning);
    return found ? show(*found) : "?";
}

std::string show(const std::optional<std::vector<setting>>& all) {
    if (!all) {
        return "?";
    }
    std::string out;
    for (const setting& one : *all) {
        out += (out.empty() ? "" : "; ") + show(one);
    }
    return out;
}

std::string config(std::string_view text, backslash meaning = backslash::plain) {
    return show(read_set_config(text, meaning));
}

TEST(SettingTest, ValuesAreWhatSetConfigWouldBeGiven) {
    EXPECT_EQ(set("set Statement_Timeout = 5000"), "statement_timeout=5000");
    EXPECT_EQ(set("set statement_timeout to '5s'"), "statement_timeout=5s");
    EXPECT_EQ(set("set x = -1.5"), "x=-1.5");
    EXPECT_EQ(set("set x = +1"), "x=1");
    EXPECT_EQ(set("set x = ON"), "x=on");
    EXPECT_EQ(set("set app.user = 'it''s'"), "app.user=it's");
    EXPECT_EQ(set("set \"App\".\"User\" = \"It\""), "app.user=It");
    EXPECT_EQ(set("set x = $$a'b$$"), "x=a'b");
    EXPECT_EQ(set("set x = E'a\\tb'"), "x=a\tb");
    EXPECT_EQ(set("set x = 'a\\b'"), "x=a\\b");
    EXPECT_EQ(set("set x = 'a\\tb'", backslash::escapes), "x=a\tb");
    EXPECT_EQ(set("set x = a, 'B'"), "x=a, B");
    EXPECT_EQ(set("set x = ''"), "x=");
    EXPECT_EQ(set("set role Admin"), "role=admin");
    EXPECT_EQ(set("set role \"Admin\""), "role=Admin");
    EXPECT_EQ(set("set role none"), "role=none");
}

TEST(SettingTest, ListsOfNamesKeepTheirQuotes) {
    EXPECT_EQ(
        set("set search_path = a, \"B c\", 'd', \"$user\", \"1\""),
        "search_path=a, \"B c\", d, \"$user\", \"1\""
    );
    EXPECT_EQ(set("set search_path = 'a, b'"), "search_path=\"a, b\"");
    EXPECT_EQ(set("set search_path to ''"), "search_path=\"\"");
    EXPECT_EQ(set("set schema 'a\"b'"), "search_path=\"a\"\"b\"");
}

TEST(SettingTest, Defaults) {
    EXPECT_EQ(set("set x = default"), "x");
    EXPECT_EQ(set("set time zone local"), "timezone");
    EXPECT_EQ(set("set names"), "client_encoding");
    EXPECT_EQ(set("reset App.X"), "app.x");
    EXPECT_EQ(set("reset role"), "role");
    EXPECT_EQ(set("set x = \"default\""), "x=default");
}

TEST(SettingTest, WhatIsNotFollowed) {
    EXPECT_EQ(set("set x = U&'a'"), "?");
    EXPECT_EQ(set("set U&\"x\" = 'a'"), "?");
    EXPECT_EQ(set("set x = "), "?");
    EXPECT_EQ(set("set x = 1 2"), "?");
    EXPECT_EQ(set("set x = a,"), "?");
    EXPECT_EQ(set("set x = - a"), "?");
    EXPECT_EQ(set("set = 1"), "?");
    EXPECT_EQ(set("set x. = 1"), "?");
    EXPECT_EQ(set("set time zone interval '1' hour"), "?");
    EXPECT_EQ(set("set x from current"), "?");
    EXPECT_EQ(set("set x = $1"), "?");
}

TEST(SettingTest, Characteristics) {
    EXPECT_EQ(
        show(read_characteristics("isolation level repeatable read, read only, not deferrable")),
        "default_transaction_isolation=repeatable read; default_transaction_read_only=on; "
        "default_transaction_deferrable=off"
    );
    EXPECT_EQ(
        show(read_characteristics("ISOLATION LEVEL SERIALIZABLE READ WRITE DEFERRABLE")),
        "default_transaction_isolation=serializable; default_transaction_read_only=off; "
        "default_transaction_deferrable=on"
    );
    EXPECT_EQ(show(read_characteristics("something")), "?");
    EXPECT_EQ(show(read_characteristics("'")), "?");
}

TEST(SettingTest, SetConfigAndNothingElse) {
    EXPECT_EQ(config("select set_config('App.X', 'a b', false)"), "app.x=a b");
    EXPECT_EQ(config("SELECT pg_catalog.set_config('search_path', '', false)"), "search_path=");
    EXPECT_EQ(config("select set_config('x'::text, 'y'::text, 'f'::bool) as z"), "x=y");
    EXPECT_EQ(config("select set_config('x', null, 'off') z, set_config('y', 'b', no)"), "x; y=b");
    EXPECT_EQ(config("select set_config('x', 'a', true), set_config('y', 'b', false)"), "y=b");
}

TEST(SettingTest, SetConfigThatIsNotFollowed) {
    for (const char* sql :
         {"select set_config('x', $1, false)",
          "select set_config('x', 'y', false) from t",
          "select set_config('x', 'y', false) where false",
          "select 1, set_config('x', 'y', false)",
          "select set_config('x', 'y' || 'z', false)",
          "select set_config('x', 'y', $1)",
          "select other.set_config('x', 'y', false)",
          "select set_config('x', 'y')",
          "select set_config",
          "select",
          ""}) {
        EXPECT_EQ(config(sql), "?") << sql;
    }
}

}  // namespace
}  // namespace pgweir::sql
