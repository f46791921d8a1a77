#include "pool/pool_core.hpp"
#include "unit/pool/pool_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace pgweir::pool {
namespace {

using namespace test;
using testing::IsEmpty;

/// A database whose reads go to hosts of their own.
class HostPoolsTest : public testing::Test {
protected:
    static constexpr const char* routed = "db = host=a,b,c routing=auto\n";

    explicit HostPoolsTest(const std::string& settings = "") : w(settings, 2, routed) {}

    pool& home() { return w.at(); }

    pool& of(std::string_view host) { return w.core.find_host_pool(home(), host); }

    world w;
};

TEST_F(HostPoolsTest, EachHostHasAPoolOfItsOwn) {
    pool& b = of("b:5432");
    EXPECT_NE(&b, &home());
    EXPECT_EQ(&of("b:5432"), &b);
    EXPECT_NE(&of("c:5432"), &b);
    EXPECT_EQ(b.user, home().user);
    EXPECT_EQ(b.host, "b:5432");
    EXPECT_EQ(&b.database, &home().database);
}

TEST_F(HostPoolsTest, LastWriteIsTheLatestWhoeverTellsOfItLast) {
    database_entry& db = home().database;
    const steady_time early = steady_time(seconds(1000));
    db.note_write(early + milliseconds(2));
    db.note_write(early + milliseconds(1));
    EXPECT_EQ(db.written_at.load(), early + milliseconds(2));
    db.note_write(early + milliseconds(3));
    EXPECT_EQ(db.written_at.load(), early + milliseconds(3));
}

TEST_F(HostPoolsTest, ServersOfOneHostAreNotGivenToAnother) {
    w.parked(1, 0, of("b:5432"));
    EXPECT_EQ(w.acquire(w.client(0, of("c:5432"))), nullptr);
    EXPECT_EQ(w.take(do_what::connect).where, &of("c:5432"));
    EXPECT_EQ(w.acquire(w.client(0)), nullptr);
    EXPECT_EQ(w.take(do_what::connect).where, &home());
}

TEST_F(HostPoolsTest, PoolSizeHoldsForEachHost) {
    w.configure("default_pool_size = 1\n", routed);
    w.leased(0, home());
    w.leased(0, of("b:5432"));
    w.queued(0, of("b:5432"));
    EXPECT_THAT(w.out, IsEmpty()) << "that host's one is leased";
}

TEST_F(HostPoolsTest, LimitOfTheDatabaseHoldsOverAllHosts) {
    w.configure("max_db_connections = 2\n", routed);
    w.leased(0, home());
    w.leased(0, of("b:5432"));
    w.queued(0, of("c:5432"));
    EXPECT_THAT(w.out, IsEmpty());
    EXPECT_EQ(home().database.connections, 2);
}

TEST_F(HostPoolsTest, MinimumIsForThePrimaryAlone) {
    w.configure("min_pool_size = 3\n", routed);
    EXPECT_EQ(home().limits.min_size, 3);
    EXPECT_EQ(of("b:5432").limits.min_size, 0);
}

TEST_F(HostPoolsTest, WithoutAPrimaryClientsWaitAndReadsGoOn) {
    w.core.primary_changed(home().database, false, w.now, w.out);
    test_client& waits = w.queued(0, home());
    EXPECT_THAT(w.out, IsEmpty()) << "nobody knows where to connect to";
    w.leased(0, of("b:5432"));
    w.core.primary_changed(home().database, true, w.now, w.out);
    test_server& server = w.open();
    EXPECT_EQ(server.owner, &home());
    EXPECT_EQ(w.release(server).to, &waits);
}

TEST_F(HostPoolsTest, ServersOfTheOldPrimaryAreClosedAtOnceWhoeverHasThem) {
    test_server& leased = w.leased(0, home());
    test_server& idle = *w.parked(1, 1, home()).front();
    test_server& read = w.leased(0, of("b:5432"));
    w.core.primary_changed(home().database, true, w.now, w.out);
    EXPECT_EQ(w.count(do_what::close), 2);
    EXPECT_TRUE(leased.close_needed);
    EXPECT_TRUE(idle.close_needed);
    EXPECT_FALSE(read.close_needed);
    EXPECT_EQ(w.acquire(w.client(1, home())), nullptr) << "the idle one is of the old primary";
}

TEST_F(HostPoolsTest, ServerThatIsFreedWithoutAPrimaryIsClosed) {
    test_server& server = w.leased(0, home());
    w.core.primary_changed(home().database, false, w.now, w.out);
    EXPECT_EQ(w.release(server).what, outcome::close);
}

TEST_F(HostPoolsTest, HostThatIsForsakenLosesItsIdleServersNowAndTheOthersWhenFree) {
    test_server& leased = w.leased(0, of("b:5432"));
    w.parked(1, 1, of("b:5432"));
    w.parked(1, 0, of("c:5432"));
    w.core.forsake_host(home().database, "b:5432", w.out);
    EXPECT_EQ(w.count(do_what::close), 1);
    EXPECT_EQ(w.release(leased).what, outcome::close);
    EXPECT_EQ(of("c:5432").counts.idle, 1);
}

TEST_F(HostPoolsTest, HostThatCannotBeReachedIsWaitedFor) {
    w.configure("server_login_retry = 15\n", routed);
    w.queued(0, home());
    w.fail(w.open());
    EXPECT_FALSE(w.core.failing(home(), w.now)) << "it is known soon whether there is another";
    w.now += milliseconds(150);
    w.tick();
    EXPECT_EQ(w.count(do_what::connect), 1) << "and it is tried again soon";
}

TEST_F(HostPoolsTest, LogInThatIsRefusedIsToldAtOnce) {
    w.queued(0, home());
    w.fail(w.open(), "28P01", "password authentication failed");
    EXPECT_EQ(w.count(do_what::refuse), 1);
    EXPECT_TRUE(w.core.failing(home(), w.now));
}

}  // namespace
}  // namespace pgweir::pool
