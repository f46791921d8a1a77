#include "config/changes.hpp"

#include "support.hpp"

#include <gmock/gmock.h>

#include <string>

namespace pgweir::config {
namespace {

using test::good;
using testing::ElementsAre;
using testing::IsEmpty;

change_set between(const std::string& before, const std::string& after) {
    return compare(*good("[pgbouncer]\n" + before), *good("[pgbouncer]\n" + after));
}

/// Whether servers of the database `x` must be closed when its entry changes so.
bool closes_servers(const std::string& before, const std::string& after) {
    const auto changes =
        between("[databases]\nx = " + before + "\n", "[databases]\nx = " + after + "\n");
    EXPECT_THAT(changes.databases_added, IsEmpty());
    EXPECT_THAT(changes.databases_removed, IsEmpty());
    return !changes.databases_changed.empty();
}

TEST(ChangesTest, SameFileChangesNothing) {
    const std::string text = "listen_port = 1\n[databases]\nx = host=a\n* = host=b\n";
    const auto changes = between(text, text);
    EXPECT_THAT(changes.databases_added, IsEmpty());
    EXPECT_THAT(changes.databases_removed, IsEmpty());
    EXPECT_THAT(changes.databases_changed, IsEmpty());
    EXPECT_THAT(changes.restart_only_changed, IsEmpty());
    EXPECT_FALSE(changes.autodb_changed);
}

TEST(ChangesTest, DatabasesComeAndGo) {
    const auto changes = between("[databases]\na =\nb =\n", "[databases]\nb =\nc =\nd =\n");
    EXPECT_THAT(changes.databases_added, ElementsAre("c", "d"));
    EXPECT_THAT(changes.databases_removed, ElementsAre("a"));
    EXPECT_THAT(changes.databases_changed, IsEmpty());
}

TEST(ChangesTest, AnotherPlaceUserOrQueryAtConnectClosesServers) {
    EXPECT_TRUE(closes_servers("host=a", "host=b"));
    EXPECT_TRUE(closes_servers("host=a", "host=a,b"));
    EXPECT_TRUE(closes_servers("host=a", ""));
    EXPECT_TRUE(closes_servers("port=1", "port=2"));
    EXPECT_TRUE(closes_servers("host=a,b port=1", "host=a,b port=1,2"));
    EXPECT_TRUE(closes_servers("host=a,b", "host=b,a"));
    EXPECT_TRUE(closes_servers("host=a,b", "host=a,b weight=1,2"));
    EXPECT_TRUE(closes_servers("", "dbname=y"));
    EXPECT_TRUE(closes_servers("", "user=u"));
    EXPECT_TRUE(closes_servers("user=u", ""));
    EXPECT_TRUE(closes_servers("", "connect_query='SELECT 1'"));
    EXPECT_TRUE(closes_servers("", "auth_dbname=d"));
    EXPECT_TRUE(closes_servers("", "auth_query='SELECT 1'"));
    EXPECT_TRUE(closes_servers("", "load_balance_hosts=disable"));
}

TEST(ChangesTest, AnotherPasswordSizeOrStartupParameterDoesNot) {
    EXPECT_FALSE(closes_servers("user=u password=a", "user=u password=b"));
    EXPECT_FALSE(closes_servers("pool_size=1", "pool_size=2 pool_mode=session min_pool_size=1"));
    EXPECT_FALSE(closes_servers("", "timezone=UTC application_name=x"));
    EXPECT_FALSE(closes_servers("", "routing=auto read_consistency=database"));
    EXPECT_FALSE(closes_servers("dbname=x", "")) << "x is what x is called without dbname";
}

TEST(ChangesTest, TemplateThatChangesComesOrGoesIsSeen) {
    EXPECT_TRUE(between("[databases]\n* = host=a\n", "[databases]\n* = host=b\n").autodb_changed);
    EXPECT_TRUE(between("", "[databases]\n* = host=b\n").autodb_changed);
    EXPECT_TRUE(between("[databases]\n* = host=a\n", "").autodb_changed);
    EXPECT_FALSE(
        between("[databases]\n* = host=a\n", "[databases]\n* = host=a pool_size=1\n").autodb_changed
    );
}

TEST(ChangesTest, KeysThatNeedARestartAreNamed) {
    const auto changes =
        between("listen_port = 1\npool_mode = session\n", "workers = 3\npool_mode = statement\n");
    EXPECT_THAT(changes.restart_only_changed, ElementsAre("listen_port", "workers"));
}

TEST(ChangesTest, PortsOfFixedRoutesNeedARestart) {
    const auto changes = between("", "listen_port_primary = 1\nlisten_port_standby = 2\n");
    EXPECT_THAT(
        changes.restart_only_changed, ElementsAre("listen_port_primary", "listen_port_standby")
    );
}

TEST(ChangesTest, KeysThatNeedARestartKeepTheirRunningValue) {
    const auto running = good("[pgbouncer]\nlisten_port = 1\nlisten_addr = a, b\nverbose = 1\n");
    const auto fresh =
        good("[pgbouncer]\nlisten_port = 2\nlisten_addr = c\nverbose = 2\n[databases]\nx =\n");
    const auto kept = keep_restart_only(*running, *fresh);
    EXPECT_EQ(kept->global.listen_port, 1);
    EXPECT_THAT(kept->global.listen_addr, ElementsAre("a", "b"));
    EXPECT_EQ(kept->global.verbose, 2);
    EXPECT_TRUE(kept->databases.contains("x"));
    EXPECT_THAT(compare(*running, *kept).restart_only_changed, IsEmpty());
}

}  // namespace
}  // namespace pgweir::config
