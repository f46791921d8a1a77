#include "cluster/files.hpp"

#include <gtest/gtest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace pgweir::cluster {
namespace {

namespace fs = std::filesystem;

class FilesTest : public testing::Test {
protected:
    FilesTest() {
        std::string name = testing::TempDir() + "pgweir-files-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }

    ~FilesTest() override { fs::remove_all(folder_); }

    std::string content(const fs::path& path) {
        const auto text = read_text(path);
        return text && *text ? **text : "(nothing)";
    }

    fs::path folder_;
};

TEST_F(FilesTest, WritingIsExactInTextAndMode) {
    const auto path = folder_ / "file";
    ASSERT_TRUE(write_text(path, "secret\n", 0600));
    EXPECT_EQ(content(path), "secret\n");
    EXPECT_EQ(mode_of(path), 0600U);
    ASSERT_TRUE(write_text(path, "", 0640));
    EXPECT_EQ(content(path), "");
    EXPECT_EQ(mode_of(path), 0640U);
}

TEST_F(FilesTest, WritingLeavesNoOtherFile) {
    ASSERT_TRUE(write_text(folder_ / "file", "x", 0600));
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(FilesTest, WritingReplacesALinkInsteadOfFollowingIt) {
    ASSERT_TRUE(write_text(folder_ / "target", "old", 0644));
    fs::create_symlink(folder_ / "target", folder_ / "link");
    ASSERT_TRUE(write_text(folder_ / "link", "new", 0600));
    EXPECT_EQ(content(folder_ / "target"), "old");
    EXPECT_FALSE(fs::is_symlink(folder_ / "link"));
}

TEST_F(FilesTest, AFolderThatIsMissingIsNamed) {
    const auto written = write_text(folder_ / "no" / "file", "x", 0600);
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().message.find("no/file"), std::string::npos);
}

TEST_F(FilesTest, BackupsAreNumberedAndNeverOverwritten) {
    const auto path = folder_ / "pg_hba.conf";
    for (const char* text : {"one", "two", "three"}) {
        ASSERT_TRUE(write_text(path, text, 0640));
        const auto copy = back_up(path);
        ASSERT_TRUE(copy && *copy);
        EXPECT_EQ(mode_of(**copy), 0640U);
    }
    EXPECT_EQ(content(folder_ / "pg_hba.conf.backup"), "one");
    EXPECT_EQ(content(folder_ / "pg_hba.conf.2.backup"), "two");
    EXPECT_EQ(content(folder_ / "pg_hba.conf.3.backup"), "three");
}

TEST_F(FilesTest, NothingIsBackedUpWhenNothingIsThere) {
    const auto copy = back_up(folder_ / "none");
    ASSERT_TRUE(copy);
    EXPECT_FALSE(*copy);
    EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(FilesTest, SetAsideKeepsWhatWasThereUnderAnotherName) {
    const auto data = folder_ / "standby1";
    for (const char* name : {"standby1.backup", "standby1.2.backup"}) {
        ASSERT_TRUE(make_directories(data, 0700));
        ASSERT_TRUE(write_text(data / "name", name, 0600));
        const auto moved = set_aside(data);
        ASSERT_TRUE(moved);
        EXPECT_EQ(*moved, folder_ / name);
        EXPECT_FALSE(fs::exists(data));
        EXPECT_EQ(content(folder_ / name / "name"), name);
    }
}

TEST_F(FilesTest, DirectoriesGetTheirModeWhateverTheyHad) {
    const auto path = folder_ / "a" / "b";
    ASSERT_TRUE(make_directories(path, 0700));
    EXPECT_EQ(mode_of(path), 0700U);
    ASSERT_TRUE(make_directories(path, 0755));
    EXPECT_EQ(mode_of(path), 0755U);
}

TEST_F(FilesTest, AFileInTheWayOfADirectoryIsAFailure) {
    ASSERT_TRUE(write_text(folder_ / "file", "x", 0600));
    const auto made = make_directories(folder_ / "file", 0700);
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find("in the way"), std::string::npos);
    EXPECT_EQ(content(folder_ / "file"), "x");
}

TEST_F(FilesTest, VacantIsNothingOrEmpty) {
    EXPECT_TRUE(is_vacant(folder_ / "none"));
    EXPECT_TRUE(is_vacant(folder_));
    ASSERT_TRUE(write_text(folder_ / "file", "", 0600));
    EXPECT_FALSE(is_vacant(folder_));
    EXPECT_FALSE(is_vacant(folder_ / "file"));
}

}  // namespace
}  // namespace pgweir::cluster
