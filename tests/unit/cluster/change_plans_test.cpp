#include "cluster/change_plans.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::cluster {
namespace {

class ChangePlansTest : public testing::Test {
protected:
    /// All that a switchover does, in its order.
    plan whole_switchover() const {
        plan all;
        for (const auto& part :
             {prepare_switchover_plan(inputs_),
              hand_over_plan(inputs_),
              promotion_plan(inputs_),
              let_go_plan(inputs_),
              settle_plan(inputs_),
              end_change_plan(inputs_)}) {
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }

    template <typename Action>
    static std::vector<std::size_t> places_of(const plan& steps) {
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < steps.size(); ++i) {
            if (std::holds_alternative<Action>(steps[i].what)) {
                places.push_back(i);
            }
        }
        return places;
    }

    template <typename Action>
    static std::size_t place_of(const plan& steps) {
        const auto places = places_of<Action>(steps);
        EXPECT_FALSE(places.empty());
        return places.empty() ? 0 : places.front();
    }

    static std::string text_of_state(const plan& steps, std::size_t number) {
        return std::string(
            std::get<act::write_file>(steps[places_of<act::write_file>(steps).at(number)].what)
                .text.view()
        );
    }

    cluster_settings before_ = *settings_from(
        {{"cluster", "root", "/srv/pg", "", 0},
         {"standby.east", "port", "5433", "", 0},
         {"standby.west", "port", "5434", "", 0}},
        "/"
    );
    cluster_settings after_ = with_primary(before_, "east");
    change_inputs inputs_{before_, after_, {"west"}, seconds(5), {"primary", "east", "west"}};
};

TEST_F(ChangePlansTest, NothingIsHeldBeforeTheTargetIsReady) {
    const auto steps = whole_switchover();
    const auto held = place_of<act::hold_work>(steps);
    EXPECT_LT(place_of<act::require_streaming>(steps), held);
    for (const auto slot : places_of<act::local_sql>(prepare_switchover_plan(inputs_))) {
        EXPECT_LT(slot, held);
    }
    EXPECT_LT(place_of<act::set_synchronous>(steps), held);
}

TEST_F(ChangePlansTest, TheTargetIsPromotedOnlyWithEverythingTheStoppedPrimaryWrote) {
    const auto steps = whole_switchover();
    EXPECT_LT(place_of<act::hold_work>(steps), place_of<act::stop_server>(steps));
    EXPECT_LT(place_of<act::stop_server>(steps), place_of<act::require_everything_received>(steps));
    EXPECT_LT(
        place_of<act::require_everything_received>(steps), place_of<act::promote_server>(steps)
    );
    EXPECT_EQ(
        std::get<act::stop_server>(steps[place_of<act::stop_server>(steps)].what).how,
        act::stop_server::manner::fast
    );
}

TEST_F(ChangePlansTest, WorkGoesOnWithTheNewAddressBeforeAnythingElseIsPutInOrder) {
    const auto steps = whole_switchover();
    const auto released = place_of<act::release_work>(steps);
    EXPECT_LT(place_of<act::promote_server>(steps), released);
    EXPECT_LT(released, place_of<act::follow_primary>(steps));
    const auto databases = let_go_plan(inputs_);
    EXPECT_NE(
        text_of_state(databases, 1).find("connect = host=127.0.0.1 port=5433"), std::string::npos
    );
}

TEST_F(ChangePlansTest, SynchronousReplicationIsDecidedBeforeThePromotion) {
    for (const auto& steps : {whole_switchover(), promote_plan(inputs_)}) {
        const auto at = place_of<act::set_synchronous>(steps);
        EXPECT_LT(at, place_of<act::promote_server>(steps));
        const auto& what = std::get<act::set_synchronous>(steps[at].what);
        EXPECT_EQ(what.server.name, "east");
        EXPECT_EQ(what.standbys, std::vector<std::string>{"west"});
    }
}

TEST_F(ChangePlansTest, TheNewPrimaryHasSlotsForAllOthers) {
    std::string slots;
    for (const auto& each : prepare_switchover_plan(inputs_)) {
        if (const auto* sql = std::get_if<act::local_sql>(&each.what)) {
            slots += sql->statement;
        }
    }
    EXPECT_NE(slots.find("'primary_slot'"), slots.npos);
    EXPECT_NE(slots.find("'west_slot'"), slots.npos);
    EXPECT_EQ(slots.find("'east_slot'"), slots.npos);
}

TEST_F(ChangePlansTest, TheChangeIsNotedFirstAndForgottenLast) {
    const auto first = state_from(text_of_state(prepare_switchover_plan(inputs_), 0));
    EXPECT_EQ(first.primary, "primary");
    ASSERT_TRUE(first.pending);
    EXPECT_EQ(first.pending->to, "east");
    const auto middle = state_from(text_of_state(let_go_plan(inputs_), 0));
    EXPECT_EQ(middle.primary, "east");
    EXPECT_TRUE(middle.pending);
    const auto last = state_from(text_of_state(end_change_plan(inputs_), 0));
    EXPECT_EQ(last.primary, "east");
    EXPECT_FALSE(last.pending);
}

TEST_F(ChangePlansTest, WhatLeadsBackHasNotAskedForThePromotion) {
    EXPECT_TRUE(places_of<act::promote_server>(hand_over_plan(inputs_)).empty());
    EXPECT_EQ(places_of<act::promote_server>(promotion_plan(inputs_)).size(), 1U);
}

TEST_F(ChangePlansTest, TheRightToPromoteFromAfarIsAskedForBeforeWorkIsHeld) {
    EXPECT_TRUE(places_of<act::require_promotion_right>(whole_switchover()).empty());
    inputs_.local_nodes = {"primary"};
    const auto steps = whole_switchover();
    EXPECT_LT(place_of<act::require_promotion_right>(steps), place_of<act::hold_work>(steps));
}

TEST_F(ChangePlansTest, GoingBackStartsTheOldPrimaryBeforeWorkGoesOn) {
    const auto steps = return_plan(inputs_);
    const auto started = place_of<act::start_server>(steps);
    EXPECT_EQ(std::get<act::start_server>(steps[started].what).server.name, "primary");
    EXPECT_LT(started, place_of<act::release_work>(steps));
    EXPECT_TRUE(places_of<act::promote_server>(steps).empty());
    EXPECT_FALSE(state_from(text_of_state(steps, 0)).pending);
}

TEST_F(ChangePlansTest, OtherStandbysFollowOnlyWhereTheirDataIs) {
    EXPECT_EQ(places_of<act::follow_primary>(settle_plan(inputs_)).size(), 1U);
    inputs_.local_nodes = {"primary", "east"};
    EXPECT_TRUE(places_of<act::follow_primary>(settle_plan(inputs_)).empty());
}

TEST_F(ChangePlansTest, ALostPrimaryIsKeptFromComingBack) {
    const auto steps = promote_plan(inputs_);
    const auto stopped = place_of<act::stop_server>(steps);
    EXPECT_LT(stopped, place_of<act::promote_server>(steps));
    inputs_.local_nodes = {"east"};
    EXPECT_TRUE(places_of<act::stop_server>(promote_plan(inputs_)).empty());
}

TEST_F(ChangePlansTest, ARejoiningServerIsConfiguredBeforeItStartsAndLosesItsSlots) {
    const cluster_secrets secrets;
    const machine_facts facts;
    const auto steps =
        rejoin_plan({after_, secrets, facts, "postgres", true, {}, {}}, *after_.find("primary"));
    EXPECT_LT(place_of<act::ensure_slot>(steps), place_of<act::match_history>(steps));
    EXPECT_LT(place_of<act::stop_unless_following>(steps), place_of<act::match_history>(steps));
    EXPECT_LT(place_of<act::match_history>(steps), place_of<act::place_block>(steps));
    EXPECT_LT(place_of<act::follow_primary>(steps), place_of<act::start_server>(steps));
    EXPECT_LT(place_of<act::start_server>(steps), place_of<act::drop_slots>(steps));
}

TEST_F(ChangePlansTest, NobodyIsWaitedForWhoIsRemoved) {
    const auto steps = remove_standby_plan(before_, before_.standbys[0], {"west"});
    EXPECT_LT(place_of<act::set_synchronous>(steps), place_of<act::stop_server>(steps));
    EXPECT_LT(place_of<act::stop_server>(steps), place_of<act::drop_primary_slot>(steps));
}

TEST_F(ChangePlansTest, OnlyWhatWasMadeIsDestroyed) {
    before_.archive_dir = "/elsewhere/archive";
    const auto steps = destroy_plan(before_, before_.nodes(), {&before_.standbys[0]});
    std::vector<std::string> removed;
    for (const auto& each : steps) {
        if (const auto* what = std::get_if<act::remove_path>(&each.what)) {
            removed.push_back(what->path.string());
        }
    }
    const auto has = [&](const char* path) {
        return std::find(removed.begin(), removed.end(), path) != removed.end();
    };
    EXPECT_TRUE(has("/srv/pg/east"));
    EXPECT_FALSE(has("/srv/pg/primary"));
    EXPECT_FALSE(has("/srv/pg/west"));
    EXPECT_FALSE(has("/elsewhere/archive"));
    EXPECT_FALSE(has("/srv/pg"));
    EXPECT_EQ(places_of<act::stop_server>(steps).size(), 3U);
}

TEST_F(ChangePlansTest, AnArchiveBelowTheRootGoesWithIt) {
    before_.archive_dir = "/srv/pg/archive";
    const auto steps = destroy_plan(before_, {}, {});
    EXPECT_TRUE(std::any_of(steps.begin(), steps.end(), [](const step& each) {
        const auto* what = std::get_if<act::remove_path>(&each.what);
        return what != nullptr && what->path == "/srv/pg/archive";
    }));
}

TEST_F(ChangePlansTest, TheStandbyThatHasMostIsPromoted) {
    EXPECT_EQ(choose_promotion({{"east", 5, ""}, {"west", 7, ""}}), "west");
    EXPECT_EQ(choose_promotion({{"east", 7, ""}, {"west", 7, ""}}), "east");
    EXPECT_EQ(choose_promotion({}), std::nullopt);
}

TEST_F(ChangePlansTest, AStandbyThatHasMoreIsNotPassedOver) {
    const std::vector<promotion_candidate> seen{{"east", 5, "10.0.0.2"}, {"west", 7, "10.0.0.3"}};
    EXPECT_EQ(promotion_obstacle(seen, "west", true), std::nullopt);
    const auto why = promotion_obstacle(seen, "east", false);
    ASSERT_TRUE(why);
    EXPECT_NE(why->find("west (on 10.0.0.3) has received more than east"), why->npos);
    EXPECT_EQ(promotion_obstacle({{"east", 7, ""}, {"west", 7, ""}}, "east", true), std::nullopt);
}

TEST_F(ChangePlansTest, ASilentStandbyMayHaveWhatACommitHasWaitedFor) {
    const std::vector<promotion_candidate> seen{
        {"east", 5, "10.0.0.2"}, {"west", std::nullopt, "10.0.0.3"}};
    EXPECT_EQ(promotion_obstacle(seen, "east", false), std::nullopt);
    const auto why = promotion_obstacle(seen, "east", true);
    ASSERT_TRUE(why);
    EXPECT_NE(why->find("west (on 10.0.0.3) does not answer"), why->npos);
    EXPECT_TRUE(promotion_obstacle(seen, "west", false));
}

}  // namespace
}  // namespace pgweir::cluster
