#include "pool/pool_core.hpp"
#include "unit/pool/pool_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::pool {
namespace {

using namespace test;
using testing::ElementsAre;
using testing::IsEmpty;

// A database with a list of hosts that nobody routes over.

constexpr const char* in_turn = "db = host=a,b,c\n";
constexpr const char* one_at_a_time = "db = host=a,b,c load_balance_hosts=disable\n";

/// The hosts of the next connections.
std::vector<std::size_t> hosts(world& w, int count) {
    std::vector<std::size_t> found;
    for (int i = 0; i < count; i++) {
        w.queued();
        test_server& server = w.open();
        found.push_back(server.listed);
        w.release(server);
    }
    return found;
}

/// Somebody waits, and the connection for it fails.
std::size_t fail_one(world& w, std::string_view sqlstate = "") {
    test_server& server = w.open();
    const std::size_t host = server.listed;
    w.fail(server, sqlstate);
    return host;
}

TEST(ListedHostsTest, AreUsedInTurn) {
    world w("", 1, in_turn);
    EXPECT_THAT(hosts(w, 5), ElementsAre(0, 1, 2, 0, 1));
}

TEST(ListedHostsTest, OneThatDoesNotAnswerIsSkippedAtOnce) {
    world w("server_login_retry = 15\n", 1, in_turn);
    w.queued();
    EXPECT_EQ(fail_one(w), 0U);
    EXPECT_EQ(w.at().failure, "") << "nobody needs to know";
    test_server& next = w.open();
    EXPECT_EQ(next.listed, 1U);
    w.release(next);
    EXPECT_THAT(hosts(w, 3), ElementsAre(2, 1, 2)) << "for the time of server_login_retry";
    w.now += seconds(15);
    EXPECT_THAT(hosts(w, 2), ElementsAre(0, 1));
}

TEST(ListedHostsTest, AfterReconnectEachIsTriedAgain) {
    world w("server_login_retry = 15\n", 1, in_turn);
    w.queued();
    EXPECT_EQ(fail_one(w), 0U);
    w.release(w.open());
    w.core.reconnect(nullptr, w.out);
    w.out.clear();
    EXPECT_THAT(hosts(w, 2), ElementsAre(2, 0));
}

TEST(ListedHostsTest, WhenNoneAnswersTheClientsAreTold) {
    world w("server_login_retry = 15\n", 1, in_turn);
    w.queued();
    EXPECT_EQ(fail_one(w), 0U);
    EXPECT_EQ(fail_one(w, "57P03"), 1U);
    EXPECT_FALSE(w.core.failing(w.at(), w.now));
    EXPECT_EQ(fail_one(w), 2U);
    EXPECT_EQ(w.at().failure, "no");
    EXPECT_TRUE(w.core.failing(w.at(), w.now));
}

TEST(ListedHostsTest, ClientsAreToldAlsoWhenEachAttemptTakesLong) {
    for (const char* databases : {in_turn, one_at_a_time}) {
        world w("server_login_retry = 15\n", 1, databases);
        w.queued();
        for (int host = 0; host < 3; host++) {
            EXPECT_EQ(w.at().failure, "");
            test_server& server = w.open();
            w.now += seconds(20);
            w.fail(server);
        }
        EXPECT_EQ(w.at().failure, "no");
        EXPECT_TRUE(w.core.failing(w.at(), w.now));
    }
}

TEST(ListedHostsTest, RefusedLogInIsTheSameEverywhere) {
    world w("", 1, in_turn);
    w.queued();
    fail_one(w, "28P01");
    EXPECT_EQ(w.at().failure_sqlstate, "28P01");
    EXPECT_EQ(w.count(do_what::connect), 0);
}

TEST(ListedHostsTest, OneIsKeptForAsLongAsItAnswers) {
    world w("", 1, one_at_a_time);
    EXPECT_THAT(hosts(w, 2), ElementsAre(0, 0));
    w.queued();
    fail_one(w);
    test_server& next = w.open();
    EXPECT_EQ(next.listed, 1U);
    w.release(next);
    w.now += seconds(60);
    EXPECT_THAT(hosts(w, 2), ElementsAre(1, 1)) << "and is not left when the first one is back";
}

TEST(ListedHostsTest, ServerOfAnotherProcessStaysWithItsHost) {
    world w("", 1, in_turn);
    test_server come_over;
    come_over.listed = 2;
    ASSERT_TRUE(w.core.adopt(come_over, w.at(), 0, false));
    EXPECT_EQ(come_over.listed, 2U);
    EXPECT_THAT(hosts(w, 2), ElementsAre(0, 1)) << "it is nobody's turn";
    w.close(come_over);
}

TEST(ListedHostsTest, ShorterListAfterAReload) {
    world w("", 1, in_turn);
    EXPECT_THAT(hosts(w, 2), ElementsAre(0, 1));
    w.configure("", "db = host=d\n");
    w.out.clear();  // the old servers are to be closed
    w.queued();
    EXPECT_EQ(w.open().listed, 0U);
}

}  // namespace
}  // namespace pgweir::pool
