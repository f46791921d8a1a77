#include "config/userlist.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace pgweir::config {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

user_list good(std::string_view text) {
    auto parsed = parse_user_list(text, "users");
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed ? std::move(*parsed) : user_list();
}

std::string refusal(std::string_view text) {
    const auto parsed = parse_user_list(text, "users");
    EXPECT_FALSE(parsed) << "this was accepted";
    return parsed ? "" : parsed.error().message;
}

/// The secret of a user, or "(none)" if there is no such user.
std::string secret_of(const user_list& list, std::string_view name) {
    const secret* found = list.find(name);
    return found == nullptr ? "(none)" : std::string(found->view());
}

TEST(UserListTest, UsersAndTheirSecretsAreTaken) {
    const auto list = good(
        "\"ann\" \"plain word\"\n"
        "\"bob\" \"md5d41d8cd98f00b204e9800998ecf8427e\"\n"
        "\"carl\" \"SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy\" the rest \"is ignored\n"
    );
    EXPECT_EQ(list.size(), 3U);
    EXPECT_EQ(secret_of(list, "ann"), "plain word");
    EXPECT_EQ(secret_of(list, "bob"), "md5d41d8cd98f00b204e9800998ecf8427e");
    EXPECT_EQ(secret_of(list, "carl"), "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy");
    EXPECT_EQ(secret_of(list, "dora"), "(none)");
}

TEST(UserListTest, DoubledQuotesAreQuotes) {
    const auto list = good("\"we\"\"ird\" \"\"\"a\"\"\"\n");
    EXPECT_EQ(secret_of(list, "we\"ird"), "\"a\"");
}

TEST(UserListTest, EmptySecretIsASecret) {
    EXPECT_EQ(secret_of(good("\"ann\" \"\"\n"), "ann"), "");
}

TEST(UserListTest, CommentsBlankLinesAndLineEndingsDoNotMatter) {
    const auto list = good("\xEF\xBB\xBF; c\r\n\r\n  \"ann\"\t \"a;b\"\r\n \t\n;\n\"bob\" \"b\"");
    EXPECT_EQ(list.size(), 2U);
    EXPECT_EQ(secret_of(list, "ann"), "a;b");
    EXPECT_EQ(secret_of(list, "bob"), "b");
}

TEST(UserListTest, OneMistakeRefusesTheWholeFileWithItsLine) {
    EXPECT_THAT(refusal("\"ann\" \"a\"\nbob \"b\"\n"), HasSubstr("users:2: expected the user"));
    EXPECT_THAT(refusal("\n\"bob \"b\"\n"), HasSubstr("users:2: "));
    EXPECT_THAT(refusal("\"bob\"\n\"b\"\n"), HasSubstr("users:1: expected the password"));
    EXPECT_THAT(refusal("\"bob\" b\n"), HasSubstr("users:1: expected the password"));
    EXPECT_THAT(refusal("\"bob\" \"b\n"), HasSubstr("the password has no closing quote"));
    EXPECT_THAT(refusal("\"bob\n"), HasSubstr("the user has no closing quote"));
    EXPECT_THAT(refusal("# comment\n"), HasSubstr("a comment begins with ;"));
    EXPECT_THAT(refusal("\"\" \"b\"\n"), HasSubstr("a user name of 0 bytes"));
}

TEST(UserListTest, NulBytesAreRefused) {
    using namespace std::string_literals;
    EXPECT_THAT(refusal("\"ann\" \"a\"\n\"bob\" \"b\0c\"\n"s), HasSubstr("users:2: a NUL byte"));
}

TEST(UserListTest, MessagesNeverShowASecret) {
    for (const std::string_view text :
         {"\"ann\" \"hush", "\"ann\" hush", "\"ann\" 'hush'", "\"ann\" \"hush\"\n\"bob\" hush"}) {
        EXPECT_THAT(refusal(text), Not(HasSubstr("hush"))) << text;
    }
}

TEST(UserListTest, LengthsAreThoseOfPgBouncer) {
    const std::string name(127, 'n');
    const std::string word(65530, 'w');
    EXPECT_EQ(secret_of(good("\"" + name + "\" \"" + word + "\"\n"), name), word);
    EXPECT_THAT(refusal("\"" + name + "n\" \"w\"\n"), HasSubstr("expected 1 to 127"));
    EXPECT_THAT(refusal("\"n\" \"" + word + "w\"\n"), HasSubstr("expected at most 65530"));
}

TEST(UserListTest, LastOfTwoLinesOfAUserIsTakenAndReported) {
    const auto list = good("\"ann\" \"a\"\n\"ann\" \"b\"\n");
    EXPECT_EQ(secret_of(list, "ann"), "b");
    ASSERT_EQ(list.warnings().size(), 1U);
    EXPECT_THAT(
        list.warnings().front().text, HasSubstr("users:2: the user \"ann\" stands here again")
    );
}

TEST(UserListTest, EveryTruncationIsTakenOrRefusedWithItsLine) {
    const std::string text = "; c\n\"ann\" \"a\"\"b\"\r\n\"bob\" \"b\" x\n";
    for (std::size_t length = 0; length < text.size(); ++length) {
        const auto parsed = parse_user_list(std::string_view(text).substr(0, length), "users");
        if (!parsed) {
            EXPECT_EQ(parsed.error().message.substr(0, 6), "users:");
        }
    }
}

class UserListFileTest : public testing::Test {
protected:
    void TearDown() override { fs::remove(path_); }

    result<std::shared_ptr<const user_list>> load_with(std::string_view text, fs::perms rights) {
        std::ofstream(path_) << text;
        fs::permissions(path_, rights);
        return load_user_list(path_);
    }

    // Tests of one program may run side by side.
    const std::string path_ = fs::path(testing::TempDir()) /
                              fmt::format(
                                  "pgweir_userlist_{}_{}",
                                  testing::UnitTest::GetInstance()->current_test_info()->name(),
                                  ::getpid()
                              );
};

TEST_F(UserListFileTest, IsReadFromTheDisk) {
    const auto list = load_with("\"ann\" \"a\"\n", fs::perms::owner_read | fs::perms::owner_write);
    ASSERT_TRUE(list) << list.error().message;
    EXPECT_EQ(secret_of(**list, "ann"), "a");
    EXPECT_THAT((*list)->warnings(), IsEmpty());
}

TEST_F(UserListFileTest, IsReportedWhenEverybodyCanReadIt) {
    const auto list = load_with(
        "\"ann\" \"a\"\n", fs::perms::owner_read | fs::perms::owner_write | fs::perms::others_read
    );
    ASSERT_TRUE(list) << list.error().message;
    ASSERT_EQ((*list)->warnings().size(), 1U);
    EXPECT_THAT((*list)->warnings().front().text, HasSubstr("chmod 640"));
}

TEST_F(UserListFileTest, IsRefusedWithItsNameWhenItIsMissing) {
    EXPECT_EQ(load_user_list(path_).error().message, path_ + ": No such file or directory");
}

}  // namespace
}  // namespace pgweir::config
