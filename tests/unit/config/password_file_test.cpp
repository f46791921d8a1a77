#include "config/password_file.hpp"

#include <gmock/gmock.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <string_view>

namespace pgweir::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class PasswordFileTest : public testing::Test {
protected:
    PasswordFileTest() { path_ = testing::TempDir() + "password-" + std::to_string(::getpid()); }

    ~PasswordFileTest() override { ::unlink(path_.c_str()); }

    result<password_file> load(std::string_view text, mode_t mode = 0600) {
        std::ofstream(path_, std::ios::trunc) << text;
        ::chmod(path_.c_str(), mode);
        return load_password_file(path_);
    }

    std::string path_;
};

TEST_F(PasswordFileTest, EndOfTheLineIsTheFiles) {
    for (const std::string_view text : {"a b'c", "a b'c\n", "a b'c\r\n"}) {
        const auto loaded = load(text);
        ASSERT_TRUE(loaded) << loaded.error().message;
        EXPECT_EQ(loaded->password.view(), "a b'c");
        EXPECT_THAT(loaded->warnings, IsEmpty());
    }
}

TEST_F(PasswordFileTest, BlanksAreThePasswords) {
    EXPECT_EQ(load(" x \n")->password.view(), " x ");
}

TEST_F(PasswordFileTest, EmptyFileIsRefused) {
    for (const std::string_view text : {"", "\n"}) {
        EXPECT_THAT(load(text).error().message, HasSubstr("expected a password"));
    }
}

TEST_F(PasswordFileTest, SecondLineIsRefusedWithoutShowingTheFirst) {
    for (const std::string_view text :
         {std::string_view("hush\nmore\n"), std::string_view("hush\0more", 9)}) {
        const std::string message = load(text).error().message;
        EXPECT_THAT(message, HasSubstr("expected one line"));
        EXPECT_THAT(message, Not(HasSubstr("hush")));
    }
}

TEST_F(PasswordFileTest, FileForEverybodyIsWarnedOf) {
    const auto loaded = load("hush\n", 0644);
    ASSERT_TRUE(loaded);
    ASSERT_EQ(loaded->warnings.size(), 1U);
    EXPECT_THAT(loaded->warnings[0].text, HasSubstr("chmod 640"));
}

TEST_F(PasswordFileTest, MissingFileIsNamed) {
    EXPECT_THAT(
        load_password_file(path_ + ".none").error().message,
        HasSubstr(path_ + ".none: No such file")
    );
}

}  // namespace
}  // namespace pgweir::config
