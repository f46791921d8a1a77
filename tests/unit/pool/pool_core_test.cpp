#include "pool/pool_core.hpp"

#include "unit/pool/pool_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace pgweir::pool {
namespace {

using namespace test;
using testing::IsEmpty;

// Which server a client gets.

TEST(PoolCoreTest, IdleServerOfTheOwnWorkerIsLeasedAtOnce) {
    world w("");
    test_server& own = w.leased(0);
    test_server& other = w.leased(1);
    w.release(own);
    w.release(other);
    EXPECT_EQ(w.acquire(w.client(0)), &own);
    EXPECT_EQ(own.where, state::leased);
    EXPECT_THAT(w.out, IsEmpty());
}

TEST(PoolCoreTest, LastUsedServerIsTakenFirst) {
    world w("");
    const auto servers = w.parked(3, 0, w.at());
    EXPECT_EQ(w.acquire(w.client(0)), servers[2]);
    EXPECT_EQ(w.acquire(w.client(0)), servers[1]);
}

TEST(PoolCoreTest, RoundRobinTakesTheLongestIdle) {
    world w("server_round_robin = 1\n");
    const auto servers = w.parked(3, 0, w.at());
    EXPECT_EQ(w.acquire(w.client(0)), servers[0]);
    EXPECT_EQ(w.acquire(w.client(0)), servers[1]);
}

TEST(PoolCoreTest, IdleServerOfAnotherWorkerIsMoved) {
    world w("");
    test_server& there = w.parked(1);
    test_client& who = w.queued(0);
    const action move = w.take(do_what::move);
    EXPECT_EQ(move.worker, 1U);
    EXPECT_EQ(move.destination, 0U);
    EXPECT_EQ(move.server, there.id);
    EXPECT_THAT(w.out, IsEmpty()) << "no connection besides";
    w.core.arrived(there, 0);
    const auto done = w.release(there);
    EXPECT_EQ(done.what, outcome::granted);
    EXPECT_EQ(done.to, &who);
    EXPECT_EQ(there.worker, 0U);
}

TEST(PoolCoreTest, NothingIdleOpensAConnectionOnTheWaitersWorker) {
    world w("");
    w.queued(1);
    const action connect = w.take(do_what::connect);
    EXPECT_EQ(connect.worker, 1U);
    EXPECT_EQ(connect.where, &w.at());
    EXPECT_EQ(w.at().counts.connecting, 1);
}

TEST(PoolCoreTest, FreedServerGoesToTheWaitersInOrder) {
    world w("default_pool_size = 1\n");
    test_server& server = w.leased();
    test_client& first = w.queued();
    test_client& second = w.queued();
    EXPECT_THAT(w.out, IsEmpty());
    EXPECT_EQ(w.release(server).to, &first);
    EXPECT_EQ(w.release(server).to, &second);
    EXPECT_EQ(w.release(server).what, outcome::parked);
}

TEST(PoolCoreTest, WaiterElsewhereIsFirstOnlyIfItWaitsLongerByTheFairness) {
    world w("default_pool_size = 1\n");
    test_server& server = w.leased(0);
    test_client& elsewhere = w.queued(1);
    w.now += fairness;
    test_client& own = w.queued(0);
    EXPECT_EQ(w.release(server).to, &own);

    w.queued(0).waiting_since = elsewhere.waiting_since + fairness + microseconds(1);
    const auto moved = w.release(server);
    EXPECT_EQ(moved.what, outcome::move);
    EXPECT_EQ(moved.destination, 1U);
    w.core.arrived(server, 1);
    EXPECT_EQ(w.release(server).to, &elsewhere);
}

TEST(PoolCoreTest, ServerStaysWhenOthersAreOnTheirWayToTheWaiter) {
    world w("default_pool_size = 2\n");
    test_server& a = w.leased(0);
    test_server& b = w.leased(0);
    w.queued(1);
    EXPECT_EQ(w.release(a).what, outcome::move);
    EXPECT_EQ(w.release(b).what, outcome::parked);
}

TEST(PoolCoreTest, WaiterThatLeavesGetsNothing) {
    world w("default_pool_size = 1\n");
    test_server& server = w.leased();
    test_client& gone = w.queued();
    test_client& stays = w.queued();
    w.core.leave(gone);
    w.core.leave(gone);
    EXPECT_EQ(w.at().counts.waiting, 1);
    EXPECT_EQ(w.release(server).to, &stays);
}

TEST(PoolCoreTest, MovedServerIsParkedWhereItArrivesIfNobodyWaitsAnyMore) {
    world w("");
    test_server& server = w.parked(1);
    w.core.leave(w.queued(0));
    w.core.arrived(server, 0);
    EXPECT_EQ(w.release(server).what, outcome::parked);
    EXPECT_EQ(w.acquire(w.client(0)), &server);
}

// The check before use.

TEST(PoolCoreTest, ServerIdleForLongIsCheckedAndThenGranted) {
    world w("server_check_delay = 30\n");
    test_server& server = w.parked();
    w.now += seconds(30);
    EXPECT_EQ(w.acquire(w.client(0)), &server) << "not longer than the delay";
    w.release(server);
    w.now += seconds(30) + microseconds(1);
    test_client& who = w.queued();
    EXPECT_EQ(w.take(do_what::check).server, server.id);
    EXPECT_EQ(server.where, state::busy);
    EXPECT_EQ(w.release(server).to, &who);
}

TEST(PoolCoreTest, CheckOpensNoConnectionBesides) {
    world w("server_check_delay = 30\n");
    w.parked();
    w.now += seconds(60);
    w.queued();
    w.take(do_what::check);
    w.tick();
    EXPECT_THAT(w.out, IsEmpty());
}

TEST(PoolCoreTest, FailedCheckIsFollowedByTheNextIdleServer) {
    world w("server_check_delay = 30\ndefault_pool_size = 2\n");
    const auto servers = w.parked(2, 0, w.at());
    w.now += seconds(60);
    w.queued();
    EXPECT_EQ(w.take(do_what::check).server, servers[1]->id);
    w.close(*servers[1]);
    EXPECT_EQ(w.take(do_what::check).server, servers[0]->id);
    EXPECT_THAT(w.out, IsEmpty());
}

TEST(PoolCoreTest, ClientBehindACheckUsesTheOtherIdleServer) {
    world w("server_check_delay = 30\ndefault_pool_size = 2\n");
    const auto servers = w.parked(2, 0, w.at());
    w.now += seconds(60);
    test_client& first = w.queued();
    test_client& second = w.queued();
    EXPECT_EQ(w.take(do_what::check).server, servers[1]->id);
    EXPECT_EQ(w.take(do_what::check).server, servers[0]->id);
    EXPECT_EQ(w.release(*servers[1]).to, &first);
    EXPECT_EQ(w.release(*servers[0]).to, &second);
}

TEST(PoolCoreTest, ServerOfAnotherWorkerIsCheckedBeforeItIsMoved) {
    world w("server_check_delay = 30\n");
    test_server& server = w.parked(1);
    w.now += seconds(60);
    test_client& who = w.queued(0);
    const action check = w.take(do_what::check);
    EXPECT_EQ(check.worker, 1U);
    EXPECT_THAT(w.out, IsEmpty());
    EXPECT_EQ(w.release(server).what, outcome::move);
    w.core.arrived(server, 0);
    EXPECT_EQ(w.release(server).to, &who);
}

TEST(PoolCoreTest, NoCheckQueryMeansNoCheck) {
    world w("server_check_query =\nserver_check_delay = 0\n");
    test_server& server = w.parked();
    w.now += seconds(60);
    EXPECT_EQ(w.acquire(w.client(0)), &server);
}

// How many servers.

TEST(PoolCoreTest, PoolSizeIsNeverExceeded) {
    world w("default_pool_size = 2\n");
    for (int i = 0; i < 5; i++) {
        w.queued();
    }
    EXPECT_EQ(w.count(do_what::connect), 2);
    w.now += seconds(60);
    w.tick();
    EXPECT_EQ(w.count(do_what::connect), 2);
}

TEST(PoolCoreTest, ConnectionsAtTheSameTimeAreLimited) {
    world w("default_pool_size = 20\n");
    for (int i = 0; i < 10; i++) {
        w.queued(static_cast<worker_id>(i % 2));
    }
    EXPECT_EQ(w.count(do_what::connect), connects_at_once);
    test_server& server = w.open();
    EXPECT_EQ(w.release(server).what, outcome::granted);
    EXPECT_EQ(w.count(do_what::connect), connects_at_once) << "one came, one more is opened";
}

TEST(PoolCoreTest, WaiterForWhomAConnectionIsUnderWayOpensNoSecond) {
    world w("");
    w.core.leave(w.queued());
    w.queued();
    EXPECT_EQ(w.count(do_what::connect), 1);
}

TEST(PoolCoreTest, ReserveIsForTheOldestWaiterAfterItsTime) {
    world w("default_pool_size = 1\nreserve_pool_size = 1\nreserve_pool_timeout = 5\n");
    test_server& normal = w.leased();
    test_client& first = w.queued(1);
    w.now += seconds(5) - microseconds(1);
    w.tick();
    EXPECT_THAT(w.out, IsEmpty());
    w.queued(0);
    EXPECT_THAT(w.out, IsEmpty());
    w.now += microseconds(1);
    w.tick();
    EXPECT_EQ(w.out.front().worker, 1U);
    test_server& reserve = w.open();
    EXPECT_EQ(w.release(reserve).to, &first);
    EXPECT_THAT(w.out, IsEmpty()) << "there is one reserve server";
    w.now += seconds(60);
    w.tick();
    EXPECT_THAT(w.out, IsEmpty());
    EXPECT_EQ(w.release(normal).what, outcome::granted);
    EXPECT_EQ(w.release(reserve).what, outcome::close) << "nobody waits any more";
}

TEST(PoolCoreTest, ReserveWithoutATimeoutIsNotUsed) {
    world w("default_pool_size = 1\nreserve_pool_size = 1\nreserve_pool_timeout = 0\n");
    w.leased();
    w.queued();
    w.now += seconds(600);
    w.tick();
    EXPECT_THAT(w.out, IsEmpty());
}

TEST(PoolCoreTest, DatabaseLimitEvictsTheLongestIdleServerOfAnotherUser) {
    world w("max_db_connections = 2\n");
    test_server& oldest = *w.parked(1, 0, w.at("db", "a")).front();
    w.now += seconds(1);
    w.parked(1, 1, w.at("db", "b"));
    test_client& who = w.queued(0, w.at("db", "c"));
    EXPECT_EQ(w.take(do_what::close).server, oldest.id);
    EXPECT_THAT(w.out, IsEmpty()) << "the room is not there yet";
    w.close(oldest);
    test_server& made = w.open();
    EXPECT_EQ(w.release(made).to, &who);
}

TEST(PoolCoreTest, UserLimitEvictsInOtherDatabasesOfTheSameUserOnly) {
    world w("max_user_connections = 1\n", 2, "db =\nother =\n");
    w.parked(1, 0, w.at("db", "stranger"));
    test_server& same = *w.parked(1, 0, w.at("other", "u")).front();
    w.queued(0, w.at("db", "u"));
    EXPECT_EQ(w.take(do_what::close).server, same.id);
    w.close(same);
    EXPECT_EQ(w.count(do_what::connect), 1);
}

TEST(PoolCoreTest, NothingIsEvictedThatIsInUse) {
    world w("max_db_connections = 1\n");
    test_server& used = w.leased(0, w.at("db", "a"));
    w.queued(0, w.at("db", "b"));
    w.tick();
    EXPECT_THAT(w.out, IsEmpty());
    EXPECT_EQ(w.release(used).what, outcome::parked);
    w.tick();
    EXPECT_EQ(w.take(do_what::close).server, used.id);
}

TEST(PoolCoreTest, MinimumIsKeptOneByOneWhileTheDatabaseIsUsed) {
    world w("min_pool_size = 2\n");
    w.at();
    w.tick();
    EXPECT_THAT(w.out, IsEmpty()) << "nobody uses it";
    ASSERT_FALSE(w.core.admit_client(w.at("db", "other"), w.core.find_user("other")));
    w.now += seconds(1);
    w.tick();
    EXPECT_EQ(w.take(do_what::connect).where, &w.at("db", "other")) << "each for itself";
    ASSERT_FALSE(w.core.admit_client(w.at(), w.core.find_user("u")));
    for (int i = 0; i < 2; i++) {
        w.now += seconds(1);
        w.tick();
        w.now += seconds(1);
        w.tick();
        EXPECT_EQ(w.count(do_what::connect), 1);
        EXPECT_EQ(w.release(w.open()).what, outcome::parked);
    }
    w.now += seconds(1);
    w.tick();
    EXPECT_THAT(w.out, IsEmpty());
}

TEST(PoolCoreTest, MinimumTakesNothingFromOtherPools) {
    world w("min_pool_size = 1\nmax_db_connections = 1\n");
    ASSERT_FALSE(w.core.admit_client(w.at("db", "b"), w.core.find_user("b")));
    w.parked(1, 0, w.at("db", "a"));
    w.at("db", "b");
    w.now += seconds(1);
    w.tick();
    EXPECT_THAT(w.out, IsEmpty());
}

class server_apart final : public server_entry {};

TEST(PoolCoreTest, ServerApartCountsAndMakesAnIdleOneGo) {
    world w("default_pool_size = 2\nmax_db_connections = 3\n");
    w.parked();
    server_apart first;
    ASSERT_TRUE(w.core.open_apart(first, w.at(), 0, true, w.now, w.out));
    w.core.occupy(first);
    EXPECT_EQ(w.at().counts.servers(), 2);
    server_apart second;
    EXPECT_FALSE(w.core.open_apart(second, w.at(), 0, false, w.now, w.out));
    EXPECT_THAT(w.out, IsEmpty());
    EXPECT_FALSE(w.core.open_apart(second, w.at(), 0, true, w.now, w.out));
    EXPECT_EQ(w.count(do_what::close), 1) << "there will be room";
    w.core.closed(first, w.now, w.out);
    ASSERT_TRUE(w.core.open_apart(second, w.at(), 0, false, w.now, w.out));
    w.core.closed(second, w.now, w.out);
}

// Log-ins that fail.

TEST(PoolCoreTest, AfterAFailureTheNextAttemptWaitsForTheRetryTime) {
    world w("server_login_retry = 15\n");
    w.queued();
    w.fail(w.open());
    w.now += seconds(15) - microseconds(1);
    w.tick();
    EXPECT_THAT(w.out, IsEmpty());
    EXPECT_TRUE(w.core.failing(w.at(), w.now));
    w.now += microseconds(1);
    w.tick();
    EXPECT_EQ(w.count(do_what::connect), 1);
    EXPECT_FALSE(w.core.failing(w.at(), w.now));
}

TEST(PoolCoreTest, SuccessEndsTheFailure) {
    world w("server_login_retry = 15\n");
    w.queued();
    w.fail(w.open());
    w.now += seconds(15);
    w.tick();
    w.release(w.open());
    EXPECT_EQ(w.at().failure, "");
    EXPECT_FALSE(w.core.failing(w.at(), w.now));
}

TEST(PoolCoreTest, NothingFailsFastWhileThereAreServers) {
    world w("");
    w.leased();
    w.queued();
    w.fail(w.open());
    EXPECT_FALSE(w.core.failing(w.at(), w.now));
}

TEST(PoolCoreTest, RefusalOfTheLoginIsToldToWaitersOfEveryWorker) {
    world w("default_pool_size = 1\n");
    test_client& a = w.queued(0);
    test_client& b = w.queued(1);
    w.fail(w.open(), "28P01", "wrong password");
    EXPECT_EQ(w.take(do_what::refuse).worker, 0U);
    EXPECT_EQ(w.take(do_what::refuse).worker, 1U);
    EXPECT_EQ(w.at().failure, "wrong password");
    EXPECT_EQ(w.at().failure_sqlstate, "28P01");
    EXPECT_EQ(w.core.next_refused(w.at(), 0), &a);
    EXPECT_EQ(w.core.next_refused(w.at(), 0), nullptr);
    EXPECT_EQ(w.core.next_refused(w.at(), 1), &b);
    EXPECT_EQ(w.at().counts.waiting, 0);
}

TEST(PoolCoreTest, WaitersGoOnWaitingForAServerThatStartsOrCannotBeReached) {
    for (const char* sqlstate : {"57P03", ""}) {
        world w("");
        w.queued();
        w.fail(w.open(), sqlstate);
        EXPECT_THAT(w.out, IsEmpty()) << sqlstate;
        EXPECT_EQ(w.at().counts.waiting, 1);
    }
}

TEST(PoolCoreTest, NobodyIsRefusedWhileOtherServersWork) {
    world w("");
    w.leased();
    w.queued();
    w.fail(w.open(), "53300");
    EXPECT_THAT(w.out, IsEmpty());
}

TEST(PoolCoreTest, RefusalStopsWhenThingsHaveChanged) {
    world w("");
    w.queued();
    w.fail(w.open(), "28P01");
    w.core.reconnect(nullptr, w.out);
    EXPECT_EQ(w.core.next_refused(w.at(), 0), nullptr);
    EXPECT_EQ(w.at().counts.waiting, 1);
}

// Age.

TEST(PoolCoreTest, ServerIsClosedAfterItsLifetime) {
    world w("server_lifetime = 100\nserver_idle_timeout = 0\ndefault_pool_size = 2\n");
    test_server& server = w.leased();
    w.now += seconds(100) - microseconds(1);
    EXPECT_EQ(w.release(server).what, outcome::parked);
    EXPECT_EQ(w.core.claim_stale(server, w.now), "");
    w.now += microseconds(1);
    EXPECT_EQ(w.core.claim_stale(server, w.now), "server lifetime over");
    EXPECT_EQ(server.where, state::busy);
}

TEST(PoolCoreTest, ClosesForAgeAreSpreadOverTheLifetime) {
    world w("server_lifetime = 100\ndefault_pool_size = 4\n");
    test_server& a = w.leased();
    test_server& b = w.leased();
    w.now += seconds(100);
    EXPECT_EQ(w.release(a).what, outcome::close);
    EXPECT_EQ(w.release(b).what, outcome::parked);
    w.now += seconds(25) - microseconds(1);
    EXPECT_EQ(w.core.claim_stale(b, w.now), "");
    w.now += microseconds(1);
    EXPECT_EQ(w.core.claim_stale(b, w.now), "server lifetime over");
}

TEST(PoolCoreTest, LifetimeOfZeroMeansUsedOnce) {
    world w("server_lifetime = 0\n");
    test_server& server = w.leased();
    EXPECT_EQ(w.release(server).what, outcome::close);
}

TEST(PoolCoreTest, IdleServersAreClosedDownToTheMinimum) {
    world w("server_idle_timeout = 60\nmin_pool_size = 1\n");
    const auto servers = w.parked(2, 0, w.at());
    w.now += seconds(60) - microseconds(1);
    EXPECT_EQ(w.core.claim_stale(*servers[0], w.now), "");
    w.now += microseconds(1);
    EXPECT_EQ(w.core.claim_stale(*servers[0], w.now), "server idle timeout");
    w.close(*servers[0]);
    EXPECT_EQ(w.core.claim_stale(*servers[1], w.now), "");
}

TEST(PoolCoreTest, ServerInUseIsNeverStale) {
    world w("server_lifetime = 1\nserver_idle_timeout = 1\n");
    test_server& server = w.leased();
    w.now += seconds(60);
    EXPECT_EQ(w.core.claim_stale(server, w.now), "");
    EXPECT_EQ(server.where, state::leased);
}

TEST(PoolCoreTest, ParkedServerIsLookedAtWhenTheNearerLimitMayBeReached) {
    for (const auto& [text, expected] : std::vector<std::pair<const char*, seconds>>{
             {"server_idle_timeout = 60\nserver_lifetime = 100\n", seconds(60)},
             {"server_idle_timeout = 200\nserver_lifetime = 100\n", seconds(100)},
             {"server_idle_timeout = 0\nserver_lifetime = 100\n", seconds(100)},
         }) {
        world w(text);
        EXPECT_EQ(w.release(w.leased()).look_again, expected) << text;
    }
}

// The operator.

TEST(PoolCoreTest, PauseClosesIdleServersAndThoseThatComeBack) {
    world w("");
    test_server& used = w.leased();
    test_server& idle = w.parked();
    w.core.pause(w.core.find_database("db"), w.out);
    EXPECT_EQ(w.take(do_what::close).server, idle.id);
    EXPECT_EQ(w.release(used).what, outcome::close);
    EXPECT_EQ(w.core.servers_in_use(nullptr), 2) << "until they are closed";
    w.close(used);
    w.close(idle);
    EXPECT_EQ(w.core.servers_in_use(nullptr), 0);
}

TEST(PoolCoreTest, ClientsQueueWhilePausedAndAreServedAfterResume) {
    for (const bool all : {true, false}) {
        world w("");
        database_entry* db = all ? nullptr : w.core.find_database("db");
        w.core.pause(db, w.out);
        test_client& who = w.queued();
        w.tick();
        EXPECT_THAT(w.out, IsEmpty());
        w.core.resume(db, w.now, w.out);
        EXPECT_EQ(w.release(w.open()).to, &who);
    }
}

TEST(PoolCoreTest, PauseOfOneDatabaseLeavesTheOthersAlone) {
    world w("", 1, "db =\nother =\n");
    test_server& server = *w.parked(1, 0, w.at("other")).front();
    w.core.pause(w.core.find_database("db"), w.out);
    EXPECT_EQ(w.acquire(w.client(0, w.at("other"))), &server);
    EXPECT_FALSE(w.core.paused());
}

TEST(PoolCoreTest, ReconnectClosesIdleServersNowAndOthersWhenFree) {
    world w("");
    test_server& used = w.leased();
    test_server& idle = w.parked();
    w.core.reconnect(nullptr, w.out);
    EXPECT_EQ(w.take(do_what::close).server, idle.id);
    EXPECT_EQ(w.core.servers_to_close(nullptr), 2);
    EXPECT_EQ(w.release(used).what, outcome::close);
    w.close(used);
    w.close(idle);
    EXPECT_EQ(w.core.servers_to_close(nullptr), 0);
}

// Servers that are lost.

TEST(PoolCoreTest, ServerMayCloseInEveryState) {
    world w("", 2);
    test_server& connecting = (w.queued(), w.open());
    w.close(connecting);
    w.core.leave(*w.clients.back());
    w.out.clear();
    for (auto& p : {&w.at("db", "a")}) {
        test_server& idle = *w.parked(1, 0, *p).front();
        w.close(idle);
        EXPECT_EQ(p->counts.servers(), 0);
        test_server& leased = w.leased(0, *p);
        w.close(leased);
        EXPECT_EQ(p->counts.servers(), 0);
        test_server& busy = w.leased(0, *p);
        w.core.occupy(busy);
        w.close(busy);
        EXPECT_EQ(p->counts.servers(), 0);
        test_server& moving = *w.parked(1, 0, *p).front();
        w.queued(1, *p);
        w.take(do_what::move);
        w.close(moving);
        EXPECT_EQ(p->sides[1].incoming, 0);
        EXPECT_EQ(p->counts.servers(), 1) << "another is opened for the waiter";
        EXPECT_EQ(w.count(do_what::connect), 1);
    }
}

TEST(PoolCoreTest, WaiterWhoseServerIsLostOnTheWayGetsAnotherIdleOne) {
    world w("default_pool_size = 2\nserver_login_retry = 1000\n");
    const auto servers = w.parked(2, 1, w.at());
    w.at().failure = "the last attempt failed";
    w.at().failed_at = w.now;
    w.queued(0);
    EXPECT_EQ(w.take(do_what::move).server, servers[1]->id);
    w.close(*servers[1]);
    EXPECT_EQ(w.take(do_what::move).server, servers[0]->id);
}

// Configurations.

TEST(PoolCoreTest, ChangedDatabaseHasItsServersClosed) {
    world w("", 1, "db = host=a\nother = host=a\n");
    test_server& used = w.leased();
    test_server& idle = w.parked();
    test_server& same = *w.parked(1, 0, w.at("other")).front();
    w.out.clear();
    w.configure("", "db = host=b\nother = host=a\n");
    EXPECT_EQ(w.take(do_what::close).server, idle.id);
    EXPECT_THAT(w.out, IsEmpty());
    EXPECT_TRUE(used.close_needed);
    EXPECT_FALSE(same.close_needed);
}

TEST(PoolCoreTest, RemovedDatabaseIsNotFoundAndComesBack) {
    world w("", 1, "db =\nother =\n");
    test_server& used = w.leased();
    w.configure("", "other =\n");
    EXPECT_EQ(w.core.find_database("db"), nullptr);
    EXPECT_EQ(w.release(used).what, outcome::close);
    w.close(used);
    w.configure("", "db =\nother =\n");
    ASSERT_NE(w.core.find_database("db"), nullptr);
    w.queued();
    EXPECT_EQ(w.count(do_what::connect), 1);
}

TEST(PoolCoreTest, DatabasesOfAChangedTemplateHaveTheirServersClosed) {
    world w("", 1, "* = host=a\n");
    test_server& idle = w.parked();
    w.configure("", "* = host=a\n");
    EXPECT_THAT(w.out, IsEmpty());
    w.configure("", "* = host=b\n");
    EXPECT_EQ(w.take(do_what::close).server, idle.id);
    EXPECT_EQ(w.at().database.settings.hosts, std::vector<std::string>{"b"});
}

TEST(PoolCoreTest, EntryOfItsOwnReplacesADatabaseOfTheTemplate) {
    world w("", 1, "* = host=a\n");
    test_server& idle = w.parked();
    w.configure("", "* = host=a\ndb = host=b\n");
    EXPECT_EQ(w.take(do_what::close).server, idle.id);
    EXPECT_FALSE(w.core.find_database("db")->automatic);
}

TEST(PoolCoreTest, LimitsOfANewConfigurationAreInForce) {
    world w("default_pool_size = 1\n");
    w.leased();
    w.queued();
    w.configure("default_pool_size = 2\n");
    w.tick();
    EXPECT_EQ(w.count(do_what::connect), 1);
}

TEST(PoolCoreTest, ClientsAreCountedByDatabaseAndUser) {
    world w("max_db_client_connections = 2\nmax_user_client_connections = 1\n");
    const auto admit = [&](const char* user) {
        return w.core.admit_client(w.at("db", user), w.core.find_user(user));
    };
    EXPECT_EQ(admit("a"), std::nullopt);
    EXPECT_EQ(admit("a"), errc::too_many_user_clients);
    EXPECT_EQ(admit("b"), std::nullopt);
    EXPECT_EQ(admit("c"), errc::too_many_database_clients);
    w.core.dismiss_client(w.at("db", "a"), w.core.find_user("a"), w.out);
    EXPECT_EQ(admit("a"), std::nullopt);
}

// Another process serves.

TEST(PoolCoreTest, IdleServersOfAProcessThatIsReplacedCross) {
    world w("");
    test_server& here = w.leased(0);
    test_server& there = w.leased(1);
    test_server& in_use = w.leased(0);
    w.release(here);
    w.release(there);
    w.core.retire(true, w.out);
    EXPECT_EQ(w.count(do_what::cross), 2);
    w.out.clear();
    EXPECT_EQ(w.release(in_use).what, outcome::cross);
    EXPECT_EQ(in_use.where, state::busy);
    EXPECT_EQ(w.at().counts.busy, 3);
}

TEST(PoolCoreTest, ServersAreKeptForTheClientsThatStay) {
    world w("");
    ASSERT_FALSE(w.core.admit_client(w.at(), w.core.find_user("u")));
    test_server& first = w.leased(0);
    test_server& second = w.leased(0);
    w.core.retire(true, w.out);
    EXPECT_EQ(w.release(first).what, outcome::cross);
    EXPECT_EQ(w.release(second).what, outcome::parked);
    EXPECT_THAT(w.out, IsEmpty());
    w.core.dismiss_client(w.at(), w.core.find_user("u"), w.out);
    EXPECT_EQ(w.take(do_what::cross).server, second.id);
}

TEST(PoolCoreTest, ServerThatWasPutRightCrossesToo) {
    world w("");
    test_server& server = w.leased(0);
    w.core.retire(true, w.out);
    w.core.occupy(server);
    EXPECT_EQ(w.release(server).what, outcome::cross);
}

TEST(PoolCoreTest, WhoWaitsIsServedBeforeAServerCrosses) {
    world w("default_pool_size = 1\n");
    test_server& server = w.leased(0);
    test_client& waiting = w.queued(0);
    w.core.retire(true, w.out);
    EXPECT_EQ(w.release(server).to, &waiting);
}

TEST(PoolCoreTest, NothingCrossesAnyMoreWhenTheNextProcessHasGone) {
    world w("");
    test_server& server = w.leased(0);
    w.core.retire(true, w.out);
    w.core.retire(false, w.out);
    EXPECT_EQ(w.release(server).what, outcome::parked);
    EXPECT_THAT(w.out, IsEmpty());
}

TEST(PoolCoreTest, ServerOfAnotherProcessIsTakenWithinTheLimits) {
    world w("default_pool_size = 2\nmax_db_connections = 2\n");
    test_server free;
    test_server of_a_client;
    test_server too_many;
    free.connected_at = of_a_client.connected_at = w.now - seconds(50);
    ASSERT_TRUE(w.core.adopt(free, w.at(), 0, false));
    EXPECT_EQ(w.release(free).what, outcome::parked);
    EXPECT_EQ(free.connected_at, w.now - seconds(50)) << "it is as old as it was";
    ASSERT_TRUE(w.core.adopt(of_a_client, w.at(), 1, true));
    EXPECT_EQ(of_a_client.where, state::leased);
    EXPECT_FALSE(w.core.adopt(too_many, w.at(), 0, false));
    EXPECT_FALSE(w.core.adopt(too_many, w.at("db", "other"), 0, false)) << "the database is full";
    ASSERT_TRUE(w.core.adopt(too_many, w.at(), 0, true)) << "its client has it already";
    EXPECT_EQ(w.at().counts.servers(), 3);
    EXPECT_EQ(w.acquire(w.client(0)), &free);
    for (test_server* server : {&free, &of_a_client, &too_many}) {
        w.core.closed(*server, w.now, w.out);
    }
}

}  // namespace
}  // namespace pgweir::pool
