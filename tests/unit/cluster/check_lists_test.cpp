#include "cluster/checks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace pgweir::cluster {
namespace {

cluster_settings with_standbys(int count) {
    std::vector<setting_entry> entries{{"cluster", "root", "/srv/pg", "", 0}};
    for (int i = 1; i <= count; ++i) {
        const std::string section = "standby.s" + std::to_string(i);
        entries.push_back({section, "port", std::to_string(5432 + i), "", 0});
    }
    return *settings_from(entries, "/");
}

std::map<std::string, int> groups_of(const std::vector<check>& checks) {
    std::map<std::string, int> groups;
    for (const check& each : checks) {
        ++groups[each.name.substr(0, each.name.find(':'))];
    }
    return groups;
}

TEST(CheckListsTest, ThereAreThirtyHoweverManyStandbysThereAre) {
    const std::map<std::string, int> expected{
        {"primary", 6}, {"standby", 8}, {"replication", 7}, {"pooler", 7}, {"monitoring", 2}};
    for (const int standbys : {1, 2, 5}) {
        EXPECT_EQ(groups_of(all_checks(with_standbys(standbys))), expected);
    }
}

TEST(CheckListsTest, SynchronousReplicationIsLookedAtOnceAllIsSetUp) {
    const auto asks = [](const std::vector<check>& checks) {
        return std::any_of(checks.begin(), checks.end(), [](const check& each) {
            return std::any_of(each.what.begin(), each.what.end(), [](const sight& one) {
                const auto* value = std::get_if<look::server_value>(&one);
                return value != nullptr &&
                       value->statement.find("synchronous_standby_names") != std::string::npos;
            });
        });
    };
    auto cluster = with_standbys(2);
    EXPECT_FALSE(asks(all_checks(cluster)));
    cluster.synchronous = true;
    EXPECT_TRUE(asks(all_checks(cluster)));
    EXPECT_EQ(all_checks(cluster).size(), 30U);
    EXPECT_FALSE(asks(checks_of_new_standby(cluster, cluster.standbys[0])));
}

TEST(CheckListsTest, EachHasANameOfItsOwnAndAHint) {
    std::set<std::string> names;
    for (const check& each : all_checks(with_standbys(2))) {
        EXPECT_TRUE(names.insert(each.name).second) << each.name;
        EXPECT_FALSE(each.hint.empty()) << each.name;
        EXPECT_FALSE(each.what.empty()) << each.name;
    }
}

TEST(CheckListsTest, EachStandbyIsLookedAt) {
    for (const check& each : standby_checks(with_standbys(3), with_standbys(3).standbys)) {
        EXPECT_EQ(each.what.size(), 3U) << each.name;
    }
}

TEST(CheckListsTest, WhateverWritesOrFillsThePoolIsAnExercise) {
    for (const check& each : all_checks(with_standbys(1))) {
        const bool harmless =
            std::none_of(each.what.begin(), each.what.end(), [](const sight& one) {
                return std::holds_alternative<look::rows_arrive>(one) ||
                       std::holds_alternative<look::pool_is_bounded>(one) ||
                       std::holds_alternative<look::reserve_is_late>(one);
            });
        EXPECT_EQ(harmless, each.effort == check_effort::look) << each.name;
    }
}

TEST(CheckListsTest, WithoutAPoolerItsChecksDoNotApply) {
    auto cluster = with_standbys(1);
    for (const bool exists : {true, false}) {
        cluster.pooler.host = exists ? "127.0.0.1" : "";
        for (const check& each : all_checks(cluster)) {
            EXPECT_EQ(each.applies, exists || each.name.rfind("pooler: ", 0) != 0) << each.name;
        }
    }
}

TEST(CheckListsTest, ANewStandbyIsLookedAtAlone) {
    const auto cluster = with_standbys(2);
    const auto checks = checks_of_new_standby(cluster, cluster.standbys[1]);
    EXPECT_EQ(checks.size(), 10U);
    for (const check& each : checks) {
        EXPECT_EQ(each.what.size(), 1U) << each.name;
    }
}

}  // namespace
}  // namespace pgweir::cluster
