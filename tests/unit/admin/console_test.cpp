#include "admin/console.hpp"

#include "unit/admin/transcript.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::admin {
namespace {

using test::transcript;
using testing::ElementsAre;
using testing::IsEmpty;
using action = console::action;

constexpr const char* lists_header = "T list:25 items:23";

std::string cstring(std::string_view text) {
    return std::string(text) + '\0';
}

std::string int16(int value) {
    return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string int32(int value) {
    return int16(value >> 16) + int16(value);
}

/// A client of the console, with a verb for each message, and its driver.
class client {
public:
    explicit client(access_level access) : console_(access) {}

    action query(std::string_view sql) { return send('Q', cstring(sql)); }

    action parse(std::string_view name, std::string_view sql) {
        return send('P', cstring(name) + cstring(sql) + int16(0));
    }

    action bind(
        std::string_view portal, std::string_view statement, std::string results = int16(0)
    ) {
        return send('B', cstring(portal) + cstring(statement) + int16(0) + int16(0) + results);
    }

    action describe(char kind, std::string_view name) { return send('D', kind + cstring(name)); }

    action execute(std::string_view portal, int limit = 0) {
        return send('E', cstring(portal) + int32(limit));
    }

    action close(char kind, std::string_view name) { return send('C', kind + cstring(name)); }

    action sync() { return send('S', ""); }

    action send(char type, std::string_view body) { return console_.on_message(type, body, out_); }

    void render(const snapshot& data = {}) { console_.render(data, out_); }

    void finish(const operation_result& how = {}) { console_.finished(how, out_); }

    /// What the console has written since the last call.
    std::vector<std::string> answer() { return transcript(std::exchange(out_, {})); }

    console& session() { return console_; }

private:
    console console_;
    std::string out_;
};

class ConsoleTest : public testing::Test {
protected:
    client admin_{access_level::admin};
    client stats_{access_level::stats};
};

/// Every command that changes something or tells secrets.
const std::vector<std::string>& admin_commands() {
    static const std::vector<std::string> all = {
        "SET verbose = 1",
        "RELOAD",
        "PAUSE",
        "PAUSE shop",
        "RESUME",
        "RESUME shop",
        "SUSPEND",
        "SHUTDOWN",
        "SHUTDOWN WAIT_FOR_SERVERS",
        "SHUTDOWN WAIT_FOR_CLIENTS",
        "DISABLE shop",
        "DISABLE",
        "ENABLE shop",
        "ENABLE",
        "RECONNECT",
        "RECONNECT shop",
        "KILL",
        "KILL shop",
        "KILL_CLIENT 1",
        "KILL_CLIENT",
        "WAIT_CLOSE",
        "WAIT_CLOSE shop",
        "SHOW FDS",
    };
    return all;
}

TEST_F(ConsoleTest, AStatsUserIsRefusedEveryAdminCommand) {
    for (const std::string& sql : admin_commands()) {
        EXPECT_EQ(stats_.query(sql), action::reply) << sql;
        EXPECT_FALSE(stats_.session().busy()) << sql;
        EXPECT_THAT(stats_.answer(), ElementsAre("E ERROR 08P01 admin access needed", "Z I"))
            << sql;
    }
}

TEST_F(ConsoleTest, AStatsUserIsRefusedThemInTheExtendedProtocolToo) {
    for (const std::string& sql : admin_commands()) {
        stats_.parse("", sql);
        stats_.bind("", "");
        EXPECT_EQ(stats_.execute(""), action::reply) << sql;
        stats_.sync();
        EXPECT_THAT(
            stats_.answer(), ElementsAre("1", "2", "E ERROR 08P01 admin access needed", "Z I")
        ) << sql;
    }
}

TEST_F(ConsoleTest, AStatsUserMayLookAtEverythingElse) {
    for (const char* what :
         {"ACTIVE_SOCKETS",
          "CLIENTS",
          "CONFIG",
          "DATABASES",
          "DNS_HOSTS",
          "DNS_ZONES",
          "LISTS",
          "MEM",
          "PEERS",
          "PEER_POOLS",
          "POOLS",
          "SERVERS",
          "SOCKETS",
          "STATE",
          "STATS",
          "STATS_AVERAGES",
          "STATS_TOTALS",
          "TOTALS",
          "USERS"}) {
        ASSERT_EQ(stats_.query(std::string("SHOW ") + what), action::show) << what;
        stats_.render();
        const auto lines = stats_.answer();
        ASSERT_GE(lines.size(), 3U) << what;
        EXPECT_EQ(lines.front().front(), 'T') << what;
        EXPECT_EQ(lines[lines.size() - 2], "C SHOW") << what;
        EXPECT_EQ(lines.back(), "Z I") << what;
    }
}

TEST_F(ConsoleTest, AShowAsksForASnapshotAndAnswersOnceItIsThere) {
    EXPECT_EQ(admin_.query("SHOW STATE;"), action::show);
    EXPECT_TRUE(admin_.session().busy());
    EXPECT_EQ(admin_.session().show(), show_kind::state);
    EXPECT_THAT(admin_.answer(), IsEmpty());
    snapshot data;
    data.state = pooler_state::paused;
    admin_.render(data);
    EXPECT_FALSE(admin_.session().busy());
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre(
            "T key:25 value:25", "D active|no", "D paused|yes", "D suspended|no", "C SHOW", "Z I"
        )
    );
}

TEST_F(ConsoleTest, VersionHelpAndParametersNeedNoSnapshot) {
    EXPECT_EQ(stats_.query("SHOW VERSION"), action::reply);
    EXPECT_THAT(
        stats_.answer(),
        ElementsAre(
            "T version:25", "D PgBouncer 1.25.2 (pgweir " PGWEIR_VERSION ")", "C SHOW", "Z I"
        )
    );
    EXPECT_EQ(stats_.query("SHOW HELP"), action::reply);
    EXPECT_EQ(stats_.answer().size(), 3U);
    EXPECT_EQ(stats_.query("SHOW client_encoding"), action::reply);
    EXPECT_THAT(stats_.answer(), ElementsAre("T client_encoding:25", "D UTF-8", "C SHOW", "Z I"));
    EXPECT_EQ(stats_.query("SET timezone TO 'UTC'"), action::reply);
    EXPECT_THAT(stats_.answer(), ElementsAre("N NOTICE 00000 SET ignored", "C SET", "Z I"));
}

TEST_F(ConsoleTest, AnOperationIsRunAndAnsweredWithItsTag) {
    EXPECT_EQ(admin_.query("pause \"my shop\";"), action::run);
    EXPECT_TRUE(admin_.session().busy());
    EXPECT_EQ(admin_.session().requested().what, operation_kind::pause);
    EXPECT_EQ(admin_.session().requested().database, "my shop");
    EXPECT_THAT(admin_.answer(), IsEmpty());
    admin_.finish();
    EXPECT_FALSE(admin_.session().busy());
    EXPECT_THAT(admin_.answer(), ElementsAre("C PAUSE", "Z I"));
}

TEST_F(ConsoleTest, EveryOperationOfAnAdminIsHandedToTheDriver) {
    for (const std::string& sql : admin_commands()) {
        if (sql == "SHOW FDS" || sql == "SUSPEND" || sql == "DISABLE" || sql == "ENABLE" ||
            sql == "KILL_CLIENT") {
            continue;
        }
        ASSERT_EQ(admin_.query(sql), action::run) << sql;
        admin_.finish();
        const auto lines = admin_.answer();
        ASSERT_EQ(lines.size(), 2U) << sql;
        EXPECT_EQ(lines[0], "C " + command_tag(admin_.session().requested())) << sql;
    }
}

TEST_F(ConsoleTest, AnOperationThatFailsIsAnErrorAndTheSessionGoesOn) {
    admin_.query("RESUME");
    admin_.finish({.error = "pooler is not paused/suspended"});
    EXPECT_THAT(
        admin_.answer(), ElementsAre("E ERROR 08P01 pooler is not paused/suspended", "Z I")
    );
    admin_.query("PAUSE");
    admin_.finish({.error = "canceling statement due to user request", .sqlstate = "57014"});
    EXPECT_THAT(
        admin_.answer(), ElementsAre("E ERROR 57014 canceling statement due to user request", "Z I")
    );
    EXPECT_EQ(admin_.query("RELOAD"), action::run);
}

TEST_F(ConsoleTest, AReloadThatFailsHasPgbouncersCodeAndOurReason) {
    admin_.query("RELOAD");
    admin_.finish({.error = "pgbouncer.ini:3: unknown key"});
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre(
            "E ERROR F0000 RELOAD failed, see logs for additional details "
            "(pgbouncer.ini:3: unknown key)",
            "Z I"
        )
    );
}

TEST_F(ConsoleTest, SetIsAnsweredWithTheAssignmentAndANoticeIfThereIsOne) {
    ASSERT_EQ(admin_.query("SET client_tls_ciphers = 'x'"), action::run);
    EXPECT_EQ(admin_.session().requested().key, "client_tls_ciphers");
    EXPECT_EQ(admin_.session().requested().value, "x");
    admin_.finish({.notice = "TLS settings could not be applied, still using old configuration"});
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre(
            "N NOTICE 00000 TLS settings could not be applied, still using old configuration",
            "C SET client_tls_ciphers=x",
            "Z I"
        )
    );
}

TEST_F(ConsoleTest, ArgumentsAreCheckedBeforeAnythingRuns) {
    EXPECT_EQ(admin_.query("DISABLE"), action::reply);
    EXPECT_THAT(admin_.answer(), ElementsAre("E ERROR 08P01 a database is required", "Z I"));
    EXPECT_EQ(admin_.query("KILL_CLIENT x"), action::reply);
    EXPECT_THAT(
        admin_.answer(), ElementsAre("E ERROR 08P01 invalid client pointer supplied", "Z I")
    );
    EXPECT_EQ(admin_.query("PAUSE pgbouncer"), action::reply);
    EXPECT_THAT(
        admin_.answer(), ElementsAre("E ERROR 08P01 cannot pause admin db: pgbouncer", "Z I")
    );
}

TEST_F(ConsoleTest, WhatIsNotBuiltSaysSo) {
    EXPECT_EQ(admin_.query("SHOW FDS"), action::reply);
    EXPECT_THAT(admin_.answer(), ElementsAre("E ERROR 0A000 SHOW FDS is not supported yet", "Z I"));
    EXPECT_EQ(admin_.query("SUSPEND"), action::reply);
    EXPECT_THAT(admin_.answer(), ElementsAre("E ERROR 0A000 SUSPEND is not supported yet", "Z I"));
}

TEST_F(ConsoleTest, AnUnknownCommandIsAnErrorAndTheSessionGoesOn) {
    EXPECT_EQ(admin_.query("select 1"), action::reply);
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre("E ERROR 08P01 invalid command 'select 1', use SHOW HELP;", "Z I")
    );
    EXPECT_EQ(admin_.query(";"), action::reply);
    EXPECT_THAT(admin_.answer(), ElementsAre("I", "Z I"));
}

TEST_F(ConsoleTest, TerminateClosesWithoutAWord) {
    EXPECT_EQ(admin_.send('X', ""), action::close);
    EXPECT_THAT(admin_.answer(), IsEmpty());
}

TEST_F(ConsoleTest, BytesThatAreNoMessageEndTheConnection) {
    const std::vector<std::pair<char, std::string>> broken = {
        {'Q', ""},
        {'Q', "SHOW POOLS"},                         // no zero byte
        {'Q', cstring("SHOW POOLS") + "x"},          // something behind it
        {'P', cstring("") + cstring("SHOW POOLS")},  // no count of types
        {'P', cstring("") + cstring("SHOW POOLS") + int16(2) + int32(23)},
        {'B', cstring("") + cstring("") + int16(1)},
        {'B', cstring("") + cstring("") + int16(0) + int16(1) + int32(-2) + int16(0)},
        {'B', cstring("") + cstring("") + int16(0) + int16(1) + int32(0x7fffffff)},
        {'B', cstring("") + cstring("") + int16(0) + int16(0) + int16(-1)},
        {'D', "X" + cstring("")},
        {'D', "S"},
        {'C', "?" + cstring("")},
        {'E', cstring("")},
        {'E', cstring("") + int16(0)},
    };
    for (const auto& [type, body] : broken) {
        client one(access_level::admin);
        EXPECT_EQ(one.send(type, body), action::close) << type << " " << body;
        EXPECT_THAT(one.answer(), ElementsAre("E FATAL 08P01 failed to parse packet")) << type;
    }
}

TEST_F(ConsoleTest, OtherMessagesAreNotForTheConsole) {
    for (const char type : {'F', 'd', 'c', 'f', 'p', '\0', 'z'}) {
        client one(access_level::admin);
        EXPECT_EQ(one.send(type, ""), action::close) << type;
        EXPECT_THAT(
            one.answer(), ElementsAre("E FATAL 08P01 unsupported packet type for admin console")
        );
    }
}

class ExtendedConsoleTest : public ConsoleTest {};

TEST_F(ExtendedConsoleTest, AShowIsDescribedRunAndSynced) {
    admin_.parse("", "SHOW LISTS");
    admin_.bind("", "");
    admin_.describe('P', "");
    EXPECT_EQ(admin_.execute("", 2), action::show);
    admin_.render();
    EXPECT_EQ(admin_.sync(), action::reply);
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre("1", "2", lists_header, "D databases|0", "D users|0", "s", "Z I")
    );
}

TEST_F(ExtendedConsoleTest, DescribingAStatementTellsParametersAndColumns) {
    admin_.parse("lists", "SHOW LISTS");
    admin_.describe('S', "lists");
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "t", lists_header));
    admin_.parse("reload", "RELOAD");
    admin_.describe('S', "reload");
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "t", "n"));
    admin_.parse("zone", "SHOW timezone");
    admin_.describe('S', "zone");
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "t", "T timezone:25"));
    admin_.parse("help", "SHOW HELP");
    admin_.describe('S', "help");
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "t", "n"));
}

TEST_F(ExtendedConsoleTest, ANamedStatementRunsAgainAndAgain) {
    admin_.parse("v", "SHOW VERSION");
    admin_.sync();
    admin_.answer();
    for (int i = 0; i < 2; ++i) {
        admin_.bind("", "v");
        EXPECT_EQ(admin_.execute(""), action::reply);
        admin_.sync();
        EXPECT_THAT(
            admin_.answer(),
            ElementsAre("2", "D PgBouncer 1.25.2 (pgweir " PGWEIR_VERSION ")", "C SHOW", "Z I")
        );
    }
}

TEST_F(ExtendedConsoleTest, AnOperationRunsWithoutReadyForQueryBeforeSync) {
    admin_.parse("", "RESUME shop");
    admin_.bind("", "");
    EXPECT_EQ(admin_.execute(""), action::run);
    EXPECT_EQ(admin_.session().requested().database, "shop");
    admin_.finish();
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "2", "C RESUME"));
    admin_.sync();
    EXPECT_THAT(admin_.answer(), ElementsAre("Z I"));
}

TEST_F(ExtendedConsoleTest, AnErrorSkipsToSync) {
    admin_.parse("", "NONSENSE");
    EXPECT_EQ(admin_.bind("", ""), action::reply);
    EXPECT_EQ(admin_.describe('P', ""), action::reply);
    EXPECT_EQ(admin_.execute(""), action::reply);
    EXPECT_EQ(admin_.query("RELOAD"), action::reply);
    EXPECT_EQ(admin_.send('z', ""), action::reply);
    EXPECT_THAT(
        admin_.answer(), ElementsAre("E ERROR 08P01 invalid command 'NONSENSE', use SHOW HELP;")
    );
    admin_.sync();
    EXPECT_THAT(admin_.answer(), ElementsAre("Z I"));
    EXPECT_EQ(admin_.query("RELOAD"), action::run);
}

TEST_F(ExtendedConsoleTest, AnOperationThatFailsSkipsToSyncToo) {
    admin_.parse("", "RESUME");
    admin_.bind("", "");
    admin_.execute("");
    admin_.finish({.error = "pooler is not paused/suspended"});
    EXPECT_EQ(admin_.query("RELOAD"), action::reply);
    admin_.sync();
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre("1", "2", "E ERROR 08P01 pooler is not paused/suspended", "Z I")
    );
}

TEST_F(ExtendedConsoleTest, ARowLimitSuspendsAndTheRestFollows) {
    admin_.parse("", "SHOW STATE");
    admin_.bind("p", "");
    ASSERT_EQ(admin_.execute("p", 2), action::show);
    admin_.render();
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "2", "D active|yes", "D paused|no", "s"));
    EXPECT_EQ(admin_.execute("p", 1), action::reply);
    EXPECT_THAT(admin_.answer(), ElementsAre("D suspended|no", "s"));
    EXPECT_EQ(admin_.execute("p", 1), action::reply);
    EXPECT_THAT(admin_.answer(), ElementsAre("C SHOW"));
}

TEST_F(ExtendedConsoleTest, ResultsComeInTheFormatsAskedFor) {
    admin_.parse("", "SHOW LISTS");
    admin_.bind("", "", int16(1) + int16(1));
    admin_.describe('P', "");
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "2", "T list:25:b items:23:b"));
    admin_.execute("", 1);
    snapshot data;
    data.lists.databases = 5;
    admin_.render(data);
    EXPECT_THAT(admin_.answer(), ElementsAre(std::string("D databases|\0\0\0\5", 16), "s"));
}

TEST_F(ExtendedConsoleTest, FormatsThatFitNothingAreRefused) {
    admin_.parse("s", "SHOW LISTS");
    admin_.bind("", "s", int16(3) + int16(0) + int16(0) + int16(0));
    admin_.sync();
    admin_.bind("", "s", int16(1) + int16(2));
    admin_.sync();
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre(
            "1",
            "E ERROR 08P01 result formats do not match the columns",
            "Z I",
            "E ERROR 22023 unsupported format code: 2",
            "Z I"
        )
    );
}

TEST_F(ExtendedConsoleTest, CommandsTakeNoParameters) {
    admin_.parse("", "SHOW LISTS");
    admin_.send(
        'B', cstring("") + cstring("") + int16(0) + int16(2) + int32(1) + "x" + int32(-1) + int16(0)
    );
    EXPECT_THAT(
        admin_.answer(), ElementsAre("1", "E ERROR 08P01 console commands take no parameters")
    );
}

TEST_F(ExtendedConsoleTest, UnknownNamesAreErrorsOfPostgresql) {
    admin_.bind("", "nobody");
    admin_.sync();
    admin_.describe('S', "nobody");
    admin_.sync();
    admin_.describe('P', "nowhere");
    admin_.sync();
    admin_.execute("nowhere");
    admin_.sync();
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre(
            "E ERROR 26000 prepared statement \"nobody\" does not exist",
            "Z I",
            "E ERROR 26000 prepared statement \"nobody\" does not exist",
            "Z I",
            "E ERROR 34000 portal \"nowhere\" does not exist",
            "Z I",
            "E ERROR 34000 portal \"nowhere\" does not exist",
            "Z I"
        )
    );
}

TEST_F(ExtendedConsoleTest, NamesInUseAreRefusedUntilClosed) {
    admin_.parse("s", "SHOW LISTS");
    admin_.parse("s", "SHOW STATE");
    admin_.sync();
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre("1", "E ERROR 42P05 prepared statement \"s\" already exists", "Z I")
    );
    admin_.bind("p", "s");
    admin_.bind("p", "s");
    admin_.sync();
    EXPECT_THAT(
        admin_.answer(), ElementsAre("2", "E ERROR 42P03 portal \"p\" already exists", "Z I")
    );
    admin_.bind("p", "s");
    admin_.close('P', "p");
    admin_.bind("p", "s");
    admin_.close('S', "s");
    admin_.parse("s", "SHOW STATE");
    EXPECT_THAT(admin_.answer(), ElementsAre("2", "3", "2", "3", "1"));
}

TEST_F(ExtendedConsoleTest, TheUnnamedStatementIsReplacedAndASimpleQueryEndsIt) {
    admin_.parse("", "SHOW LISTS");
    admin_.parse("", "SHOW STATE");
    admin_.describe('S', "");
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "1", "t", "T key:25 value:25"));
    admin_.query(";");
    admin_.describe('S', "");
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre("I", "Z I", "E ERROR 26000 unnamed prepared statement does not exist")
    );
}

TEST_F(ExtendedConsoleTest, PortalsEndAtSyncAndOperationsRunOnce) {
    admin_.parse("s", "RELOAD");
    admin_.bind("p", "s");
    admin_.execute("p");
    admin_.finish();
    EXPECT_EQ(admin_.execute("p"), action::reply);
    admin_.sync();
    admin_.execute("p");
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre(
            "1",
            "2",
            "C RELOAD",
            "E ERROR 55000 portal \"p\" cannot be run",
            "Z I",
            "E ERROR 34000 portal \"p\" does not exist"
        )
    );
}

TEST_F(ExtendedConsoleTest, StatementsAndPortalsHaveALimit) {
    for (std::size_t i = 0; i < console::statement_limit; ++i) {
        admin_.parse("s" + std::to_string(i), "SHOW LISTS");
        admin_.bind("p" + std::to_string(i), "s0");
    }
    admin_.answer();
    admin_.bind("one more", "s0");
    EXPECT_THAT(admin_.answer(), ElementsAre("E ERROR 53400 too many portals in the console"));
    admin_.sync();
    admin_.parse("one more", "SHOW LISTS");
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre("Z I", "E ERROR 53400 too many prepared statements in the console")
    );
    admin_.sync();
    admin_.close('S', "s0");
    admin_.parse("one more", "SHOW LISTS");
    EXPECT_THAT(admin_.answer(), ElementsAre("Z I", "3", "1"));
}

TEST_F(ExtendedConsoleTest, NamesHaveALimit) {
    admin_.parse(std::string(256, 'n'), "SHOW LISTS");
    admin_.sync();
    admin_.parse(std::string(255, 'n'), "SHOW LISTS");
    admin_.bind(std::string(256, 'p'), std::string(255, 'n'));
    EXPECT_THAT(
        admin_.answer(),
        ElementsAre(
            "E ERROR 42622 statement name too long",
            "Z I",
            "1",
            "E ERROR 42622 portal name too long"
        )
    );
}

TEST_F(ExtendedConsoleTest, FlushAsksForNothingMore) {
    EXPECT_EQ(admin_.send('H', ""), action::reply);
    EXPECT_THAT(admin_.answer(), IsEmpty());
}

TEST_F(ExtendedConsoleTest, HelpAndEmptyStatementsHaveNoRows) {
    admin_.parse("", "");
    admin_.bind("", "");
    admin_.execute("");
    admin_.sync();
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "2", "I", "Z I"));
    admin_.parse("", "SET datestyle = 'ISO'");
    admin_.bind("", "");
    admin_.execute("");
    EXPECT_THAT(admin_.answer(), ElementsAre("1", "2", "N NOTICE 00000 SET ignored", "C SET"));
}

}  // namespace
}  // namespace pgweir::admin
