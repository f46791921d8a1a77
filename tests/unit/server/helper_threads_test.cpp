#include "server/helper_threads.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <vector>

namespace pgweir::server {
namespace {

// What a job refers to stands before the helpers: their end is the end of the last job.

/// Jobs that end when they are told to.
struct gate {
    std::promise<void> open;
    std::shared_future<void> opened = open.get_future().share();
};

TEST(HelperThreadsTest, WorksElsewhereAndDeliversAfterwards) {
    std::promise<std::pair<pid_t, int>> delivered;
    pid_t worked_on = 0;
    helper_threads helpers({"test", 2, 10, 0});
    ASSERT_TRUE(helpers.submit(
        [&] { worked_on = ::gettid(); },
        [&] {
            delivered.set_value({worked_on, 1});
        }
    ));
    EXPECT_NE(delivered.get_future().get().first, ::gettid());
}

TEST(HelperThreadsTest, ThreadsAreAsNiceAsTheyWereTold) {
    const auto niceness = [] { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid())); };
    const int before = niceness();
    std::promise<int> nice;
    helper_threads helpers({"test", 1, 10, 7});
    ASSERT_TRUE(helpers.submit([&] { nice.set_value(niceness()); }, [] {}));
    EXPECT_EQ(nice.get_future().get(), 7);
    EXPECT_EQ(niceness(), before);
}

TEST(HelperThreadsTest, FullQueueRefusesAndOpensAgain) {
    gate held;
    std::promise<void> begun;
    std::promise<void> last;
    std::atomic<int> done{0};
    const auto count = [&] { done++; };
    helper_threads helpers({"test", 1, 2, 0});
    ASSERT_TRUE(helpers.submit(
        [&] {
            begun.set_value();
            held.opened.wait();
        },
        count
    ));
    begun.get_future().wait();
    EXPECT_TRUE(helpers.submit([] {}, count));
    EXPECT_TRUE(helpers.submit([] {}, count));
    EXPECT_FALSE(helpers.submit([] { FAIL(); }, [] { FAIL(); }));
    held.open.set_value();
    while (!helpers.submit([] {}, [&] { last.set_value(); })) {
    }
    last.get_future().wait();
    EXPECT_EQ(done, 3);
}

TEST(HelperThreadsTest, OneThatIsStuckHoldsUpNoOther) {
    gate held;
    std::promise<void> begun;
    std::promise<void> other;
    helper_threads helpers({"test", 2, 10, 0});
    ASSERT_TRUE(helpers.submit(
        [&] {
            begun.set_value();
            held.opened.wait();
        },
        [] {}
    ));
    begun.get_future().wait();
    ASSERT_TRUE(helpers.submit([] {}, [&] { other.set_value(); }));
    other.get_future().wait();
    held.open.set_value();
}

TEST(HelperThreadsTest, WhatIsThrownIsDeliveredAllTheSame) {
    std::promise<void> delivered;
    helper_threads helpers({"test", 1, 10, 0});
    ASSERT_TRUE(helpers.submit(
        [] { throw std::runtime_error("expected by the test"); }, [&] { delivered.set_value(); }
    ));
    delivered.get_future().wait();
}

TEST(HelperThreadsTest, NothingIsDeliveredAfterTheEnd) {
    auto held = std::make_shared<gate>();
    auto begun = std::make_shared<std::promise<void>>();
    auto delivered = std::make_shared<std::atomic<int>>(0);
    helper_threads helpers({"test", 1, 10, 0});
    ASSERT_TRUE(helpers.submit(
        [held, begun] {
            begun->set_value();
            held->opened.wait();
        },
        [delivered] { ++*delivered; }
    ));
    ASSERT_TRUE(helpers.submit([] {}, [delivered] { ++*delivered; }));
    begun->get_future().wait();
    helpers.stop(milliseconds(1));
    EXPECT_FALSE(helpers.submit([] {}, [] {}));
    held->open.set_value();
    helpers.stop();  // it has come to its end now
    EXPECT_EQ(*delivered, 0);
}

}  // namespace
}  // namespace pgweir::server
