#include "topology/state_file.hpp"

#include <gmock/gmock.h>

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace pgweir::topology {
namespace {

using testing::HasSubstr;

class StateFileTest : public testing::Test {
protected:
    StateFileTest() { path_ = testing::TempDir() + "topology-" + std::to_string(::getpid()); }

    ~StateFileTest() override {
        ::unlink(path_.c_str());
        ::unlink((path_ + ".new").c_str());
    }

    void write(const std::string& text) { std::ofstream(path_, std::ios::trunc) << text; }

    state_file load() {
        auto loaded = state_file::load(path_);
        if (!loaded) {
            ADD_FAILURE() << loaded.error().message;
            return {};
        }
        return std::move(*loaded);
    }

    std::string path_;
};

const std::vector<std::string> pair{"a:5432", "b:5432"};
const std::vector<std::string> three{"a:5432", "b:5432", "c:5432"};
const std::vector<std::string> others{"x:1", "y:1"};

TEST_F(StateFileTest, FileThatIsNotThereKnowsNothing) {
    EXPECT_EQ(load().recall(pair), memory{});
}

TEST_F(StateFileTest, WhatIsSavedIsLoadedAgain) {
    state_file file = load();
    EXPECT_TRUE(file.remember(pair, {7000, 2}));
    EXPECT_TRUE(file.remember(others, {18446744073709551615U, 4294967295U}));
    ASSERT_TRUE(file.save());
    const state_file again = load();
    EXPECT_EQ(again.recall(pair), (memory{7000, 2}));
    EXPECT_EQ(again.recall(others), (memory{18446744073709551615U, 4294967295U}));
}

TEST_F(StateFileTest, OnlyWhatIsNewChangesIt) {
    state_file file = load();
    EXPECT_TRUE(file.remember(pair, {7000, 2}));
    EXPECT_FALSE(file.remember(pair, {7000, 2}));
    EXPECT_TRUE(file.remember(pair, {7000, 3}));
    EXPECT_EQ(file.recall(pair), (memory{7000, 3}));
}

TEST_F(StateFileTest, ClusterWithOneServerMoreIsStillKnown) {
    state_file file = load();
    file.remember(pair, {7000, 2});
    EXPECT_EQ(file.recall(three), (memory{7000, 2}));
    EXPECT_EQ(file.recall(others), memory{});
}

TEST_F(StateFileTest, CommentsAndEmptyLinesAreSkipped) {
    write("# a comment\n\n7000 2 a:5432,b:5432\n");
    EXPECT_EQ(load().recall(pair), (memory{7000, 2}));
}

TEST_F(StateFileTest, LineThatIsNotUnderstoodIsRefused) {
    for (const std::string line :
         {"7000 2", "7000 x a:1", "-1 2 a:1", "7000 2 a:1 b:1", "seven 2 a:1"}) {
        write(line + "\n");
        const auto loaded = state_file::load(path_);
        ASSERT_FALSE(loaded) << line;
        EXPECT_THAT(loaded.error().message, HasSubstr("\"" + line + "\", expected a system"));
    }
}

TEST_F(StateFileTest, PlaceThatCannotBeWrittenIsNamed) {
    state_file file = *state_file::load("/nonexistent/state");
    file.remember(pair, {7000, 2});
    const auto saved = file.save();
    ASSERT_FALSE(saved);
    EXPECT_THAT(saved.error().message, HasSubstr("topology_state_file: /nonexistent/state"));
}

TEST_F(StateFileTest, WithoutAPathNothingIsWritten) {
    state_file file;
    file.remember(pair, {7000, 2});
    EXPECT_TRUE(file.save());
    EXPECT_EQ(file.recall(pair), (memory{7000, 2}));
}

}  // namespace
}  // namespace pgweir::topology
