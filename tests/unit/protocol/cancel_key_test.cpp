#include "protocol/cancel_key.hpp"

#include <gtest/gtest.h>

namespace pgweir::protocol {
namespace {

constexpr std::uint64_t all_ones = ~std::uint64_t{0};

TEST(CancelKeyTest, SaysWhichWorkerItLeadsTo) {
    EXPECT_EQ(make_cancel_key(all_ones, 0x12, 0), 0x7fffff12ffffffffU);
    EXPECT_EQ(worker_of_key(make_cancel_key(0, 255, 0)), 255);
}

TEST(CancelKeyTest, SaysWhichPeerItLeadsToAsPgBouncerDoes) {
    EXPECT_EQ(make_cancel_key(all_ones, 0, 0x2345), 0x7f452300ffffffffU);
    EXPECT_EQ(make_cancel_key(0, 1, 0x2345), 0x0045230100000003U);
    EXPECT_EQ(peer_of_key(make_cancel_key(all_ones, 7, highest_peer_of_keys)), 16383);
}

TEST(CancelKeyTest, IsPassedOnThreeTimesAndStaysTheSame) {
    const std::uint64_t made = make_cancel_key(0x1234567890abcdef, 3, 2);
    std::uint64_t key = made;
    for (int left = 3; left > 0; left--) {
        EXPECT_EQ(passes_left(key), left);
        EXPECT_EQ(original_key(key), made);
        EXPECT_EQ(peer_of_key(key), 2);
        key = passed_on(key);
    }
    EXPECT_EQ(passes_left(key), 0);
}

}  // namespace
}  // namespace pgweir::protocol
