#include "cluster/server_conf.hpp"

#include "cluster/access_rules.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace pgweir::cluster {
namespace {

constexpr std::uint64_t gb = 1ULL << 30U;
constexpr std::uint64_t mb = 1ULL << 20U;

cluster_settings pair_settings() {
    return *settings_from(
        {{"cluster", "root", "/srv/pg", "", 0}, {"standby.standby1", "port", "5433", "", 0}}, "/"
    );
}

machine_facts usual_machine() {
    return {16 * gb, 500 * gb, 400 * gb, true, 15};
}

std::map<std::string, server_setting> by_name(const std::vector<setting_group>& groups) {
    std::map<std::string, server_setting> all;
    for (const auto& group : groups) {
        for (const auto& setting : group.settings) {
            EXPECT_TRUE(all.emplace(setting.name, setting).second) << setting.name << " twice";
        }
    }
    return all;
}

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST(MemoryPlanTest, ProductionTakesAQuarterAndExpectsHalf) {
    const auto plan = plan_memory(profile::production, 128 * gb, 1);
    EXPECT_EQ(plan.shared_buffers, 32 * gb);
    EXPECT_EQ(plan.effective_cache_size, 64 * gb);
    EXPECT_EQ(plan.maintenance_work_mem, 2 * gb);
}

TEST(MemoryPlanTest, DevelopmentHasItsFiguresOnALargeMachine) {
    const auto plan = plan_memory(profile::development, 64 * gb, 2);
    EXPECT_EQ(plan.shared_buffers, 4 * gb);
    EXPECT_EQ(plan.effective_cache_size, 16 * gb);
    EXPECT_EQ(plan.maintenance_work_mem, gb);
}

TEST(MemoryPlanTest, DevelopmentShrinksToASmallMachine) {
    const auto plan = plan_memory(profile::development, 2 * gb, 2);
    EXPECT_EQ(plan.shared_buffers, 256 * mb);
    EXPECT_EQ(plan.effective_cache_size, gb);
    EXPECT_EQ(plan.maintenance_work_mem, 128 * mb);
}

TEST(MemoryPlanTest, ServersOfOneMachineNeverTakeMoreThanHalfOfIt) {
    for (const auto value : {profile::development, profile::production}) {
        for (std::size_t servers = 1; servers < 12; ++servers) {
            for (const std::uint64_t memory : {gb / 4, gb, 7 * gb, 24 * gb, 512 * gb}) {
                const auto plan = plan_memory(value, memory, servers);
                EXPECT_LE(plan.shared_buffers * servers, memory / 2);
                EXPECT_GT(plan.shared_buffers, 0U);
            }
        }
    }
}

TEST(ServerConfTest, EverySettingHasAReason) {
    const auto cluster = pair_settings();
    for (const node* server : cluster.nodes()) {
        for (const auto& [name, setting] :
             by_name(server_settings(cluster, *server, usual_machine()))) {
            EXPECT_GT(setting.why.size(), 10U) << name;
        }
    }
}

TEST(ServerConfTest, WhatReplicationNeedsIsThere) {
    const auto cluster = pair_settings();
    auto found = by_name(server_settings(cluster, cluster.primary, usual_machine()));
    EXPECT_EQ(found["wal_level"].value, "replica");
    EXPECT_EQ(found["max_wal_senders"].value, "10");
    EXPECT_EQ(found["wal_keep_size"].value, "1GB");
    EXPECT_EQ(found["max_slot_wal_keep_size"].value, "50GB");
    EXPECT_EQ(found["wal_log_hints"].value, "on");
    EXPECT_EQ(found["hot_standby_feedback"].value, "on");
    EXPECT_EQ(found["password_encryption"].value, "scram-sha-256");
    EXPECT_EQ(found["fsync"].value, "on");
    EXPECT_EQ(found["synchronous_commit"].value, "on");
    EXPECT_EQ(found.count("max_standby_streaming_delay"), 0U);
}

TEST(ServerConfTest, ASmallDiskKeepsLessWal) {
    const auto cluster = pair_settings();
    auto facts = usual_machine();
    facts.disk_bytes = 10 * gb;
    auto found = by_name(server_settings(cluster, cluster.primary, facts));
    EXPECT_EQ(found["wal_keep_size"].value, "102MB");
    EXPECT_EQ(found["max_slot_wal_keep_size"].value, "1GB");
}

TEST(ServerConfTest, FreeSpaceChangesNothing) {
    const auto cluster = pair_settings();
    auto later = usual_machine();
    later.disk_free_bytes = 3 * gb;
    EXPECT_EQ(
        server_conf(cluster, cluster.primary, usual_machine()),
        server_conf(cluster, cluster.primary, later)
    );
}

TEST(ServerConfTest, ManyStandbysGetSendersAndSlots) {
    auto cluster = pair_settings();
    cluster.standbys.resize(12, cluster.standbys.front());
    auto found = by_name(server_settings(cluster, cluster.primary, usual_machine()));
    EXPECT_EQ(found["max_wal_senders"].value, "14");
    EXPECT_EQ(found["max_replication_slots"].value, "14");
}

TEST(ServerConfTest, AStandbyNeverHasLessThanItsPrimary) {
    const auto cluster = pair_settings();
    const standby_minimums minimums{500, 32, 20, 64, 256};
    auto found = by_name(server_settings(cluster, cluster.standbys[0], usual_machine(), minimums));
    EXPECT_EQ(found["max_connections"].value, "500");
    EXPECT_EQ(found["max_worker_processes"].value, "32");
    EXPECT_EQ(found["max_wal_senders"].value, "20");
    EXPECT_EQ(found["max_prepared_transactions"].value, "64");
    EXPECT_EQ(found["max_locks_per_transaction"].value, "256");
}

TEST(ServerConfTest, WithoutFadviseIoConcurrencyIsLeftOutWithAComment) {
    const auto cluster = pair_settings();
    auto facts = usual_machine();
    facts.has_posix_fadvise = false;
    const auto text = server_conf(cluster, cluster.primary, facts);
    EXPECT_EQ(text.find("\neffective_io_concurrency"), text.npos);
    EXPECT_NE(text.find("# effective_io_concurrency is left out: "), text.npos);
}

TEST(ServerConfTest, PromoteTriggerFileIsLeftOutFromPostgres16On) {
    const auto cluster = pair_settings();
    auto facts = usual_machine();
    EXPECT_NE(
        server_conf(cluster, cluster.standbys[0], facts).find("\npromote_trigger_file = "),
        std::string::npos
    );
    facts.postgres_major = 16;
    EXPECT_EQ(
        server_conf(cluster, cluster.standbys[0], facts).find("\npromote_trigger_file = "),
        std::string::npos
    );
}

TEST(ServerConfTest, AnArchiveIsUsedWhenItHasAFolder) {
    auto cluster = pair_settings();
    cluster.archive_dir = "/srv/archive";
    auto found = by_name(server_settings(cluster, cluster.primary, usual_machine()));
    EXPECT_EQ(found["archive_mode"].value, "on");
    EXPECT_EQ(
        found["archive_command"].value,
        "'if test -f \"/srv/archive/%f\"; then cmp -s \"%p\" \"/srv/archive/%f\"; else "
        "cp \"%p\" \"/srv/archive/%f.partial\" && sync \"/srv/archive/%f.partial\" && "
        "mv \"/srv/archive/%f.partial\" \"/srv/archive/%f\"; fi && "
        "sync \"/srv/archive/%f\" \"/srv/archive\"'"
    );
}

TEST(ServerConfTest, QuotesAreDoubled) {
    EXPECT_EQ(conf_quoted("it's"), "'it''s'");
    EXPECT_EQ(conf_quoted("a\\b"), "'a\\\\b'");
}

// The samples in conf/postgresql are what the program writes: `pgweirctl settings` makes them.
class SampleTest : public testing::Test {
protected:
    cluster_settings cluster_ =
        load_settings("../conf/cluster.ini", {"cluster.root=/var/lib/pgweir"}).value();
};

TEST_F(SampleTest, PrimaryConfIsWhatTheProgramWrites) {
    EXPECT_EQ(
        server_conf(cluster_, cluster_.primary, usual_machine()),
        text_of("../conf/postgresql/primary.conf")
    );
}

TEST_F(SampleTest, StandbyConfIsWhatTheProgramWrites) {
    EXPECT_EQ(
        server_conf(cluster_, cluster_.standbys.at(0), usual_machine()),
        text_of("../conf/postgresql/standby.conf")
    );
}

TEST_F(SampleTest, AccessRulesAreWhatTheProgramWrites) {
    EXPECT_EQ(hba_rules(cluster_), text_of("../conf/postgresql/pg_hba.conf"));
}

}  // namespace
}  // namespace pgweir::cluster

namespace pgweir::cluster {
namespace {

cluster_settings with_entries(std::vector<setting_entry> entries) {
    entries.push_back({"standby.east", "port", "5433", "", 0});
    return *settings_from(entries, "/srv");
}

TEST(SynchronousConfTest, CommitsWaitForOneOfThoseThatStream) {
    EXPECT_EQ(sync_standby_names({"east", "west"}), "ANY 1 (east, west)");
    EXPECT_EQ(sync_standby_names({}), "");
    EXPECT_NE(
        sync_conf({"east"}).find("\nsynchronous_standby_names = 'ANY 1 (east)'\n"),
        std::string::npos
    );
    EXPECT_NE(sync_conf({}).find("\nsynchronous_standby_names = ''\n"), std::string::npos);
}

TEST(TlsConfTest, CertificatesTurnItOn) {
    const auto cluster = with_entries(
        {{"cluster", "tls_cert_file", "tls/a.crt", "", 0},
         {"cluster", "tls_key_file", "tls/a.key", "", 0},
         {"cluster", "tls_ca_file", "tls/ca.crt", "", 0}}
    );
    const auto text = server_conf(cluster, cluster.primary, {});
    for (const char* line :
         {"\nssl = on ",
          "\nssl_cert_file = '/srv/tls/a.crt'",
          "\nssl_key_file = '/srv/tls/a.key'",
          "\nssl_ca_file = '/srv/tls/ca.crt'"}) {
        EXPECT_NE(text.find(line), text.npos) << line;
    }
}

TEST(TlsConfTest, WithoutCertificatesItIsLeftOut) {
    const auto cluster = with_entries({});
    const auto text = server_conf(cluster, cluster.primary, {});
    EXPECT_EQ(text.find("\nssl"), text.npos);
    EXPECT_NE(text.find("# ssl is left out"), text.npos);
}

}  // namespace
}  // namespace pgweir::cluster
