#include "admin/command.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace pgweir::admin {
namespace {

operation op(std::string_view sql) {
    const auto parsed = parse_command(sql);
    EXPECT_TRUE(parsed.has_value()) << sql;
    const auto* found = parsed ? std::get_if<operation>(&*parsed) : nullptr;
    EXPECT_NE(found, nullptr) << sql;
    return found != nullptr ? *found : operation{};
}

std::string error(std::string_view sql) {
    const auto parsed = parse_command(sql);
    return parsed ? "no error" : parsed.error().message;
}

bool shows(std::string_view sql, show_kind what) {
    const auto parsed = parse_command(sql);
    const auto* found = parsed ? std::get_if<show_command>(&*parsed) : nullptr;
    return found != nullptr && found->what == what;
}

TEST(CommandTest, EveryShowIsKnownByItsName) {
    const std::vector<std::pair<const char*, show_kind>> names = {
        {"active_sockets", show_kind::active_sockets},
        {"clients", show_kind::clients},
        {"config", show_kind::config},
        {"databases", show_kind::databases},
        {"dns_hosts", show_kind::dns_hosts},
        {"dns_zones", show_kind::dns_zones},
        {"fds", show_kind::fds},
        {"help", show_kind::help},
        {"lists", show_kind::lists},
        {"mem", show_kind::mem},
        {"peer_pools", show_kind::peer_pools},
        {"peers", show_kind::peers},
        {"pools", show_kind::pools},
        {"servers", show_kind::servers},
        {"sockets", show_kind::sockets},
        {"state", show_kind::state},
        {"stats", show_kind::stats},
        {"stats_averages", show_kind::stats_averages},
        {"stats_totals", show_kind::stats_totals},
        {"totals", show_kind::totals},
        {"users", show_kind::users},
        {"version", show_kind::version},
        {"routing", show_kind::routing},
        {"topology", show_kind::topology},
        {"workers", show_kind::workers},
    };
    ASSERT_EQ(names.size(), show_kind_count);
    for (const auto& [name, what] : names) {
        EXPECT_TRUE(shows(std::string("SHOW ") + name, what)) << name;
        EXPECT_TRUE(shows(std::string("select ") + name, what)) << name;
    }
}

TEST(CommandTest, CaseBlanksAndOneSemicolonDoNotMatter) {
    EXPECT_TRUE(shows(" \t\r\n sHoW \n pOOls \n;\t ", show_kind::pools));
    EXPECT_TRUE(shows("show pools", show_kind::pools));
    EXPECT_TRUE(shows("\"show\" \"POOLS\";", show_kind::pools));
}

TEST(CommandTest, NothingButBlanksIsAnEmptyCommand) {
    for (const char* sql : {"", "  ", ";", " ; \n"}) {
        const auto parsed = parse_command(sql);
        ASSERT_TRUE(parsed.has_value()) << sql;
        EXPECT_TRUE(std::holds_alternative<empty_command>(*parsed)) << sql;
    }
}

TEST(CommandTest, WhatIsNoCommandIsGivenBackWithAHint) {
    for (const char* sql :
         {"SHOW",
          "SHOW NONSENSE",
          "SHOW POOLS STATS",
          "SHOW POOLS; SHOW STATS",
          "SHOW POOLS;;",
          "SHOW\"pools\"",
          "select 1 + 1",
          "BEGIN",
          "-",
          "PAUSE \"shop",
          "SET",
          "SET a",
          "SET a =",
          "SET a b",
          "SET a = 'b",
          "SET = b",
          "SET a = b c",
          "RELOAD now",
          "SUSPEND now",
          "SHUTDOWN NOW",
          "SHOW pools \v",
          "PAUSE my-db"}) {
        EXPECT_EQ(error(sql), std::string("invalid command '") + sql + "', use SHOW HELP;") << sql;
    }
}

TEST(CommandTest, ALongStatementIsShortenedAtACharactersStart) {
    std::string sql(899, 'x');
    for (int i = 0; i < 300; ++i) {
        sql += "é";
    }
    EXPECT_EQ(error(sql + "!"), "invalid command '" + sql.substr(0, 899) + "', use SHOW HELP;");
}

TEST(CommandTest, WordsHaveLimits) {
    EXPECT_EQ(error("ABCDEFGHIJKLMNOP"), "bad arguments");
    EXPECT_EQ(error("ABCDEFGHIJKLMNO"), "invalid command 'ABCDEFGHIJKLMNO', use SHOW HELP;");
    EXPECT_EQ(op("PAUSE " + std::string(63, 'd')).database, std::string(63, 'd'));
    EXPECT_EQ(error("PAUSE " + std::string(64, 'd')), "bad arguments");
    EXPECT_EQ(op("PAUSE \"" + std::string(63, 'd') + "\"").database, std::string(63, 'd'));
    EXPECT_EQ(op("SET a = '" + std::string(255, 'v') + "'").value, std::string(255, 'v'));
    EXPECT_EQ(error("SET a = '" + std::string(256, 'v') + "'"), "bad arguments");
    EXPECT_EQ(error("SET " + std::string(64, 'k') + " = v"), "bad arguments");
}

TEST(CommandTest, AnEmptyNameIsNotEveryDatabase) {
    EXPECT_EQ(error("PAUSE \"\""), "bad arguments");
    EXPECT_EQ(error("KILL \"\";"), "bad arguments");
    EXPECT_EQ(error("SET \"\" = 1"), "bad arguments");
}

TEST(CommandTest, NamesKeepTheirCaseAndQuotesAreUndoubled) {
    EXPECT_EQ(op("PAUSE Shop").database, "Shop");
    EXPECT_EQ(op("pause \"my \"\"odd\"\" db\"").database, "my \"odd\" db");
    EXPECT_EQ(op("RESUME").database, "");
}

TEST(CommandTest, EveryOperationIsKnownByItsWord) {
    const std::vector<std::pair<const char*, operation_kind>> words = {
        {"DISABLE", operation_kind::disable},
        {"ENABLE", operation_kind::enable},
        {"KILL", operation_kind::kill},
        {"KILL_CLIENT", operation_kind::kill_client},
        {"PAUSE", operation_kind::pause},
        {"RECONNECT", operation_kind::reconnect},
        {"RELOAD", operation_kind::reload},
        {"RESUME", operation_kind::resume},
        {"SHUTDOWN", operation_kind::shutdown},
        {"SUSPEND", operation_kind::suspend},
        {"WAIT_CLOSE", operation_kind::wait_close},
    };
    for (const auto& [word, what] : words) {
        const operation parsed = op(word);
        EXPECT_EQ(parsed.what, what) << word;
        EXPECT_EQ(command_tag(parsed), word);
        EXPECT_EQ(word_of(what), word);
    }
}

TEST(CommandTest, SetTakesAWordOrAStringAfterEqualsOrTo) {
    for (const char* sql :
         {"SET pool_mode = session",
          "set pool_mode=session;",
          "SET pool_mode TO session",
          "SET pool_mode to 'session'",
          "SET \"pool_mode\"='session'",
          "SET pool_mode = \"session\""}) {
        const operation parsed = op(sql);
        EXPECT_EQ(parsed.what, operation_kind::set) << sql;
        EXPECT_EQ(parsed.key, "pool_mode") << sql;
        EXPECT_EQ(parsed.value, "session") << sql;
    }
    EXPECT_EQ(op("SET server_check_query = 'select ''1'''").value, "select '1'");
    EXPECT_EQ(op("SET server_check_query = ''").value, "");
    EXPECT_EQ(command_tag(op("SET verbose = 2")), "SET verbose=2");
}

TEST(CommandTest, ParametersThatDriversAskForAreAnsweredAndTheirSetIgnored) {
    const auto parsed = parse_command("SHOW TimeZone");
    ASSERT_TRUE(parsed.has_value());
    const auto* parameter = std::get_if<show_parameter>(&*parsed);
    ASSERT_NE(parameter, nullptr);
    EXPECT_EQ(parameter->name, "timezone");
    EXPECT_EQ(parameter->value, "GMT");
    for (const char* sql :
         {"SET client_encoding TO 'UTF8'", "SET extra_float_digits = 3", "SET DateStyle = 'ISO'"}) {
        const auto set = parse_command(sql);
        ASSERT_TRUE(set.has_value()) << sql;
        EXPECT_TRUE(std::holds_alternative<ignored_set>(*set)) << sql;
    }
}

TEST(CommandTest, ShutdownHasThreeModes) {
    EXPECT_EQ(op("SHUTDOWN").mode, shutdown_mode::immediate);
    EXPECT_EQ(op("SHUTDOWN wait_for_servers").mode, shutdown_mode::wait_for_servers);
    EXPECT_EQ(op("SHUTDOWN WAIT_FOR_CLIENTS;").mode, shutdown_mode::wait_for_clients);
    EXPECT_EQ(log_text(op("shutdown wait_for_clients")), "SHUTDOWN WAIT_FOR_CLIENTS");
}

TEST(CommandTest, KillClientTakesAWholeNumber) {
    EXPECT_EQ(op("KILL_CLIENT 42").client_id, 42U);
    EXPECT_EQ(argument_error(op("KILL_CLIENT 42")), "");
    for (const char* sql :
         {"KILL_CLIENT",
          "KILL_CLIENT 42abc",
          "KILL_CLIENT 0x2a",
          "KILL_CLIENT \"-1\"",
          "KILL_CLIENT \" 1\"",
          "KILL_CLIENT 99999999999999999999"}) {
        EXPECT_EQ(argument_error(op(sql)), "invalid client pointer supplied") << sql;
    }
}

TEST(CommandTest, DisableAndEnableNeedADatabase) {
    EXPECT_EQ(argument_error(op("DISABLE")), "a database is required");
    EXPECT_EQ(argument_error(op("ENABLE")), "a database is required");
    EXPECT_EQ(argument_error(op("DISABLE shop")), "");
    EXPECT_EQ(argument_error(op("PAUSE")), "");
}

TEST(CommandTest, TheConsoleIsNoDatabaseToOperateOn) {
    EXPECT_EQ(argument_error(op("PAUSE pgbouncer")), "cannot pause admin db: pgbouncer");
    EXPECT_EQ(argument_error(op("KILL pgweir")), "cannot kill admin db: pgweir");
    EXPECT_EQ(argument_error(op("RECONNECT pgbouncer")), "cannot reconnect admin db: pgbouncer");
    EXPECT_EQ(argument_error(op("DISABLE pgbouncer")), "cannot disable admin db: pgbouncer");
    EXPECT_EQ(argument_error(op("ENABLE pgbouncer")), "cannot enable admin db: pgbouncer");
    EXPECT_EQ(argument_error(op("WAIT_CLOSE pgbouncer")), "cannot wait in admin db: pgbouncer");
}

TEST(CommandTest, TheLogNamesWhatWasDone) {
    EXPECT_EQ(log_text(op("pause shop")), "PAUSE 'shop'");
    EXPECT_EQ(log_text(op("reload")), "RELOAD");
    EXPECT_EQ(log_text(op("kill_client 7")), "KILL_CLIENT 7");
    EXPECT_EQ(log_text(op("set verbose = 1")), "SET verbose=1");
    EXPECT_EQ(log_text(op("set nothing = 'secret'")), "SET nothing");
    EXPECT_EQ(
        log_text(op("set auth_ldap_options = 'ldapbindpasswd=secret'")),
        "SET auth_ldap_options=****"
    );
}

}  // namespace
}  // namespace pgweir::admin
