#include "auth/scram_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace pgweir::auth {
namespace {

bool same(const scram_keys& a, const scram_keys& b) {
    return a.client_key == b.client_key && a.server_key == b.server_key;
}

TEST(ScramClientCacheTest, GivesTheKeysOfExactlyWhatIsAsked) {
    scram_client_cache cache;
    // Twice each, so that the second of each is asked with another one in the cache, too.
    for (int round = 0; round < 2; round++) {
        for (const char* password : {"one", "two"}) {
            for (const char* salt : {"salt", "Salt"}) {
                for (int iterations : {2, 3}) {
                    const auto keys = cache.keys("user", secret(password), salt, iterations);
                    const auto again = cache.keys("user", secret(password), salt, iterations);
                    EXPECT_TRUE(same(keys, derive_scram_keys(password, salt, iterations)));
                    EXPECT_TRUE(same(keys, again));
                }
            }
        }
    }
    EXPECT_EQ(cache.size(), 1u);
}

TEST(ScramClientCacheTest, IsBoundedAndDropsTheLongestUnused) {
    scram_client_cache cache(2);
    cache.keys("a", secret("x"), "salt", 1);
    cache.keys("b", secret("x"), "salt", 1);
    cache.keys("a", secret("x"), "salt", 1);
    cache.keys("c", secret("x"), "salt", 1);
    EXPECT_EQ(cache.size(), 2u);
}

TEST(UserCacheTest, DropsTheLongestUnused) {
    detail::user_cache<int> cache(2);
    cache.put("a", 1);
    cache.put("b", 2);
    ASSERT_NE(cache.find("a"), nullptr);
    cache.put("c", 3);
    EXPECT_EQ(cache.find("b"), nullptr);
    ASSERT_NE(cache.find("a"), nullptr);
    EXPECT_EQ(*cache.find("a"), 1);
    EXPECT_EQ(*cache.find("c"), 3);
    cache.put("c", 4);
    EXPECT_EQ(*cache.find("c"), 4);
    EXPECT_EQ(cache.size(), 2u);
}

TEST(UserCacheTest, OfNoSizeKeepsNothing) {
    detail::user_cache<int> cache(0);
    cache.put("a", 1);
    EXPECT_EQ(cache.find("a"), nullptr);
    EXPECT_EQ(cache.size(), 0u);
}

TEST(ScramVerifierCacheTest, VerifiesThePasswordAndFollowsItsChange) {
    scram_verifier_cache cache;
    const auto first = cache.verifier("user", secret("one"), 2);
    EXPECT_TRUE(password_matches(first, "one"));
    const auto changed = cache.verifier("user", secret("two"), 2);
    EXPECT_TRUE(password_matches(changed, "two"));
    EXPECT_FALSE(password_matches(changed, "one"));
    EXPECT_EQ(cache.verifier("user", secret("two"), 3).iterations, 3);
    EXPECT_EQ(cache.size(), 1u);
}

TEST(ScramVerifierCacheTest, ComputesAPasswordOnce) {
    scram_verifier_cache cache;
    const auto first = cache.verifier("user", secret("one"), 1'000'000);
    // A million iterations take long enough for a thousand of them to run into the test's limit of
    // time.
    for (int i = 0; i < 1000; i++) {
        const auto again = cache.verifier("user", secret("one"), 1'000'000);
        ASSERT_EQ(format_scram_secret(again), format_scram_secret(first));
    }
}

TEST(ScramVerifierCacheTest, UserShowsTheSameSaltWithAndWithoutAPassword) {
    scram_verifier_cache cache("key");
    EXPECT_EQ(cache.verifier("user", secret("one"), 2).salt, cache.mock("user", 2).salt);
    EXPECT_EQ(cache.verifier("user", secret("two"), 2).salt, cache.mock("user", 2).salt);
    EXPECT_NE(cache.mock("user", 2).salt, cache.mock("other", 2).salt);
    EXPECT_NE(cache.mock("user", 2).salt, scram_verifier_cache("KEY").mock("user", 2).salt);
    EXPECT_EQ(cache.size(), 1u);
}

TEST(ScramCacheTest, ServesManyThreads) {
    scram_client_cache keys(3);
    scram_verifier_cache verifiers("key", 3);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 200; i++) {
                const std::string user = "user" + std::to_string((i + t) % 5);
                const secret password("password of " + user);
                const auto found = keys.keys(user, password, "salt", 2);
                wrong += !same(found, derive_scram_keys(password.view(), "salt", 2));
                wrong += !password_matches(verifiers.verifier(user, password, 2), password.view());
            }
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_LE(keys.size(), 3u);
    EXPECT_LE(verifiers.size(), 3u);
}

}  // namespace
}  // namespace pgweir::auth
