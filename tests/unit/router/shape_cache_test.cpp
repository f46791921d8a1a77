#include "router/shape_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace pgweir::router {
namespace {

constexpr judgement a_read{true, reason::read, false};
constexpr judgement a_write{false, reason::writes, false};

bool same(const judgement& one, const judgement& other) {
    return one.read == other.read && one.why == other.why && one.harmless == other.harmless;
}

TEST(ShapeCacheTest, FindsWhatWasStored) {
    shape_cache cache(100);
    EXPECT_FALSE(cache.find({1, 2}));
    for (const reason why : {reason::read, reason::writes, reason::refused, reason::transaction}) {
        for (const bool harmless : {false, true}) {
            const judgement verdict{why == reason::read, why, harmless};
            cache.store({1, 2}, verdict);
            const auto found = cache.find({1, 2});
            ASSERT_TRUE(found);
            EXPECT_TRUE(same(*found, verdict));
        }
    }
    EXPECT_FALSE(cache.find({1, 3}));
    EXPECT_FALSE(cache.find({2, 2}));
}

TEST(ShapeCacheTest, AShapeOfZerosIsLikeAnyOther) {
    shape_cache cache(100);
    EXPECT_FALSE(cache.find({0, 0}));
    cache.store({0, 0}, a_write);
    EXPECT_TRUE(cache.find({0, 0}));
}

TEST(ShapeCacheTest, AddKeepsWhatIsThere) {
    shape_cache cache(100);
    EXPECT_TRUE(cache.add({1, 2}, a_read));
    EXPECT_FALSE(cache.add({1, 2}, a_write));
    EXPECT_TRUE(same(*cache.find({1, 2}), a_read));
}

TEST(ShapeCacheTest, HoldsNoMoreThanItsPlaces) {
    shape_cache cache(1000);
    EXPECT_GE(cache.places(), 1000U);
    EXPECT_LE(cache.bytes(), cache.places() * 26);
    std::mt19937_64 random(1);
    std::vector<shape> shapes;
    for (int i = 0; i < 20'000; i++) {
        shapes.push_back({random(), random()});
        cache.store(shapes.back(), a_read);
        ASSERT_TRUE(cache.find(shapes.back()));
    }
    std::size_t found = 0;
    for (const shape& one : shapes) {
        found += cache.find(one) ? 1 : 0;
    }
    EXPECT_LE(found, cache.places());
    EXPECT_GT(found, cache.places() / 2);
}

TEST(ShapeCacheTest, WhatIsLookedUpStaysWhileOthersPass) {
    shape_cache cache(1);
    const std::vector<shape> kept = {{1, 1}, {2, 2}, {3, 3}, {4, 4}};
    for (const shape& one : kept) {
        cache.store(one, a_read);
        cache.find(one);
    }
    for (std::uint64_t i = 100; i < 200; i++) {
        cache.store({i, i}, a_write);
    }
    for (const shape& one : kept) {
        EXPECT_TRUE(cache.find(one)) << one.high;
    }
}

TEST(ShapeCacheTest, WhatWasUsedOnceGivesWayInTheEnd) {
    shape_cache cache(1);
    for (std::uint64_t i = 1; i <= 5; i++) {
        cache.store({i, i}, a_read);
        cache.find({i, i});
    }
    for (std::uint64_t i = 100; i < 200; i++) {
        cache.store({i, i}, a_write);
        cache.find({i, i});
    }
    for (std::uint64_t i = 1; i <= 5; i++) {
        EXPECT_FALSE(cache.find({i, i})) << i;
    }
}

/// A verdict that is found is the one that belongs to the shape, whatever others write meanwhile.
TEST(ShapeCacheTest, ThreadsNeverSeeAnothersVerdict) {
    shape_cache cache(20);
    const auto verdict_of = [](std::uint64_t number) { return number % 2 == 0 ? a_read : a_write; };
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (unsigned seed = 0; seed < 4; seed++) {
        threads.emplace_back([&, seed] {
            std::mt19937_64 random(seed);
            for (int i = 0; i < 100'000; i++) {
                const std::uint64_t number = random() % 64;
                const shape what{number * 0x9e3779b97f4a7c15, number * 0xc2b2ae3d27d4eb4f};
                if (i % 3 == 0) {
                    cache.store(what, verdict_of(number));
                } else if (const auto found = cache.find(what)) {
                    wrong += same(*found, verdict_of(number)) ? 0 : 1;
                }
            }
        });
    }
    for (std::thread& one : threads) {
        one.join();
    }
    EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace pgweir::router
