#include "config/load.hpp"

#include "support.hpp"

#include <gmock/gmock.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace pgweir::config {
namespace {

using test::good;
using test::load_files;
using test::refusal;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> warnings_of(const configuration& all) {
    std::vector<std::string> texts;
    for (const warning& w : all.warnings) {
        texts.push_back(w.text);
    }
    return texts;
}

/// The refusal of one line in the main section, without the file and line in front of it.
std::string refusal_of_setting(const std::string& line) {
    const std::string prefix = "a.ini:2: ";
    const std::string message = refusal("[pgbouncer]\n" + line + "\n");
    EXPECT_EQ(message.substr(0, prefix.size()), prefix);
    return message.substr(std::min(message.size(), prefix.size()));
}

/// The same for one entry of [databases].
std::string refusal_of_database(const std::string& line) {
    const std::string prefix = "a.ini:3: ";
    const std::string message = refusal("[pgbouncer]\n[databases]\n" + line + "\n");
    EXPECT_EQ(message.substr(0, prefix.size()), prefix);
    return message.substr(std::min(message.size(), prefix.size()));
}

TEST(LoadTest, SettingsOfEveryKindAreTaken) {
    const auto all = good(
        "[pgbouncer]\n"
        "listen_addr = 127.0.0.1, ::1 ,db.example.org\n"
        "listen_port = 6543\n"
        "unix_socket_mode = 0770\n"
        "pool_mode = Transaction\n"
        "auth_type = scram-sha-256\n"
        "reserve_pool_timeout = 0.25\n"
        "server_round_robin = 1\n"
        "admin_users = ann, bob carl\n"
        "server_reset_query =\n"
        "workers = 4\n"
        "io_engine = epoll\n"
    );
    const settings& set = all->global;
    EXPECT_THAT(set.listen_addr, ElementsAre("127.0.0.1", "::1", "db.example.org"));
    EXPECT_EQ(set.listen_port, 6543);
    EXPECT_EQ(set.unix_socket_mode, 0770);
    EXPECT_EQ(set.pool_mode, pool_mode::transaction);
    EXPECT_EQ(set.auth_type, auth_type::scram_sha_256);
    EXPECT_EQ(set.reserve_pool_timeout, milliseconds(250));
    EXPECT_TRUE(set.server_round_robin);
    EXPECT_THAT(set.admin_users, ElementsAre("ann", "bob", "carl"));
    EXPECT_EQ(set.server_reset_query, "");
    EXPECT_EQ(set.workers, 4);
    EXPECT_EQ(set.io_engine, io_engine::epoll);
    EXPECT_THAT(warnings_of(*all), IsEmpty());
}

TEST(LoadTest, SectionMayHaveOurName) {
    EXPECT_EQ(good("[pgweir]\nlisten_port = 1\n")->global.listen_port, 1);
}

TEST(LoadTest, MainSectionIsMandatory) {
    EXPECT_THAT(refusal("[databases]\nx =\n"), HasSubstr("no section [pgbouncer] or [pgweir]"));
    EXPECT_THAT(refusal(""), HasSubstr("a.ini: there is no section"));
}

TEST(LoadTest, SecondMainSectionAddsToTheFirst) {
    const auto all = good("[pgbouncer]\nlisten_port = 1\n[databases]\n[pgweir]\nverbose = 2\n");
    EXPECT_EQ(all->global.listen_port, 1);
    EXPECT_EQ(all->global.verbose, 2);
    EXPECT_THAT(warnings_of(*all), ElementsAre(HasSubstr("a.ini:4: another section")));
}

TEST(LoadTest, UnknownKeyIsRefusedWithTheNearestOne) {
    EXPECT_EQ(
        refusal_of_setting("listen_prot = 1"),
        "unknown key \"listen_prot\", did you mean \"listen_port\"?"
    );
    EXPECT_THAT(refusal_of_setting("whatever_this_is = 1"), HasSubstr("expected a key of"));
    EXPECT_THAT(refusal_of_setting("Listen_port = 1"), HasSubstr("did you mean \"listen_port\"?"));
}

TEST(LoadTest, UnknownSectionIsRefused) {
    EXPECT_EQ(
        refusal("[pgbouncer]\n[database]\n"),
        "a.ini:2: unknown section \"database\", did you mean \"databases\"?"
    );
}

TEST(LoadTest, BadValuesSayWhatWasExpected) {
    EXPECT_EQ(
        refusal_of_setting("listen_port = 70000"),
        "listen_port: bad value \"70000\", expected a whole number from 0 to 65535"
    );
    EXPECT_THAT(
        refusal_of_setting("default_pool_size = many"), HasSubstr("expected a whole number")
    );
    EXPECT_THAT(refusal_of_setting("default_pool_size ="), HasSubstr("expected a whole number"));
    EXPECT_THAT(refusal_of_setting("query_timeout = 5s"), HasSubstr("without a unit"));
    EXPECT_THAT(refusal_of_setting("log_stats = yes"), HasSubstr("expected 0 or 1"));
    EXPECT_THAT(refusal_of_setting("pool_mode = tx"), HasSubstr("session, transaction, statement"));
    EXPECT_THAT(refusal_of_setting("workers = 0"), HasSubstr("auto or a whole number"));
    EXPECT_THAT(refusal_of_setting("syslog_facility = nowhere"), HasSubstr("daemon"));
    EXPECT_THAT(refusal_of_setting("io_engine = kqueue"), HasSubstr("auto, io_uring, epoll"));
    EXPECT_THAT(refusal_of_setting("stats_period = 0"), HasSubstr("whole number"));
}

TEST(LoadTest, SettingsOfRoutingAreTaken) {
    const auto all = good(
        "[pgbouncer]\n"
        "routing = auto\n"
        "read_consistency = database\n"
        "max_standby_lag = 64MB\n"
        "max_standby_lag_time = 2.5\n"
        "read_wait_timeout = 0.02\n"
        "primary_wait_timeout = 2.5\n"
        "read_from_primary = 0\n"
        "deferred_begin = 0\n"
        "failover_wait_timeout = 45\n"
        "failover_wait_clients = 300\n"
        "topology_interval = 0.25\n"
        "topology_user = watcher\n"
        "topology_password = /etc/pgweir/topology.password\n"
        "topology_dbname = app\n"
        "topology_state_file = /var/lib/pgweir/topology\n"
        "listen_port_primary = 6433\n"
        "listen_port_standby = 6434\n"
    );
    const settings& set = all->global;
    EXPECT_EQ(set.routing, routing::automatic);
    EXPECT_EQ(set.read_consistency, read_consistency::database);
    EXPECT_EQ(set.max_standby_lag, 64 * 1024 * 1024);
    EXPECT_EQ(set.max_standby_lag_time, milliseconds(2500));
    EXPECT_EQ(set.read_wait_timeout, milliseconds(20));
    EXPECT_EQ(set.primary_wait_timeout, milliseconds(2500));
    EXPECT_FALSE(set.read_from_primary);
    EXPECT_FALSE(set.deferred_begin);
    EXPECT_EQ(set.failover_wait_timeout, seconds(45));
    EXPECT_EQ(set.failover_wait_clients, 300);
    EXPECT_EQ(set.topology_interval, milliseconds(250));
    EXPECT_EQ(set.topology_user, "watcher");
    EXPECT_EQ(set.topology_password, "/etc/pgweir/topology.password");
    EXPECT_EQ(set.topology_dbname, "app");
    EXPECT_EQ(set.topology_state_file, "/var/lib/pgweir/topology");
    EXPECT_EQ(set.listen_port_primary, 6433);
    EXPECT_EQ(set.listen_port_standby, 6434);
    EXPECT_THAT(warnings_of(*all), IsEmpty());
}

TEST(LoadTest, BadSettingsOfRoutingSayWhatWasExpected) {
    EXPECT_THAT(
        refusal_of_setting("routing = on"), HasSubstr("off, primary, standby, prefer-standby, auto")
    );
    EXPECT_THAT(
        refusal_of_setting("read_consistency = strong"),
        HasSubstr("eventual, own_writes, session, database, primary")
    );
    EXPECT_THAT(refusal_of_setting("max_standby_lag = 10M"), HasSubstr("kB, MB, GB or TB"));
    EXPECT_THAT(refusal_of_setting("topology_interval = 0"), HasSubstr("from 0.01 to 60"));
    EXPECT_THAT(refusal_of_setting("topology_interval = 61"), HasSubstr("from 0.01 to 60"));
    EXPECT_THAT(refusal_of_setting("listen_port_primary = 65536"), HasSubstr("0 to 65535"));
}

TEST(LoadTest, PortsOfListenersDiffer) {
    EXPECT_EQ(
        refusal("[pgbouncer]\nlisten_port_primary = 6432\n"),
        "a.ini:2: listen_port_primary: 6432 is listen_port already, expected a port of its own"
    );
    EXPECT_EQ(
        refusal("[pgbouncer]\nlisten_port_primary = 1\nlisten_port_standby = 1\n"),
        "a.ini:3: listen_port_standby: 1 is listen_port_primary already, expected a port of its own"
    );
}

TEST(LoadTest, HostsHavePortsAndWeightsOfTheirOwn) {
    const auto all = good(
        "[pgbouncer]\n[databases]\n"
        "one = host=a,b port=6000\n"
        "each = port=5432,5433,5434 host=a,b,c weight=1,0,2 routing=prefer-standby "
        "read_consistency=eventual\n"
        "[users]\nreport = routing=standby\n"
    );
    const database& one = all->databases.at("one");
    EXPECT_EQ(one.port, 6000);
    EXPECT_THAT(one.ports, IsEmpty());
    EXPECT_EQ(port_of_host(one, 1), 6000);
    EXPECT_THAT(one.weights, IsEmpty());
    EXPECT_FALSE(one.routing);
    const database& each = all->databases.at("each");
    EXPECT_THAT(each.ports, ElementsAre(5432, 5433, 5434));
    EXPECT_EQ(each.port, 5432) << "what SHOW DATABASES has room for";
    EXPECT_EQ(port_of_host(each, 2), 5434);
    EXPECT_THAT(each.weights, ElementsAre(1, 0, 2));
    EXPECT_EQ(each.routing, routing::prefer_standby);
    EXPECT_EQ(each.read_consistency, read_consistency::eventual);
    EXPECT_EQ(all->users.at("report").routing, routing::standby);
    EXPECT_THAT(warnings_of(*all), IsEmpty());
}

TEST(LoadTest, WhatIsSaidOfHostsIsSaidOfAllOfThem) {
    EXPECT_EQ(
        refusal_of_database("x = host=a,b,c port=1,2"),
        "x: port: 2 ports for 3 hosts, expected one port, or one for each host"
    );
    EXPECT_EQ(
        refusal_of_database("x = host=a port=1,2"),
        "x: port: 2 ports for 1 host, expected one port, or one for each host"
    );
    EXPECT_EQ(
        refusal_of_database("x = host=a,b weight=1"),
        "x: weight: 1 weights for 2 hosts, expected one for each host"
    );
    EXPECT_EQ(
        refusal_of_database("x = host=a,b weight=0,0"),
        "x: weight: every host has 0, expected at least one that takes reads"
    );
    EXPECT_THAT(refusal_of_database("x = host=a,b port=1,"), HasSubstr("port: bad value \"\""));
    EXPECT_THAT(refusal_of_database("x = host=a,b port=1,70000"), HasSubstr("1 to 65535"));
    EXPECT_THAT(refusal_of_database("x = host=a,b weight=1,-1"), HasSubstr("0 to 1000"));
    EXPECT_THAT(refusal_of_database("x = routing=sometimes"), HasSubstr("prefer-standby"));
}

TEST(LoadTest, TlsModesAreTakenForBothSidesAndForEachDatabase) {
    for (const std::string mode :
         {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}) {
        const auto all = good(
            "[databases]\ndb = sslmode=" + mode + " sslrootcert=/ca sslcert=/c sslkey=/k\n" +
            "[pgbouncer]\nclient_tls_sslmode = " + mode + "\nserver_tls_sslmode = " + mode + "\n"
        );
        EXPECT_THAT(warnings_of(*all), IsEmpty());
        EXPECT_EQ(name_of(all->global.client_tls_sslmode), mode);
        EXPECT_EQ(name_of(all->global.server_tls_sslmode), mode);
        const database& db = all->databases.at("db");
        EXPECT_EQ(name_of(*db.sslmode), mode);
        EXPECT_EQ(db.sslrootcert + db.sslcert + db.sslkey, "/ca/c/k");
    }
    EXPECT_THAT(refusal_of_setting("client_tls_sslmode = on"), HasSubstr("verify-full"));
}

TEST(LoadTest, WhatIsNotBuiltGetsOneWarningWhenItIsSet) {
    const auto all = good(
        "[pgbouncer]\n"
        "resolv_conf = /file\n"
        "dns_max_ttl = 0\n"
        "suspend_timeout = 5\n"
        "suspend_timeout = 6\n"
        "pkt_buf = 8192\n"
        "sbuf_loopcnt = 10\n"
        "job_name = one\n"
        "service_name = two\n"
    );
    EXPECT_THAT(
        warnings_of(*all),
        ElementsAre(
            "a.ini:2: resolv_conf is not supported yet and is ignored",
            "a.ini:5: suspend_timeout is not supported yet and is ignored"
        )
    );
}

TEST(LoadTest, LastOfTwoSettingsOfAKeyIsTaken) {
    EXPECT_EQ(good("[pgbouncer]\nverbose = 1\nverbose = 2\n")->global.verbose, 2);
}

TEST(LoadTest, DatabaseHasAllItsKeys) {
    const auto all = good(
        "[pgbouncer]\n[databases]\n"
        "app = host=10.0.0.1,db2,/run/pg port=5433 dbname=real user=forced password='it''s;#' "
        "pool_size=7 min_pool_size=1 reserve_pool=2 connect_query='SELECT 1; SELECT 2' "
        "pool_mode=statement query_wait_timeout=9 max_db_connections=11 "
        "max_db_client_connections=12 "
        "server_lifetime=13 client_encoding=UTF8 datestyle='ISO, DMY' timezone=UTC "
        "application_name=weir\n"
    );
    ASSERT_TRUE(all->databases.contains("app"));
    const database& db = all->databases.at("app");
    EXPECT_EQ(db.name, "app");
    EXPECT_THAT(db.hosts, ElementsAre("10.0.0.1", "db2", "/run/pg"));
    EXPECT_EQ(db.port, 5433);
    EXPECT_EQ(db.dbname, "real");
    EXPECT_EQ(db.user, "forced");
    EXPECT_EQ(db.password.view(), "it's;#");
    EXPECT_EQ(db.pool_size, 7);
    EXPECT_EQ(db.min_pool_size, 1);
    EXPECT_EQ(db.reserve_pool_size, 2);
    EXPECT_EQ(db.connect_query, "SELECT 1; SELECT 2");
    EXPECT_EQ(db.pool_mode, pool_mode::statement);
    EXPECT_EQ(db.query_wait_timeout, seconds(9));
    EXPECT_EQ(db.max_db_connections, 11);
    EXPECT_EQ(db.max_db_client_connections, 12);
    EXPECT_EQ(db.server_lifetime, seconds(13));
    EXPECT_EQ(db.client_encoding, "UTF8");
    EXPECT_EQ(db.datestyle, "ISO, DMY");
    EXPECT_EQ(db.timezone, "UTC");
    EXPECT_EQ(db.application_name, "weir");
    EXPECT_THAT(warnings_of(*all), IsEmpty());
}

TEST(LoadTest, EmptyConnectionStringIsTheSameDatabaseOnTheUnixSocket) {
    const auto all = good("[pgbouncer]\n[databases]\nfoodb =\n");
    const database& db = all->databases.at("foodb");
    EXPECT_EQ(db.dbname, "foodb");
    EXPECT_THAT(db.hosts, IsEmpty());
    EXPECT_EQ(db.port, 5432);
    EXPECT_FALSE(db.user);
    EXPECT_FALSE(db.pool_size);
}

TEST(LoadTest, PasswordOfTenKilobytesIsWhole) {
    const std::string password(10240, 'p');
    const auto all =
        good("[pgbouncer]\n[databases]\nx = user=u password=" + password + " port=1\n");
    EXPECT_EQ(all->databases.at("x").password.view(), password);
    EXPECT_EQ(all->databases.at("x").port, 1);
}

TEST(LoadTest, UnquotedPasswordMayHoldCommentSigns) {
    const auto all = good("[pgbouncer]\n[databases]\nx = password=a;b#c;d user=u\n");
    EXPECT_EQ(all->databases.at("x").password.view(), "a;b#c;d");
    EXPECT_EQ(all->databases.at("x").user, "u");
}

TEST(LoadTest, CommentBehindAConnectionStringIsRefused) {
    EXPECT_THAT(refusal_of_database("x = port=1 ; the first"), HasSubstr("a word without \"=\""));
}

TEST(LoadTest, MistakesInAConnectionStringAreRefusedAndShowNoPassword) {
    EXPECT_THAT(
        refusal_of_database("x = hots=a"),
        HasSubstr("x: unknown key \"hots\", did you mean \"host\"?")
    );
    EXPECT_THAT(refusal_of_database("x = port=0"), HasSubstr("x: port: bad value \"0\""));
    EXPECT_THAT(refusal_of_database("x = pool_size=ten"), HasSubstr("x: pool_size: bad value"));
    EXPECT_THAT(refusal_of_database("x = host=a,,b"), HasSubstr("none of them empty"));
    EXPECT_THAT(refusal_of_database("x = pool_mode=fast"), HasSubstr("session, transaction"));
    EXPECT_THAT(refusal_of_database("x = password=pw hush"), Not(HasSubstr("hush")));
}

TEST(LoadTest, DatabaseNamesAreChecked) {
    EXPECT_THAT(refusal_of_database("pgbouncer = host=a"), HasSubstr("reserved for the console"));
    EXPECT_THAT(refusal_of_database("pgweir = host=a"), HasSubstr("reserved for the console"));
    EXPECT_THAT(refusal_of_database(std::string(64, 'n') + " ="), HasSubstr("at most 63"));
    EXPECT_EQ(
        good("[pgbouncer]\n[databases]\n'we ird;' =\n")->databases.at("we ird;").dbname, "we ird;"
    );
}

TEST(LoadTest, NegativeSizesAndZeroLimitsAreInherited) {
    const auto all = good(
        "[pgbouncer]\n[databases]\nx = pool_size=-1 max_db_connections=0 server_lifetime=-1\n"
        "y = pool_size=0 server_lifetime=0 query_wait_timeout=0\n"
    );
    EXPECT_FALSE(all->databases.at("x").pool_size);
    EXPECT_FALSE(all->databases.at("x").max_db_connections);
    EXPECT_FALSE(all->databases.at("x").server_lifetime);
    EXPECT_EQ(all->databases.at("y").pool_size, 0);
    EXPECT_FALSE(all->databases.at("y").server_lifetime);
    EXPECT_EQ(all->databases.at("y").query_wait_timeout, seconds(0));
}

TEST(LoadTest, EntryThatStandsTwiceIsReplacedAndReported) {
    const auto all = good("[pgbouncer]\n[databases]\nx = port=1 pool_size=3\nx = port=2\n");
    EXPECT_EQ(all->databases.at("x").port, 2);
    EXPECT_FALSE(all->databases.at("x").pool_size);
    EXPECT_THAT(
        warnings_of(*all),
        ElementsAre("a.ini:4: the database x stands here again and replaces what was above")
    );
}

TEST(LoadTest, StarIsTheTemplateOfAllOtherDatabases) {
    const auto all = good("[pgbouncer]\n[databases]\nx = port=1\n* = host=h port=2\n");
    EXPECT_EQ(all->databases.size(), 1U);
    ASSERT_TRUE(all->autodb_template);
    EXPECT_EQ(resolve_database(*all, "x")->port, 1);
    const auto made = resolve_database(*all, "other");
    ASSERT_TRUE(made);
    EXPECT_EQ(made->name, "other");
    EXPECT_EQ(made->dbname, "other");
    EXPECT_EQ(made->port, 2);
}

TEST(LoadTest, TemplateWithDbnameGoesToThatDatabase) {
    const auto all = good("[pgbouncer]\n[databases]\n* = dbname=one\n");
    EXPECT_EQ(resolve_database(*all, "other")->dbname, "one");
}

TEST(LoadTest, WithoutTemplateUnknownDatabasesAreNone) {
    EXPECT_FALSE(resolve_database(*good("[pgbouncer]\n"), "x"));
}

TEST(LoadTest, AuthDbnameIsNotTheConsole) {
    for (const char* console : {"pgbouncer", "pgweir"}) {
        EXPECT_NE(
            refusal(std::string("[pgbouncer]\nauth_dbname = ") + console + "\n")
                .find("not the console"),
            std::string::npos
        );
        EXPECT_NE(
            refusal(std::string("[pgbouncer]\n[databases]\nx = auth_dbname=") + console + "\n")
                .find("not the console"),
            std::string::npos
        );
    }
}

TEST(LoadTest, ListOfHostsIsBalancedAsItSays) {
    const auto all =
        good("[pgbouncer]\n[databases]\nx = host=a,b load_balance_hosts=disable\ny = host=a,b\n");
    EXPECT_THAT(warnings_of(*all), IsEmpty());
    EXPECT_EQ(all->databases.at("x").load_balance_hosts, load_balance::disable);
    EXPECT_EQ(all->databases.at("y").load_balance_hosts, load_balance::round_robin);
}

TEST(LoadTest, UserHasAllItsKeys) {
    const auto all = good(
        "[pgbouncer]\n[users]\n"
        "ann = pool_mode=session pool_size=1 reserve_pool_size=2 max_user_connections=3 "
        "max_user_client_connections=4 query_timeout=5 query_wait_timeout=6 "
        "idle_transaction_timeout=7 "
        "transaction_timeout=8 client_idle_timeout=9\n"
    );
    const user& ann = all->users.at("ann");
    EXPECT_EQ(ann.pool_mode, pool_mode::session);
    EXPECT_EQ(ann.pool_size, 1);
    EXPECT_EQ(ann.reserve_pool_size, 2);
    EXPECT_EQ(ann.max_user_connections, 3);
    EXPECT_EQ(ann.max_user_client_connections, 4);
    EXPECT_EQ(ann.query_timeout, seconds(5));
    EXPECT_EQ(ann.query_wait_timeout, seconds(6));
    EXPECT_EQ(ann.idle_transaction_timeout, seconds(7));
    EXPECT_EQ(ann.transaction_timeout, seconds(8));
    EXPECT_EQ(ann.client_idle_timeout, seconds(9));
}

TEST(LoadTest, MistakesInAUserAreRefused) {
    EXPECT_THAT(refusal("[users]\nann = pool_sise=1\n"), HasSubstr("did you mean \"pool_size\""));
    EXPECT_THAT(refusal("[users]\nann = query_timeout=0.5\n"), HasSubstr("whole number"));
    EXPECT_THAT(refusal("[users]\n" + std::string(128, 'u') + " =\n"), HasSubstr("at most 127"));
}

TEST(LoadTest, PeersAreRead) {
    const auto all = good("[pgbouncer]\n[peers]\n1 = host=a\n2 = host=/tmp port=7 pool_size=3\n");
    EXPECT_EQ(all->peers.at(1).host, "a");
    EXPECT_EQ(all->peers.at(1).port, 6432);
    EXPECT_EQ(all->peers.at(2).port, 7);
    EXPECT_EQ(all->peers.at(2).pool_size, 3);
    EXPECT_THAT(all->warnings, IsEmpty());
    EXPECT_THAT(refusal("[peers]\n1 = port=1\n"), HasSubstr("without host"));
    EXPECT_THAT(refusal("[peers]\nx = host=a\n"), HasSubstr("from 1 to 65535"));
}

TEST(LoadTest, IncludeGoesOnInTheSameSection) {
    const auto loaded = load_files({
        {"a.ini", "[databases]\n%include dbs\n[pgbouncer]\n%include set\nverbose = 3\n"},
        {"dbs", "x = port=1"},
        {"set", "listen_port = 7\n"},
    });
    ASSERT_TRUE(loaded);
    EXPECT_TRUE((*loaded)->databases.contains("x"));
    EXPECT_EQ((*loaded)->global.listen_port, 7);
    EXPECT_EQ((*loaded)->global.verbose, 3);
}

TEST(LoadTest, FileOfTheNextReloadIsTheOneThatWasLoaded) {
    EXPECT_EQ(good("[pgbouncer]\n")->global.conffile, "a.ini");
    EXPECT_EQ(good("[pgbouncer]\nconffile = b.ini\n")->global.conffile, "b.ini");
}

TEST(LoadTest, EveryTruncationIsAcceptedOrRefusedWithItsPlace) {
    const std::string text =
        "[databases]\r\n'x y' = host=a password='b c'\r\n%include b\r\n[pgbouncer]\r\nverbose = "
        "1\r\n";
    for (std::size_t length = 0; length <= text.size(); ++length) {
        const auto loaded = load_files({{"a.ini", text.substr(0, length)}, {"b", "z = port=1\n"}});
        if (!loaded) {
            EXPECT_EQ(loaded.error().message.substr(0, 6), "a.ini:") << loaded.error().message;
        }
    }
    ASSERT_TRUE(load_files({{"a.ini", text}, {"b", "z = port=1\n"}}));
}

TEST(LoadTest, FilesOnTheDiskAreRead) {
    const auto folder =
        std::filesystem::path(testing::TempDir()) / ("pgweir_load_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const std::string main = folder / "main.ini";
    const std::string more = folder / "more.ini";
    std::ofstream(main) << "%include " << more << "\n";
    std::ofstream(more) << "[pgbouncer]\nverbose = 2\n";
    const auto loaded = load(main);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ((*loaded)->global.verbose, 2);
    std::filesystem::remove_all(folder);
    EXPECT_THAT(load(main).error().message, HasSubstr("No such file or directory"));
}

TEST(LoadTest, DirectoryIsNoConfiguration) {
    EXPECT_THAT(load("/").error().message, HasSubstr("/: Is a directory"));
}

}  // namespace
}  // namespace pgweir::config
