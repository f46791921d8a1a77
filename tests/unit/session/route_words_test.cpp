#include "session/route_words.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace pgweir::session {
namespace {

transaction_control control(std::string_view text) {
    return read_control(text, sql::backslash::plain);
}

std::optional<own_statement> own(std::string_view text) {
    return read_own(text, sql::backslash::plain);
}

TEST(ReadControlTest, BeginInAllItsForms) {
    for (const std::string_view text :
         {"BEGIN",
          "begin;",
          " Begin Work ;; ",
          "BEGIN TRANSACTION",
          "/* a */ BEGIN -- b",
          "BEGIN ISOLATION LEVEL READ COMMITTED",
          "BEGIN NOT DEFERRABLE",
          "BEGIN READ WRITE, ISOLATION LEVEL REPEATABLE READ",
          "BEGIN READ WRITE DEFERRABLE"}) {
        EXPECT_EQ(control(text).kind, control_kind::begin) << text;
        EXPECT_EQ(control(text).tag, "BEGIN");
    }
    EXPECT_EQ(control("START TRANSACTION").tag, "START TRANSACTION");
    EXPECT_EQ(control("start transaction read only").modes.read_only, true);
}

TEST(ReadControlTest, ModesAreTold) {
    EXPECT_FALSE(control("BEGIN").modes.read_only);
    EXPECT_EQ(control("BEGIN READ ONLY").modes.read_only, true);
    EXPECT_EQ(control("BEGIN READ WRITE").modes.read_only, false);
    EXPECT_EQ(control("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY").modes.serializable, true);
    EXPECT_EQ(control("BEGIN ISOLATION LEVEL REPEATABLE READ").modes.serializable, false);
    EXPECT_EQ(control("BEGIN READ ONLY, READ WRITE").modes.read_only, false) << "the last counts";
}

TEST(ReadControlTest, WhatIsNotUnderstoodWholeIsNone) {
    for (const std::string_view text :
         {"",
          ";",
          "BEGIN; SELECT 1",
          "BEGIN ATOMIC",
          "BEGIN READ",
          "BEGIN READ ONLY,",
          "BEGIN ,",
          "BEGIN ISOLATION LEVEL",
          "BEGIN ISOLATION LEVEL CHAOS",
          "START",
          "START TRANSACTION x",
          "BEGIN 'x",
          "BEGIN /* x",
          "SELECT 1",
          "SET TRANSACTION",
          "SET TRANSACTION;",
          "SET TRANSACTION SNAPSHOT '1'",
          "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
          "SET LOCAL x = 1",
          "COMMIT AND CHAIN",
          "COMMIT PREPARED 'x'",
          "ROLLBACK TO a",
          "ROLLBACK TO SAVEPOINT a",
          "ROLLBACK PREPARED 'x'",
          "ROLLBACK AND CHAIN",
          "END x",
          "COMMIT; BEGIN",
          "PREPARE TRANSACTION 'x'",
          "\"begin\"",
          "BEGIN TRANSACTION TRANSACTION"}) {
        EXPECT_EQ(control(text).kind, control_kind::none) << text;
    }
}

TEST(ReadControlTest, EndsOfTransactions) {
    for (const std::string_view text :
         {"COMMIT", "commit work;", "END", "END TRANSACTION", "COMMIT AND NO CHAIN"}) {
        EXPECT_EQ(control(text).kind, control_kind::commit) << text;
        EXPECT_EQ(control(text).tag, "COMMIT");
    }
    for (const std::string_view text : {"ROLLBACK", "abort", "ROLLBACK WORK AND NO CHAIN;"}) {
        EXPECT_EQ(control(text).kind, control_kind::rollback) << text;
        EXPECT_EQ(control(text).tag, "ROLLBACK");
    }
}

TEST(ReadControlTest, SetTransactionAddsModes) {
    const auto found = control("SET TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE");
    EXPECT_EQ(found.kind, control_kind::set_transaction);
    EXPECT_EQ(found.modes.read_only, true);
    EXPECT_EQ(found.modes.serializable, true);
    EXPECT_EQ(found.tag, "SET");
}

TEST(ReadOwnTest, SettingsOfOurs) {
    const auto set = own("SET pgweir.routing = 'standby'");
    ASSERT_TRUE(set);
    EXPECT_EQ(set->what, own_statement::kind::set);
    EXPECT_EQ(set->parameter, own_parameter::routing);
    EXPECT_EQ(set->value, "standby");
    EXPECT_EQ(own("set PGWEIR.Routing to prefer-standby;")->value, "prefer-standby");
    EXPECT_EQ(own("SET SESSION pgweir.read_consistency TO own_writes")->value, "own_writes");
    EXPECT_EQ(own("SET pgweir.read_after = '2/0/16B3740'")->value, "2/0/16B3740");
    EXPECT_EQ(own("SET pgweir.read_after = ''")->value, "");
    EXPECT_EQ(own("SET pgweir.routing TO DEFAULT")->what, own_statement::kind::reset);
    EXPECT_EQ(own("RESET pgweir.routing")->what, own_statement::kind::reset);
    EXPECT_EQ(own("show pgweir.last_write")->what, own_statement::kind::show);
}

TEST(ReadOwnTest, OthersAreThePrimarys) {
    for (const std::string_view text :
         {"SET LOCAL pgweir.routing = primary",
          "SET pgweir.unknown = 1",
          "SET routing = primary",
          "SET pgweir.routing",
          "SET pgweir.routing =",
          "SET pgweir.routing = 'it''s'",
          "SET pgweir.routing = a, b",
          "SHOW pgweir.routing; SELECT 1",
          "RESET ALL",
          "SHOW all",
          "SELECT pgweir.routing",
          "SET pgweir.routing = primary extra"}) {
        EXPECT_FALSE(own(text)) << text;
    }
}

TEST(ReadHintTest, CommentInFront) {
    EXPECT_EQ(read_hint("/* pgweir: primary */ SELECT 1"), config::routing::primary);
    EXPECT_EQ(read_hint("/*pgweir:standby*/SELECT 1"), config::routing::standby);
    EXPECT_EQ(read_hint("  /* pgweir : prefer-standby */"), config::routing::prefer_standby);
    EXPECT_EQ(read_hint("/* pgweir: auto */ x"), config::routing::automatic);
    for (const std::string_view text :
         {"SELECT 1 /* pgweir: primary */",
          "/* pgweir: off */",
          "/* pgweir primary */",
          "/* pgweirx: primary */",
          "/* pgweir: primary",
          "-- pgweir: primary\nSELECT 1",
          "/* pgweir: nowhere */ SELECT 1",
          ""}) {
        EXPECT_FALSE(read_hint(text)) << text;
    }
}

}  // namespace
}  // namespace pgweir::session
