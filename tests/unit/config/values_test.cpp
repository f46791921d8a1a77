#include "config/values.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace pgweir::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int most = std::numeric_limits<int>::max();

TEST(ValuesTest, NumbersAreReadWithTheBaseTheyShow) {
    EXPECT_EQ(parse_number("42", 0, most).value(), 42);
    EXPECT_EQ(parse_number("+42", 0, most).value(), 42);
    EXPECT_EQ(parse_number("-42", -100, most).value(), -42);
    EXPECT_EQ(parse_number("0777", 0, most).value(), 0777);
    EXPECT_EQ(parse_number("0x1F", 0, most).value(), 31);
    EXPECT_EQ(parse_number("0", 0, most).value(), 0);
    EXPECT_EQ(parse_number("2147483647", 0, most).value(), most);
}

TEST(ValuesTest, WhatIsNoNumberIsRefused) {
    for (const std::string_view text :
         {"",
          " ",
          "x",
          "1x",
          "1 2",
          "08",
          "0x",
          "0xg",
          "--1",
          "-",
          "+",
          "+-1",
          "1.5",
          "1s",
          "on",
          "99999999999999999999",
          "2147483648"}) {
        EXPECT_FALSE(parse_number(text, std::numeric_limits<int>::min(), most)) << text;
    }
}

TEST(ValuesTest, NumberOutOfRangeSaysTheRange) {
    EXPECT_THAT(
        parse_number("70000", 1, 65535).error().message,
        HasSubstr("bad value \"70000\", expected a whole number from 1 to 65535")
    );
    EXPECT_THAT(parse_number("-1", 0, most).error().message, HasSubstr("0 or more"));
}

TEST(ValuesTest, FlagsAreNumbers) {
    EXPECT_TRUE(parse_flag("1").value());
    EXPECT_TRUE(parse_flag("2").value());
    EXPECT_FALSE(parse_flag("0").value());
    for (const std::string_view text : {"yes", "on", "true", ""}) {
        EXPECT_THAT(parse_flag(text).error().message, HasSubstr("expected 0 or 1")) << text;
    }
}

TEST(ValuesTest, SizesHaveUnitsOrNone) {
    EXPECT_EQ(parse_size("0").value(), 0);
    EXPECT_EQ(parse_size("4096").value(), 4096);
    EXPECT_EQ(parse_size("7B").value(), 7);
    EXPECT_EQ(parse_size("3kB").value(), 3 * 1024);
    EXPECT_EQ(parse_size("10MB").value(), 10 * 1024 * 1024);
    EXPECT_EQ(parse_size("10 mb").value(), 10 * 1024 * 1024);
    EXPECT_EQ(parse_size("2GB").value(), std::int64_t{2} << 30);
    EXPECT_EQ(parse_size("8388607TB").value(), std::int64_t{8388607} << 40);
}

TEST(ValuesTest, WhatIsNoSizeIsRefused) {
    for (const std::string_view text :
         {"",
          "MB",
          "-1",
          "+1",
          "1.5MB",
          "1 M",
          "1MBs",
          "1 MB ",
          "0x10",
          "8388608TB",
          "9223372036854775808"}) {
        EXPECT_THAT(parse_size(text).error().message, HasSubstr("expected bytes")) << text;
    }
}

TEST(ValuesTest, SizesAreShownInTheLargestUnitWithoutARest) {
    EXPECT_EQ(show_size(0), "0");
    EXPECT_EQ(show_size(7), "7");
    EXPECT_EQ(show_size(1024), "1kB");
    EXPECT_EQ(show_size(1025), "1025");
    EXPECT_EQ(show_size(10 * 1024 * 1024), "10MB");
    EXPECT_EQ(show_size(std::int64_t{3} << 40), "3TB");
}

TEST(ValuesTest, SecondsMayHaveFractions) {
    EXPECT_EQ(parse_seconds("15").value(), seconds(15));
    EXPECT_EQ(parse_seconds("0.5").value(), milliseconds(500));
    EXPECT_EQ(parse_seconds("1e3").value(), seconds(1000));
    EXPECT_EQ(parse_seconds("0.000001").value(), microseconds(1));
    EXPECT_EQ(parse_seconds("0").value(), microseconds(0));
}

TEST(ValuesTest, WhatIsNoTimeIsRefused) {
    for (const std::string_view text :
         {"", "-1", "-0.0", "15s", "1 min", "nan", "inf", "1e300", "x", "5000000000", "++1"}) {
        EXPECT_THAT(parse_seconds(text).error().message, HasSubstr("expected seconds")) << text;
    }
}

TEST(ValuesTest, WholeSecondsHaveNoFraction) {
    EXPECT_EQ(parse_whole_seconds("60", 0).value(), seconds(60));
    EXPECT_FALSE(parse_whole_seconds("0.5", 0));
    EXPECT_FALSE(parse_whole_seconds("0", 1));
}

TEST(ValuesTest, TimesArePrintedInSecondsAndReadBack) {
    EXPECT_EQ(show_seconds(seconds(3600)), "3600");
    EXPECT_EQ(show_seconds(milliseconds(500)), "0.5");
    EXPECT_EQ(show_seconds(microseconds(1)), "0.000001");
    EXPECT_EQ(show_seconds(microseconds(1500010)), "1.50001");
    EXPECT_EQ(show_seconds(seconds(4000000000)), "4000000000");
    for (const std::int64_t count : {0, 1, 999999, 1000000}) {
        const microseconds time(count);
        EXPECT_EQ(parse_seconds(show_seconds(time)).value(), time);
    }
}

TEST(ValuesTest, ListsAreSplitAtTheirSeparators) {
    EXPECT_THAT(split("a, b ,,c d,", ","), ElementsAre("a", "b", "c d"));
    EXPECT_THAT(split("a, b ,,c d,", ", \t"), ElementsAre("a", "b", "c", "d"));
    EXPECT_THAT(split("", ","), IsEmpty());
    EXPECT_THAT(split(" , ", ","), IsEmpty());
    EXPECT_EQ(show_list({"a", "b c"}), "a, b c");
}

TEST(ValuesTest, WordsAreFoundInAnyCase) {
    EXPECT_EQ(parse_word<pool_mode>("Transaction").value(), pool_mode::transaction);
    EXPECT_EQ(parse_word<auth_type>("SCRAM-SHA-256").value(), auth_type::scram_sha_256);
    EXPECT_EQ(
        parse_word<pool_mode>("transactions").error().message,
        "bad value \"transactions\", expected one of session, transaction, statement"
    );
}

TEST(ValuesTest, EveryWordIsReadBack) {
    for (const auto& [word, mode] : words<tls_mode>::list) {
        EXPECT_EQ(parse_word<tls_mode>(word_of(mode)).value(), mode);
    }
    for (const auto& [word, type] : words<auth_type>::list) {
        EXPECT_EQ(parse_word<auth_type>(word_of(type)).value(), type);
    }
}

TEST(ValuesTest, LongBadValueIsCutInTheMessage) {
    EXPECT_LT(bad_value(std::string(10000, 'x'), "less").message.size(), 150U);
}

}  // namespace
}  // namespace pgweir::config
