#include "topology/asking_thread.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <future>

namespace pgweir::topology {
namespace {

/// Far enough that a test which waits for it hangs.
steady_time far_away() {
    return std::chrono::steady_clock::now() + seconds(3600);
}

steady_time at_once() {
    return std::chrono::steady_clock::now();
}

class SocketPair {
public:
    SocketPair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0); }

    ~SocketPair() {
        ::close(ends_[0]);
        ::close(ends_[1]);
    }

    int here() const { return ends_[0]; }

    void say() const { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }

private:
    int ends_[2] = {-1, -1};
};

TEST(InterruptTest, TimeEndsAWait) {
    interrupt by;
    EXPECT_EQ(by.wait(-1, readiness::nothing, at_once()), wait_result::timed_out);
}

TEST(InterruptTest, SocketThatIsReadyEndsAWaitThoughTheTimeIsOver) {
    interrupt by;
    const SocketPair pair;
    EXPECT_EQ(by.wait(pair.here(), readiness::readable, at_once()), wait_result::timed_out);
    pair.say();
    EXPECT_EQ(by.wait(pair.here(), readiness::readable, far_away()), wait_result::ready);
    EXPECT_EQ(by.wait(pair.here(), readiness::readable, at_once()), wait_result::ready);
    EXPECT_EQ(by.wait(pair.here(), readiness::writable, far_away()), wait_result::ready);
}

TEST(InterruptTest, RaisedOnceItEndsOneWait) {
    interrupt by;
    by.raise();
    by.raise();
    EXPECT_EQ(by.wait(-1, readiness::nothing, far_away()), wait_result::raised);
    EXPECT_EQ(by.wait(-1, readiness::nothing, at_once()), wait_result::timed_out);
}

TEST(InterruptTest, AnotherThreadEndsAWait) {
    interrupt by;
    auto waited =
        std::async(std::launch::async, [&] { return by.wait(-1, readiness::nothing, far_away()); });
    by.raise();
    EXPECT_EQ(waited.get(), wait_result::raised);
}

TEST(AskingThreadTest, StopEndsItsWaitAndWaitsForIt) {
    auto shared = std::make_shared<asking_thread>();
    bool ended = false;
    shared->start("test", [&] {
        while (!shared->stopping()) {
            shared->wait(-1, readiness::nothing, far_away());
        }
        ended = true;
    });
    shared->stop(seconds(60));
    EXPECT_TRUE(ended);
}

TEST(AskingThreadTest, StoppedTwiceOrNeverStartedIsNoTrouble) {
    asking_thread never;
    never.stop(milliseconds(1));
    asking_thread thread;
    thread.start("test", [] {});
    thread.stop(seconds(60));
    thread.stop(seconds(60));
}

TEST(AskingThreadTest, NothingIsToldAfterStop) {
    asking_thread thread;
    int told = 0;
    thread.start("test", [&] {
        thread.tell([&] { told++; });
        while (!thread.stopping()) {
            thread.wait(-1, readiness::nothing, far_away());
        }
        thread.tell([&] { told++; });
    });
    thread.stop(seconds(60));
    EXPECT_LE(told, 1) << "once, or not at all if stop() came first";
}

TEST(AskingThreadTest, ThreadThatIsStuckIsLeftBehind) {
    struct shared_state {
        asking_thread thread;
        std::promise<void> stuck;
        std::promise<void> gone;
    };

    auto shared = std::make_shared<shared_state>();
    auto ended = shared->gone.get_future();
    shared->thread.start("test", [shared] {
        shared->stuck.get_future().wait();
        shared->gone.set_value();
    });
    shared->thread.stop(milliseconds(1));
    shared->stuck.set_value();  // it comes back, and finds all that it needs
    ended.get();
}

TEST(AskingThreadTest, SignalsAreHeldThere) {
    asking_thread thread;
    std::promise<int> held;
    thread.start("test", [&] {
        sigset_t set;
        ::pthread_sigmask(SIG_SETMASK, nullptr, &set);
        held.set_value(::sigismember(&set, SIGTERM));
    });
    EXPECT_EQ(held.get_future().get(), 1);
    thread.stop(seconds(60));
    sigset_t here;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &here);
    EXPECT_EQ(::sigismember(&here, SIGTERM), 0);
}

}  // namespace
}  // namespace pgweir::topology
