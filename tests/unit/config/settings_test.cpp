#include "config/settings.hpp"

#include "support.hpp"

#include <gtest/gtest.h>

namespace pgweir::config {
namespace {

using test::good;

const database& entry(const configuration& all, std::string_view name) {
    return all.databases.find(name)->second;
}

TEST(SettingsTest, UserWinsOverDatabaseAndDatabaseOverAll) {
    const auto all = good(
        "[pgbouncer]\npool_mode = session\ndefault_pool_size = 10\nreserve_pool_size = 1\n"
        "query_wait_timeout = 100\n"
        "[databases]\nplain =\nown = pool_mode=transaction pool_size=20 reserve_pool_size=2 "
        "query_wait_timeout=200\n"
        "[users]\nann = pool_mode=statement pool_size=30 reserve_pool_size=3 "
        "query_wait_timeout=300\n"
    );
    const database& plain = entry(*all, "plain");
    const database& own = entry(*all, "own");
    EXPECT_EQ(effective_pool_mode(*all, plain, "bob"), pool_mode::session);
    EXPECT_EQ(effective_pool_mode(*all, own, "bob"), pool_mode::transaction);
    EXPECT_EQ(effective_pool_mode(*all, own, "ann"), pool_mode::statement);
    EXPECT_EQ(effective_pool_size(*all, plain, "bob"), 10);
    EXPECT_EQ(effective_pool_size(*all, own, "bob"), 20);
    EXPECT_EQ(effective_pool_size(*all, own, "ann"), 30);
    EXPECT_EQ(effective_reserve_pool_size(*all, plain, "bob"), 1);
    EXPECT_EQ(effective_reserve_pool_size(*all, own, "bob"), 2);
    EXPECT_EQ(effective_reserve_pool_size(*all, plain, "ann"), 3);
    EXPECT_EQ(effective_query_wait_timeout(*all, plain, "bob"), seconds(100));
    EXPECT_EQ(effective_query_wait_timeout(*all, own, "bob"), seconds(200));
    EXPECT_EQ(effective_query_wait_timeout(*all, own, "ann"), seconds(300));
}

TEST(SettingsTest, RoutingIsForSeveralHostsAndTheUserWins) {
    const auto all = good(
        "[pgbouncer]\nrouting = auto\n"
        "[databases]\nsingle = host=a\nplain = host=a,b\nown = host=a,b routing=primary\n"
        "[users]\nann = routing=standby\n"
    );
    EXPECT_EQ(effective_routing(*all, entry(*all, "single"), "ann"), routing::off);
    EXPECT_EQ(effective_routing(*all, entry(*all, "plain"), "bob"), routing::automatic);
    EXPECT_EQ(effective_routing(*all, entry(*all, "own"), "bob"), routing::primary);
    EXPECT_EQ(effective_routing(*all, entry(*all, "own"), "ann"), routing::standby);
}

TEST(SettingsTest, DatabasesOwnConsistencyWinsOverAll) {
    const auto all = good(
        "[pgbouncer]\nread_consistency = database\n"
        "[databases]\nplain =\nown = read_consistency=eventual\n"
    );
    EXPECT_EQ(effective_read_consistency(*all, entry(*all, "plain")), read_consistency::database);
    EXPECT_EQ(effective_read_consistency(*all, entry(*all, "own")), read_consistency::eventual);
}

TEST(SettingsTest, DatabasesOwnLimitsWinOverAll) {
    const auto all = good(
        "[pgbouncer]\nmin_pool_size = 1\nmax_db_connections = 2\nmax_db_client_connections = 3\n"
        "server_lifetime = 4\n"
        "[databases]\nplain =\nown = min_pool_size=10 max_db_connections=20 "
        "max_db_client_connections=30 server_lifetime=40\n"
    );
    const database& plain = entry(*all, "plain");
    const database& own = entry(*all, "own");
    EXPECT_EQ(effective_min_pool_size(*all, plain), 1);
    EXPECT_EQ(effective_min_pool_size(*all, own), 10);
    EXPECT_EQ(effective_max_db_connections(*all, plain), 2);
    EXPECT_EQ(effective_max_db_connections(*all, own), 20);
    EXPECT_EQ(effective_max_db_client_connections(*all, plain), 3);
    EXPECT_EQ(effective_max_db_client_connections(*all, own), 30);
    EXPECT_EQ(effective_server_lifetime(*all, plain), seconds(4));
    EXPECT_EQ(effective_server_lifetime(*all, own), seconds(40));
}

TEST(SettingsTest, UsersOwnLimitsWinOverAll) {
    const auto all = good(
        "[pgbouncer]\nmax_user_connections = 1\nmax_user_client_connections = 2\nquery_timeout = "
        "3\n"
        "idle_transaction_timeout = 4\ntransaction_timeout = 5\nclient_idle_timeout = 6\n"
        "[users]\nann = max_user_connections=10 max_user_client_connections=20 query_timeout=30 "
        "idle_transaction_timeout=40 transaction_timeout=50 client_idle_timeout=60\n"
        "eve = query_timeout=0 query_wait_timeout=0\n"
    );
    EXPECT_EQ(effective_max_user_connections(*all, "bob"), 1);
    EXPECT_EQ(effective_max_user_connections(*all, "ann"), 10);
    EXPECT_EQ(effective_max_user_client_connections(*all, "bob"), 2);
    EXPECT_EQ(effective_max_user_client_connections(*all, "ann"), 20);
    EXPECT_EQ(effective_query_timeout(*all, "bob"), seconds(3));
    EXPECT_EQ(effective_query_timeout(*all, "ann"), seconds(30));
    EXPECT_EQ(effective_query_timeout(*all, "eve"), seconds(3)) << "0 is nothing of her own";
    EXPECT_EQ(all->users.at("eve").query_wait_timeout, seconds(0)) << "but here";
    EXPECT_EQ(effective_idle_transaction_timeout(*all, "bob"), seconds(4));
    EXPECT_EQ(effective_idle_transaction_timeout(*all, "ann"), seconds(40));
    EXPECT_EQ(effective_transaction_timeout(*all, "bob"), seconds(5));
    EXPECT_EQ(effective_transaction_timeout(*all, "ann"), seconds(50));
    EXPECT_EQ(effective_client_idle_timeout(*all, "bob"), seconds(6));
    EXPECT_EQ(effective_client_idle_timeout(*all, "ann"), seconds(60));
}

TEST(SettingsTest, WorkersAreTheCoresUnlessSaidOtherwise) {
    settings set;
    EXPECT_GE(worker_count(set), 1);
    set.workers = 7;
    EXPECT_EQ(worker_count(set), 7);
}

TEST(SettingsTest, NamesAreTheWordsOfTheFile) {
    EXPECT_EQ(name_of(pool_mode::transaction), "transaction");
    EXPECT_EQ(name_of(auth_type::scram_sha_256), "scram-sha-256");
    EXPECT_EQ(name_of(load_balance::round_robin), "round-robin");
    EXPECT_EQ(name_of(tls_mode::verify_full), "verify-full");
    EXPECT_EQ(name_of(io_engine::auto_), "auto");
}

}  // namespace
}  // namespace pgweir::config
