#include "base/error.hpp"
#include "base/log.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace pgweir {
namespace {

// Secrets

/// True if none of the bytes that a string has room for is left of what it held.
bool all_zero(const char* memory, std::size_t size) {
    return std::all_of(memory, memory + size, [](char c) { return c == 0; });
}

TEST(SecretTest, WipeLeavesNothingInTheMemoryOfTheString) {
    std::string text(200, 'x');
    const std::size_t room = text.capacity();
    wipe(text);
    EXPECT_TRUE(text.empty());
    ASSERT_EQ(text.capacity(), room);
    text.resize(room);  // does not move it
    EXPECT_TRUE(all_zero(text.data(), room));
}

TEST(SecretTest, WipeReachesWhatACutStringStillHolds) {
    std::string text(200, 'x');
    text.resize(3);
    wipe(text);
    text.resize(200);
    EXPECT_TRUE(all_zero(text.data(), 200));
}

TEST(SecretTest, MovedFromIsEmptyAndWiped) {
    secret from("short");
    secret to(std::move(from));
    EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): this is what is tested
    EXPECT_EQ(to.view(), "short");
    secret assigned("another");
    assigned = std::move(to);
    EXPECT_TRUE(to.empty());  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(assigned.view(), "short");
}

TEST(SecretTest, AssignmentCopiesAndSurvivesItself) {
    secret a("one");
    secret b("two");
    b = a;
    EXPECT_EQ(b.view(), "one");
    EXPECT_EQ(a.view(), "one");
    secret& same = b;
    b = same;
    EXPECT_EQ(b.view(), "one");
    b = std::move(same);
    EXPECT_EQ(b.view(), "one");
}

TEST(SecretTest, IsEqualOnlyToTheSameBytes) {
    EXPECT_TRUE(secret("abc") == secret("abc"));
    EXPECT_TRUE(secret() == secret(""));
    for (const char* other : {"", "ab", "abcd", "abd", "Abc"}) {
        EXPECT_FALSE(secret("abc") == secret(other)) << other;
    }
    EXPECT_FALSE(equal_in_constant_time(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
    EXPECT_FALSE(equal_in_constant_time("\x80", std::string_view("\0", 1)));
}

TEST(SecretTest, IsNoStringByAccident) {
    EXPECT_FALSE((std::is_convertible_v<secret, std::string_view>));
    EXPECT_FALSE((std::is_convertible_v<std::string_view, secret>));
    EXPECT_FALSE(fmt::is_formattable<secret>::value);
}

// Errors

std::vector<errc> all_codes() {
    std::vector<errc> all;
    for (int i = 0; i <= static_cast<int>(errc::out_of_memory); i++) {
        all.push_back(static_cast<errc>(i));
    }
    return all;
}

TEST(ErrorTest, EveryCodeHasASqlstateAndAText) {
    for (const errc code : all_codes()) {
        const error_text& text = text_of(code);
        EXPECT_EQ(text.sqlstate.size(), 5U) << text.message;
        EXPECT_TRUE(std::all_of(text.sqlstate.begin(), text.sqlstate.end(), [](unsigned char c) {
            return std::isdigit(c) != 0 || std::isupper(c) != 0;
        })) << text.sqlstate;
        EXPECT_FALSE(text.message.empty());
        EXPECT_NE(text.sqlstate.substr(0, 2), "00");
    }
}

TEST(ErrorTest, NoTextStandsForTwoReasons) {
    std::set<std::string_view> texts;
    for (const errc code : all_codes()) {
        EXPECT_TRUE(texts.insert(text_of(code).message).second) << text_of(code).message;
    }
}

TEST(ErrorTest, CodesThatDriversActOnAreTheRightOnes) {
    EXPECT_EQ(text_of(errc::no_such_database).sqlstate, "3D000");
    EXPECT_EQ(text_of(errc::wrong_password).sqlstate, "28P01");
    EXPECT_EQ(text_of(errc::wrong_scram).sqlstate, "28P01");
    EXPECT_EQ(text_of(errc::too_many_clients).sqlstate, "53300");
    EXPECT_EQ(text_of(errc::shutting_down).sqlstate, "57P03");
    EXPECT_EQ(text_of(errc::admin_disconnect).sqlstate, "57P01");
    EXPECT_EQ(text_of(errc::server_lost).sqlstate, "08006");
    EXPECT_EQ(text_of(errc::query_timeout).sqlstate, "57014");
    EXPECT_EQ(text_of(errc::out_of_memory).sqlstate, "53200");
}

TEST(ErrorTest, ValueOfAFailureThrowsItsMessage) {
    const result<int> bad = failure{"a.ini:3: no such key"};
    try {
        static_cast<void>(bad.value());
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "a.ini:3: no such key");
    }
}

// The log

class LogTest : public testing::Test, public log::sink {
protected:
    LogTest() : before_(log::install(this)) {}

    ~LogTest() override {
        log::set_threshold(log::level::info);
        log::install(before_);
    }

    void write(log::level at, std::string_view line) noexcept override {
        lines.emplace_back(at, line);
    }

    std::vector<std::pair<log::level, std::string>> lines;

private:
    log::sink* before_;
};

TEST_F(LogTest, LinesGoToTheSinkWithTheirLevel) {
    log::info("a {}", 1);
    log::warning("b {:>3}", "x");
    log::error("c");
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0], std::pair(log::level::info, std::string("a 1")));
    EXPECT_EQ(lines[1], std::pair(log::level::warning, std::string("b   x")));
    EXPECT_EQ(lines[2], std::pair(log::level::error, std::string("c")));
}

TEST_F(LogTest, LinesBelowTheThresholdAreLeftOut) {
    log::set_threshold(log::level::warning);
    log::debug("no");
    log::info("no");
    log::warning("yes");
    EXPECT_FALSE(log::enabled(log::level::info));
    EXPECT_TRUE(log::enabled(log::level::warning));
    log::set_threshold(log::level::trace);
    log::trace("now");
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[1].first, log::level::trace);
}

TEST_F(LogTest, LineStaysOneLineWhateverIsInIt) {
    log::info("user {}", std::string_view("a\nb\x1b[2J\x7f\xc3\xa4"));
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].second, "user a\\x0ab\\x1b[2J\\x7f\xc3\xa4");
}

TEST_F(LogTest, InstallGivesTheSinkBefore) {
    EXPECT_EQ(log::install(this), this);
}

}  // namespace
}  // namespace pgweir
