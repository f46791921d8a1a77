#include "pool/pool_core.hpp"
#include "unit/pool/pool_world.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::pool {
namespace {

using namespace test;

constexpr const char* with_template = "db =\n* =\n";

class UnusedTest : public testing::Test {
protected:
    explicit UnusedTest()
        : w_("autodb_idle_timeout = 100\npool_idle_timeout = 50\n", 2, with_template) {}

    unused_entries look(seconds later) {
        w_.now += later;
        return w_.core.forget_unused(w_.now);
    }

    world w_;
};

TEST_F(UnusedTest, DatabaseOfTheTemplateIsForgottenAfterItsTime) {
    w_.at("made");
    EXPECT_TRUE(look(seconds(1)).empty()) << "its time begins";
    EXPECT_EQ(look(seconds(50)).pools.size(), 1U) << "its pool's time is shorter";
    EXPECT_TRUE(look(seconds(49)).empty());
    const auto gone = look(seconds(1));
    ASSERT_EQ(gone.databases.size(), 1U);
    EXPECT_EQ(gone.databases[0]->name, "made");
    EXPECT_FALSE(w_.core.databases().contains("made"));
    EXPECT_NE(w_.at("made").database.number, gone.databases[0]->number);
}

TEST_F(UnusedTest, DatabaseWithAnEntryStays) {
    w_.at("db");
    look(seconds(1));
    EXPECT_TRUE(look(seconds(1000)).databases.empty());
    EXPECT_TRUE(w_.core.databases().contains("db"));
}

TEST_F(UnusedTest, ClientKeepsBoth) {
    pool& p = w_.at("made");
    ASSERT_FALSE(w_.core.admit_client(p, w_.core.find_user("u")));
    look(seconds(1));
    EXPECT_TRUE(look(seconds(1000)).empty());
    w_.core.dismiss_client(p, w_.core.find_user("u"), w_.out);
    EXPECT_TRUE(look(seconds(1)).empty()) << "as of the last look it was in use";
    EXPECT_EQ(look(seconds(100)).databases.size(), 1U);
}

TEST_F(UnusedTest, ServerKeepsBoth) {
    test_server& server = w_.leased(0, w_.at("made"));
    look(seconds(1));
    EXPECT_TRUE(look(seconds(1000)).empty());
    w_.close(server);
    w_.out.clear();
    EXPECT_TRUE(look(seconds(1)).empty());
    EXPECT_EQ(look(seconds(100)).databases.size(), 1U);
}

TEST_F(UnusedTest, WhoWaitsKeepsThePool) {
    test_client& waits = w_.client(0, w_.at("db"));
    w_.core.pause(w_.core.find_database("db"), w_.out);
    EXPECT_EQ(w_.acquire(waits), nullptr);
    look(seconds(1));
    EXPECT_TRUE(look(seconds(1000)).empty());
}

TEST_F(UnusedTest, PausedDatabaseStays) {
    w_.core.pause(w_.core.find_database("made"), w_.out);
    look(seconds(1));
    EXPECT_TRUE(look(seconds(1000)).databases.empty());
}

TEST_F(UnusedTest, PoolGoesWithThoseOfItsHosts) {
    pool& home = w_.at("db");
    pool& of_host = w_.core.find_host_pool(home, "standby:5432");
    test_server& server = w_.leased(0, of_host);
    look(seconds(1));
    EXPECT_TRUE(look(seconds(100)).empty());
    w_.close(server);
    w_.out.clear();
    look(seconds(1));
    EXPECT_EQ(look(seconds(50)).pools.size(), 2U);
    EXPECT_TRUE(w_.core.find_database("db")->pools.empty());
    w_.core.find_host_pool(w_.at("db"), "standby:5432");
    EXPECT_EQ(w_.core.find_database("db")->pools.size(), 2U);
}

TEST_F(UnusedTest, CountsOfWhatIsForgottenStay) {
    w_.at("db").stats[1].xact_count.add(std::uint64_t{7});
    w_.at("made").stats[0].query_count.add(std::uint64_t{3});
    look(seconds(1));
    const auto gone = look(seconds(100));
    EXPECT_EQ(gone.pools.size(), 1U);
    EXPECT_EQ(gone.databases.size(), 1U);
    EXPECT_EQ(w_.core.find_database("db")->past.xact_count.get(), 7U);
    EXPECT_EQ(w_.core.past().query_count.get(), 3U);
}

TEST(UnusedWithoutLimitsTest, NothingIsForgotten) {
    world w("autodb_idle_timeout = 0\n", 2, with_template);
    w.at("made");
    w.core.forget_unused(w.now);
    w.now += std::chrono::hours(10000);
    EXPECT_TRUE(w.core.forget_unused(w.now).empty());
}

}  // namespace
}  // namespace pgweir::pool
