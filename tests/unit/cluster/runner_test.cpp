#include "cluster/runner.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pgweir::cluster {
namespace {

/// A machine on which a step is so once it was performed; one path can be made to fail.
class pretend_machine final : public action_executor {
public:
    result<bool> is_done(const action& what) override {
        const auto path = path_of(what);
        if (path == unseen) {
            return failure{"cannot see"};
        }
        return made.contains(path);
    }

    result<note> perform(const action& what) override {
        const auto path = path_of(what);
        ++performed;
        if (path == failing) {
            return failure{"it broke"};
        }
        made.insert(path);
        return note{"note on " + path};
    }

    static std::string path_of(const action& what) {
        return std::get<act::make_directory>(what).path.string();
    }

    std::set<std::string> made;
    std::string failing;
    std::string unseen;
    int performed = 0;
};

class RunnerTest : public testing::Test {
protected:
    bool run(run_mode mode = run_mode::real) {
        seen.clear();
        return run_plan(
            steps,
            machine,
            mode,
            [this](const step& each, step_outcome outcome, std::string_view text) {
                seen.emplace_back(each.name + ": " + std::string(to_string(outcome)));
                last_note = text;
            }
        );
    }

    static step directory(const std::string& name) {
        return {name, act::make_directory{name, 0700, act::make_directory::if_there::set_mode}};
    }

    plan steps{directory("a"), directory("b"), directory("c")};
    pretend_machine machine;
    std::vector<std::string> seen;
    std::string last_note;
};

TEST_F(RunnerTest, StepsAreDoneInOrder) {
    EXPECT_TRUE(run());
    EXPECT_EQ(seen, (std::vector<std::string>{"a: done", "b: done", "c: done"}));
    EXPECT_EQ(last_note, "note on c");
}

TEST_F(RunnerTest, TheSecondRunDoesNothing) {
    EXPECT_TRUE(run());
    EXPECT_TRUE(run());
    EXPECT_EQ(seen, (std::vector<std::string>{"a: already so", "b: already so", "c: already so"}));
    EXPECT_EQ(machine.performed, 3);
}

TEST_F(RunnerTest, ADryRunPerformsNothing) {
    machine.made.insert("a");
    machine.unseen = "c";
    EXPECT_TRUE(run(run_mode::dry));
    EXPECT_EQ(seen, (std::vector<std::string>{"a: already so", "b: would do", "c: would do"}));
    EXPECT_EQ(machine.performed, 0);
}

TEST_F(RunnerTest, AFailureAtAnyStepStopsThereAndTheNextRunGoesOn) {
    for (std::size_t at = 0; at < steps.size(); ++at) {
        machine = {};
        machine.failing = steps[at].name;
        EXPECT_FALSE(run());
        ASSERT_EQ(seen.size(), at + 1);
        EXPECT_EQ(seen.back(), steps[at].name + ": failed");
        EXPECT_EQ(last_note, "it broke");
        EXPECT_EQ(machine.made.size(), at);

        machine.failing.clear();
        machine.performed = 0;
        EXPECT_TRUE(run());
        EXPECT_EQ(machine.performed, static_cast<int>(steps.size() - at));
    }
}

TEST_F(RunnerTest, WhatCannotBeSeenIsPerformed) {
    machine.unseen = "b";
    EXPECT_TRUE(run());
    EXPECT_EQ(seen.at(1), "b: done");
}

TEST_F(RunnerTest, AnEmptyPlanIsSo) {
    steps.clear();
    EXPECT_TRUE(run());
    EXPECT_TRUE(seen.empty());
}

}  // namespace
}  // namespace pgweir::cluster
