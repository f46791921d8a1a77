#include "cluster/plans.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::cluster {
namespace {

class PlansTest : public testing::Test {
protected:
    plan_inputs inputs() const { return {cluster_, secrets_, facts_, "postgres", false, {}, {}}; }

    static std::optional<std::size_t> find(const plan& steps, std::string_view part) {
        const auto found = std::find_if(steps.begin(), steps.end(), [&](const step& each) {
            return each.name.find(part) != std::string::npos;
        });
        return found == steps.end() ? std::nullopt
                                    : std::optional<std::size_t>(found - steps.begin());
    }

    static void expect_order(const plan& steps, const std::vector<std::string>& names) {
        std::optional<std::size_t> before;
        for (const auto& name : names) {
            const auto at = find(steps, name);
            ASSERT_TRUE(at) << name;
            EXPECT_TRUE(!before || *before < *at) << name << " comes too early";
            before = at;
        }
    }

    template <typename Action>
    static std::vector<Action> all(const plan& steps) {
        std::vector<Action> found;
        for (const auto& each : steps) {
            if (const auto* action = std::get_if<Action>(&each.what)) {
                found.push_back(*action);
            }
        }
        return found;
    }

    plan standby_plan() const {
        auto steps = standby_reach_plan(inputs(), cluster_.standbys[0]);
        for (auto& each : standby_copy_plan(inputs(), cluster_.standbys[0])) {
            steps.push_back(std::move(each));
        }
        return steps;
    }

    bool is_secret(std::string_view text) const {
        for (const auto* each :
             {&secrets_.application, &secrets_.replication, &secrets_.prober, &secrets_.console}) {
            if (text.find(each->view()) != text.npos) {
                return true;
            }
        }
        return false;
    }

    cluster_settings cluster_ = *settings_from(
        {{"cluster", "root", "/srv/pg", "", 0},
         {"standby.east", "port", "5433", "", 0},
         {"standby.west", "port", "5434", "", 0}},
        "/"
    );
    cluster_secrets secrets_{
        secret("app-word"), secret("repl-word"), secret("prober-word"), secret("admin-word")};
    machine_facts facts_{16ULL << 30U, 500ULL << 30U, 400ULL << 30U, true, 15};
};

TEST_F(PlansTest, RulesAndSettingsStandBeforeThePrimaryStarts) {
    expect_order(
        primary_plan(inputs()),
        {"space on the disk",
         "port 5432",
         "primary: data directory /srv/pg/primary",
         "pg_hba.conf",
         "pg_ident.conf",
         "pgweir.conf",
         "includes pgweir.conf",
         "server runs",
         "settings are in use",
         "role replicator logs in",
         "database connect",
         "pg_replication_status()",
         "slot east_slot",
         "user list"}
    );
}

TEST_F(PlansTest, PasswordsAreInTheirFilesBeforeRolesGetThem) {
    expect_order(
        primary_plan(inputs()), {"password of role app", "role app logs in with its password"}
    );
    EXPECT_EQ(all<act::keep_password>(primary_plan(inputs())).size(), 4U);
}

TEST_F(PlansTest, APrimaryGetsASlotForEachStandby) {
    const auto steps = primary_plan(inputs());
    EXPECT_TRUE(find(steps, "slot east_slot for east"));
    EXPECT_TRUE(find(steps, "slot west_slot for west"));
}

TEST_F(PlansTest, FreshDataKeepsNoneOfInitdbsRules) {
    const auto fresh = all<act::place_block>(primary_plan(inputs()));
    ASSERT_FALSE(fresh.empty());
    EXPECT_EQ(fresh[0].path, "/srv/pg/primary/pg_hba.conf");
    EXPECT_EQ(fresh[0].where, placement::alone);
}

TEST_F(PlansTest, ExistingDataKeepsItsRulesBelowOurs) {
    auto in = inputs();
    in.data_exists = true;
    const auto existing = all<act::place_block>(primary_plan(in));
    ASSERT_FALSE(existing.empty());
    EXPECT_EQ(existing[0].where, placement::first);
}

TEST_F(PlansTest, InitdbWantsChecksumsAndScram) {
    const auto programs = all<act::init_data>(primary_plan(inputs()));
    ASSERT_EQ(programs.size(), 1U);
    const auto& arguments = programs[0].arguments;
    for (const char* wanted :
         {"--data-checksums",
          "--auth-host=scram-sha-256",
          "--auth-local=peer",
          "--encoding=UTF8"}) {
        EXPECT_NE(std::find(arguments.begin(), arguments.end(), wanted), arguments.end()) << wanted;
    }
    EXPECT_EQ(programs[0].server.data, "/srv/pg/primary");
}

TEST_F(PlansTest, NoPasswordInANameAProgramAStatementOrAShownFile) {
    for (const auto& steps : {primary_plan(inputs()), standby_plan()}) {
        for (const auto& each : steps) {
            EXPECT_FALSE(is_secret(each.name));
        }
        for (const auto& each : all<act::init_data>(steps)) {
            for (const auto& argument : each.arguments) {
                EXPECT_FALSE(is_secret(argument));
            }
        }
        for (const auto& each : all<act::sql>(steps)) {
            EXPECT_FALSE(is_secret(each.statement) || is_secret(each.probe));
        }
        for (const auto& each : all<act::write_file>(steps)) {
            const bool hidden = each.kind == act::write_file::content::hidden;
            EXPECT_EQ(is_secret(each.text.view()), hidden) << each.path;
            // pgweir may run as another user, and reads where the servers are.
            const bool for_pgweir = each.path == cluster_.pooler.databases_file;
            EXPECT_EQ(each.mode, for_pgweir ? 0644U : 0600U) << each.path;
        }
    }
}

TEST_F(PlansTest, BaseBackupNamesItsStandbyAndHoldsNoPassword) {
    const auto arguments = base_backup_arguments(cluster_, cluster_.standbys[0], "/srv/pg/in");
    for (const char* wanted :
         {"-Fp", "-Xs", "-P", "-R", "--no-password", "east_slot", "/srv/pg/in"}) {
        EXPECT_NE(std::find(arguments.begin(), arguments.end(), wanted), arguments.end()) << wanted;
    }
    EXPECT_EQ(
        arguments[1],
        "host='127.0.0.1' port=5432 user='replicator' application_name='east' "
        "passfile='/srv/pg/secrets/replication.pgpass'"
    );
    for (const auto& each : arguments) {
        EXPECT_FALSE(is_secret(each));
    }
}

TEST_F(PlansTest, AStandbyIsCopiedOnlyWhenThePrimaryAnswers) {
    expect_order(
        standby_plan(),
        {"password file for replication",
         "primary answers at 127.0.0.1:5432",
         "slot east_slot on the primary",
         "nothing in the way",
         "base backup",
         "data directory is private",
         "settings in pgweir.conf",
         "server runs"}
    );
}

TEST_F(PlansTest, AStandbyOfTheSecondNameUsesItsOwnFiles) {
    const auto steps = standby_copy_plan(inputs(), cluster_.standbys[1]);
    for (const auto& each : all<act::write_file>(steps)) {
        EXPECT_EQ(each.path.parent_path(), "/srv/pg/west");
    }
    EXPECT_EQ(all<act::base_backup>(steps).at(0).server.slot, "west_slot");
}

TEST_F(PlansTest, AnArchiveFolderIsMade) {
    cluster_.archive_dir = "/srv/archive";
    const auto folders = all<act::make_directory>(primary_plan(inputs()));
    EXPECT_TRUE(std::any_of(folders.begin(), folders.end(), [](const auto& each) {
        return each.path == "/srv/archive" && each.mode == 0700;
    }));
}

TEST_F(PlansTest, ThePrimaryStopsFirstAndStartsFirst) {
    const std::vector<const node*> mixed{&cluster_.standbys[0], &cluster_.primary};
    EXPECT_EQ(all<act::stop_server>(stop_plan(mixed)).at(0).server.name, "primary");
    EXPECT_EQ(all<act::start_server>(start_plan(cluster_.nodes())).at(0).server.name, "primary");
}

TEST_F(PlansTest, StandbysVerifyThePrimaryAsFarAsTheyCan) {
    EXPECT_EQ(replication_conninfo(cluster_, "east").find("sslmode"), std::string::npos);
    cluster_.tls.certificate = "/a.crt";
    const auto encrypted = replication_conninfo(cluster_, "east");
    EXPECT_NE(encrypted.find(" sslmode=require"), std::string::npos);
    cluster_.tls.authority = "/ca.crt";
    const auto verified = replication_conninfo(cluster_, "east");
    EXPECT_NE(verified.find(" sslmode=verify-ca sslrootcert='/ca.crt'"), std::string::npos);
}

TEST_F(PlansTest, DataThatWasThereIsNotMarkedAsOurs) {
    EXPECT_TRUE(find(primary_plan(inputs()), "data directory is ours"));
    auto in = inputs();
    in.data_exists = true;
    EXPECT_FALSE(find(primary_plan(in), "data directory is ours"));
}

TEST_F(PlansTest, ACopyOfThePrimaryWaitsForNobody) {
    const auto waits = all<act::set_synchronous>(standby_copy_plan(inputs(), cluster_.standbys[0]));
    ASSERT_EQ(waits.size(), 1U);
    EXPECT_EQ(waits[0].server.name, "east");
    EXPECT_TRUE(waits[0].standbys.empty());
}

TEST_F(PlansTest, ForWhomCommitsWaitStaysAsItIsUnlessItIsKnown) {
    auto in = inputs();
    EXPECT_TRUE(all<act::set_synchronous>(primary_plan(in)).empty());
    in.sync_standbys = {"east"};
    const auto waits = all<act::set_synchronous>(primary_plan(in));
    ASSERT_EQ(waits.size(), 1U);
    EXPECT_EQ(waits[0].standbys, std::vector<std::string>{"east"});
}

TEST_F(PlansTest, IdentifiersAreQuoted) {
    EXPECT_EQ(identifier("user"), "\"user\"");
    EXPECT_EQ(identifier("a\"b"), "\"a\"\"b\"");
}

}  // namespace
}  // namespace pgweir::cluster
