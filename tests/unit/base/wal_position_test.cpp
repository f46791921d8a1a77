#include "base/wal_position.hpp"

#include <gtest/gtest.h>

namespace pgweir {
namespace {

TEST(WalPositionTest, PostgreSQLsTextIsReadAndWritten) {
    EXPECT_EQ(read_lsn("16/B374D848"), 0x16'B374D848U);
    EXPECT_EQ(read_lsn("0/0"), 0U);
    EXPECT_EQ(read_lsn("FFFFFFFF/ffffffff"), ~std::uint64_t{0});
    EXPECT_EQ(lsn_text(0x16'B374D848U), "16/B374D848");
    EXPECT_EQ(lsn_text(0x1'00000028U), "1/28");
}

TEST(WalPositionTest, OtherTextIsNone) {
    for (const std::string_view text :
         {"",
          "/",
          "1",
          "1/",
          "/1",
          "1/2/3",
          "-1/2",
          "1/-2",
          "1/123456789",
          "g/1",
          " 1/2",
          "1/2 "}) {
        EXPECT_FALSE(read_lsn(text)) << text;
    }
}

TEST(WalPositionTest, TimelineStandsInFront) {
    const auto found = read_position("12/16/B374D848");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->timeline, 12U);
    EXPECT_EQ(found->lsn, 0x16'B374D848U);
    EXPECT_EQ(position_text(*found), "12/16/B374D848");
    for (const std::string_view text : {"", "0/1/2", "1/2", "x/1/2", "1//2", "4294967296/1/2"}) {
        EXPECT_FALSE(read_position(text)) << text;
    }
}

}  // namespace
}  // namespace pgweir
