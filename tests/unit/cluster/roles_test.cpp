#include "cluster/roles.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::cluster {
namespace {

cluster_settings three_servers() {
    return *settings_from(
        {{"cluster", "root", "/srv/pg", "", 0},
         {"standby.east", "port", "5433", "", 0},
         {"standby.west", "port", "5434", "", 0}},
        "/"
    );
}

role_sighting primary_at(const std::string& name, unsigned timeline) {
    return {name, server_role::primary, timeline, std::nullopt};
}

role_sighting standby_at(const std::string& name) {
    return {name, server_role::standby, 0, std::nullopt};
}

role_sighting silent(const std::string& name, std::optional<server_role> data = std::nullopt) {
    return {name, std::nullopt, 0, data};
}

class RolesTest : public testing::Test {
protected:
    std::string chosen(
        const std::vector<role_sighting>& seen,
        const std::string& remembered = "",
        std::optional<pending_change> pending = std::nullopt
    ) {
        return choose_primary(cluster_, seen, {remembered, std::move(pending)});
    }

    cluster_settings cluster_ = three_servers();
};

TEST_F(RolesTest, TheOneThatAnswersAsPrimaryIsIt) {
    EXPECT_EQ(chosen({standby_at("primary"), primary_at("east", 2)}, "primary"), "east");
}

TEST_F(RolesTest, TheHigherTimelineWins) {
    EXPECT_EQ(chosen({primary_at("primary", 1), primary_at("east", 2)}), "east");
    EXPECT_EQ(chosen({primary_at("primary", 3), primary_at("east", 2)}), "primary");
}

TEST_F(RolesTest, OfTwoOnOneTimelineTheRememberedOneStays) {
    const std::vector<role_sighting> seen{primary_at("east", 2), primary_at("west", 2)};
    EXPECT_EQ(chosen(seen, "west"), "west");
    EXPECT_EQ(chosen(seen, "east"), "east");
}

TEST_F(RolesTest, WhenNobodyAnswersTheMemoryDecides) {
    EXPECT_EQ(chosen({silent("primary"), standby_at("east")}, "east"), "east");
}

TEST_F(RolesTest, APromotionThatWasNotNotedAnyMoreShowsInTheTargetsData) {
    using enum server_role;
    const pending_change change{"primary", "east"};
    const auto seen_with = [](server_role data) {
        return std::vector{silent("primary", primary), silent("east", data)};
    };
    EXPECT_EQ(chosen(seen_with(primary), "primary", change), "east");
    EXPECT_EQ(chosen(seen_with(standby), "primary", change), "primary");
    EXPECT_EQ(chosen(seen_with(primary), "primary"), "primary");
    EXPECT_EQ(
        chosen({primary_at("primary", 1), silent("east", primary)}, "east", change), "primary"
    );
}

TEST_F(RolesTest, WithoutMemoryTheOnlyPrimaryDataDecides) {
    using enum server_role;
    EXPECT_EQ(chosen({silent("primary", standby), silent("east", primary)}), "east");
    EXPECT_EQ(chosen({silent("primary", primary), silent("east", primary)}), "primary");
}

TEST_F(RolesTest, WithoutAnythingTheFileDecides) {
    EXPECT_EQ(chosen({}), "primary");
    EXPECT_EQ(chosen({}, "nobody"), "primary");
}

TEST_F(RolesTest, ServersChangePlacesAndKeepTheirFiles) {
    const auto changed = with_primary(cluster_, "west");
    EXPECT_EQ(changed.primary.name, "west");
    EXPECT_EQ(changed.primary.role, server_role::primary);
    EXPECT_EQ(changed.primary.data, "/srv/pg/west");
    ASSERT_EQ(changed.standbys.size(), 2U);
    EXPECT_EQ(changed.standbys[1].name, "primary");
    EXPECT_EQ(changed.standbys[1].role, server_role::standby);
    EXPECT_EQ(changed.standbys[1].slot, "primary_slot");
    EXPECT_EQ(with_primary(changed, "primary").primary.name, "primary");
}

TEST_F(RolesTest, AStateIsReadAsItWasWritten) {
    const auto state = state_from(state_text({"east", pending_change{"primary", "east"}}));
    EXPECT_EQ(state.primary, "east");
    ASSERT_TRUE(state.pending);
    EXPECT_EQ(state.pending->from, "primary");
    EXPECT_EQ(state.pending->to, "east");
    EXPECT_FALSE(state_from(state_text({"east", std::nullopt})).pending);
}

TEST_F(RolesTest, HalfAStateIsNoPendingChange) {
    EXPECT_EQ(state_from("").primary, "");
    EXPECT_FALSE(state_from("primary = east\nfrom = primary\n").pending);
    EXPECT_FALSE(state_from("nonsense\nfrom primary\n").pending);
}

}  // namespace
}  // namespace pgweir::cluster
