#include "cluster/programs.hpp"

#include "cluster/files.hpp"

#include <gtest/gtest.h>

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <string>

namespace pgweir::cluster {
namespace {

namespace fs = std::filesystem;

TEST(MajorTest, TheFirstNumberOfTheVersionCounts) {
    EXPECT_EQ(major_in("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"), 15);
    EXPECT_EQ(major_in("17\n"), 17);
    EXPECT_EQ(major_in("postgres (PostgreSQL) 18beta1"), 18);
    EXPECT_EQ(major_in("no version"), 0);
    EXPECT_EQ(major_in(""), 0);
}

TEST(ChooseBinTest, TheNewestIsTakenForNewData) {
    EXPECT_EQ(choose_bin({{"/a", 14}, {"/b", 16}, {"/c", 15}}, std::nullopt)->folder, "/b");
}

TEST(ChooseBinTest, ExistingDataDecides) {
    EXPECT_EQ(choose_bin({{"/a", 14}, {"/b", 16}, {"/c", 15}}, 15)->folder, "/c");
    EXPECT_FALSE(choose_bin({{"/a", 14}}, 15));
}

TEST(ChooseBinTest, OfEqualVersionsTheFirstOnPathIsTaken) {
    EXPECT_EQ(choose_bin({{"/a", 15}, {"/b", 15}}, std::nullopt)->folder, "/a");
}

TEST(ChooseBinTest, NoCandidateIsNothing) {
    EXPECT_FALSE(choose_bin({}, std::nullopt));
}

class BinFoldersTest : public testing::Test {
protected:
    BinFoldersTest() {
        std::string name = testing::TempDir() + "pgweir-bin-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }

    ~BinFoldersTest() override { fs::remove_all(folder_); }

    void add_programs(unsigned mode) {
        for (const char* name : {"initdb", "pg_ctl", "postgres", "pg_basebackup"}) {
            ASSERT_TRUE(write_text(folder_ / name, "#!/bin/sh\n", mode));
        }
    }

    bool is_found() {
        const auto found = bin_folders("/no/such:" + folder_.string() + "::" + folder_.string());
        return std::count(found.begin(), found.end(), folder_) == 1;
    }

    fs::path folder_;
};

TEST_F(BinFoldersTest, AFolderOnPathWithAllProgramsIsFoundOnce) {
    add_programs(0755);
    EXPECT_TRUE(is_found());
}

TEST_F(BinFoldersTest, AFolderWithoutOneOfThemIsNot) {
    add_programs(0755);
    fs::remove(folder_ / "initdb");
    EXPECT_FALSE(is_found());
}

TEST_F(BinFoldersTest, WhatCannotBeRunDoesNotCount) {
    add_programs(0644);
    EXPECT_FALSE(is_found());
}

TEST_F(BinFoldersTest, TheVersionOfADataDirectoryIsRead) {
    EXPECT_FALSE(major_of_data(folder_));
    ASSERT_TRUE(write_text(folder_ / "PG_VERSION", "15\n", 0600));
    EXPECT_EQ(major_of_data(folder_), 15);
}

}  // namespace
}  // namespace pgweir::cluster
