#include "config/connection_string.hpp"

#include <gmock/gmock.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

using pairs = std::vector<std::pair<std::string, std::string>>;

pairs good(std::string_view text) {
    pairs found;
    const auto parsed = parse_connection_string(
        text,
        [&](std::string_view key, std::string_view value) -> result<void> {
            found.emplace_back(key, value);
            return {};
        }
    );
    EXPECT_TRUE(parsed) << parsed.error().message;
    return found;
}

std::string refusal(std::string_view text) {
    const auto parsed = parse_connection_string(text, [](auto, auto) { return result<void>(); });
    EXPECT_FALSE(parsed) << text;
    return parsed ? "" : parsed.error().message;
}

TEST(ConnectionStringTest, PairsComeInOrder) {
    EXPECT_THAT(
        good("host=a port=1 host=b"),
        ElementsAre(Pair("host", "a"), Pair("port", "1"), Pair("host", "b"))
    );
}

TEST(ConnectionStringTest, NothingIsNoPairs) {
    EXPECT_TRUE(good("").empty());
    EXPECT_TRUE(good("  \t ").empty());
}

TEST(ConnectionStringTest, BlanksMayStandAroundTheEqualsSign) {
    EXPECT_THAT(good("  host \t=  a   port=1 "), ElementsAre(Pair("host", "a"), Pair("port", "1")));
}

TEST(ConnectionStringTest, QuotedValueMayHoldBlanksQuotesAndSigns) {
    EXPECT_THAT(
        good("password='it''s a \t;#=\"secret' x=''''"),
        ElementsAre(Pair("password", "it's a \t;#=\"secret"), Pair("x", "'"))
    );
}

TEST(ConnectionStringTest, UnquotedValueEndsAtABlankOnly) {
    EXPECT_THAT(
        good("password=a;b#c=d'e\"f user=x"),
        ElementsAre(Pair("password", "a;b#c=d'e\"f"), Pair("user", "x"))
    );
}

TEST(ConnectionStringTest, EmptyValuesAreRefused) {
    EXPECT_THAT(refusal("host="), HasSubstr("\"host\" has no value"));
    EXPECT_THAT(refusal("host=   "), HasSubstr("\"host\" has no value"));
    EXPECT_THAT(refusal("host=''"), HasSubstr("\"host\" has an empty value"));
}

TEST(ConnectionStringTest, KeyWithoutEqualsSignIsRefused) {
    EXPECT_THAT(refusal("host"), HasSubstr("expected key=value"));
    EXPECT_THAT(refusal("=a"), HasSubstr("without a key"));
    EXPECT_THAT(refusal("host=a port"), HasSubstr("behind the value of \"host\""));
}

TEST(ConnectionStringTest, OpenQuoteIsRefused) {
    EXPECT_THAT(refusal("host='a"), HasSubstr("no end"));
    EXPECT_THAT(refusal("host='a''"), HasSubstr("no end"));
    EXPECT_THAT(refusal("host='"), HasSubstr("no end"));
}

TEST(ConnectionStringTest, CharacterRightBehindAQuotedValueIsRefusedAndNotSwallowed) {
    EXPECT_THAT(refusal("host='a'port=1"), HasSubstr("expected a blank"));
}

TEST(ConnectionStringTest, TabInAnUnquotedValueIsRefused) {
    EXPECT_THAT(refusal("host=a\tport=1"), HasSubstr("a tab in the value of \"host\""));
}

TEST(ConnectionStringTest, MessagesNeverShowAPassword) {
    for (const std::string_view text :
         {"password=hush hush",
          "password='hush hush",
          "password='hush'hush",
          "password=hu\thush"}) {
        EXPECT_THAT(refusal(text), Not(HasSubstr("hush"))) << text;
    }
}

TEST(ConnectionStringTest, RefusalOfTheTakerEndsTheParsing) {
    int taken = 0;
    const auto parsed = parse_connection_string("a=1 b=2 c=3", [&](auto key, auto) -> result<void> {
        ++taken;
        return key == "b" ? result<void>(failure{"no b"}) : result<void>();
    });
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().message, "no b");
    EXPECT_EQ(taken, 2);
}

}  // namespace
}  // namespace pgweir::config
