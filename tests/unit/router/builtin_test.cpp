#include "router/builtin.hpp"

#include <gtest/gtest.h>

namespace pgweir::router {
namespace {

void expect_function(const char* name, volatility declared, reason why) {
    const judgement verdict = builtin_function(name, declared);
    EXPECT_EQ(verdict.why, why) << name << ": " << name_of(verdict.why);
    EXPECT_EQ(verdict.read, why == reason::read) << name;
    EXPECT_EQ(verdict.harmless, verdict.read) << name;
}

TEST(BuiltinTest, WhatOnlyComputesIsARead) {
    expect_function("lower", volatility::immutable, reason::read);
    expect_function("range_intersect", volatility::immutable, reason::read);
    expect_function("now", volatility::stable, reason::read);
    expect_function("pg_get_viewdef", volatility::stable, reason::read);
    expect_function("has_table_privilege", volatility::stable, reason::read);
}

TEST(BuiltinTest, SomeVolatileOnesOnlyAnswer) {
    for (const char* name :
         {"random", "clock_timestamp", "timeofday", "gen_random_uuid", "pg_sleep", "uuidv7"}) {
        expect_function(name, volatility::is_volatile, reason::read);
    }
}

TEST(BuiltinTest, OtherVolatileOnesAreNoReads) {
    for (const char* name : {"query_to_xml", "ts_stat", "pg_reload_conf", "pg_terminate_backend"}) {
        expect_function(name, volatility::is_volatile, reason::function);
    }
}

TEST(BuiltinTest, WhatReadsATableThatAnArgumentNamesIsNoRead) {
    for (const char* name : {"table_to_xml", "schema_to_xml", "database_to_xml", "domain_in"}) {
        expect_function(name, volatility::stable, reason::function);
    }
}

TEST(BuiltinTest, SequencesNotificationsAndLargeObjectsAreWrites) {
    for (const char* name :
         {"nextval",
          "setval",
          "pg_notify",
          "lo_create",
          "lowrite",
          "lo_get",
          "pg_logical_emit_message",
          "pg_create_restore_point"}) {
        expect_function(name, volatility::is_volatile, reason::writes);
    }
}

TEST(BuiltinTest, AdvisoryLocksAndSnapshotsSucceedSilentlyOnAStandby) {
    for (const char* name :
         {"pg_advisory_lock",
          "pg_try_advisory_xact_lock_shared",
          "pg_advisory_unlock_all",
          "pg_export_snapshot"}) {
        expect_function(name, volatility::is_volatile, reason::locks);
    }
}

TEST(BuiltinTest, WhatEachServerHasIsReadOnThePrimaryThoughItIsStable) {
    for (const char* name :
         {"pg_is_in_recovery",
          "pg_stat_get_activity",
          "inet_server_addr",
          "txid_current_snapshot",
          "pg_current_snapshot",
          "pg_show_all_settings",
          "pg_postmaster_start_time",
          "pg_control_system",
          "pg_last_wal_replay_lsn",
          "pg_sequence_last_value",
          "pg_lock_status",
          "pg_relation_size",
          "pg_get_replication_slots"}) {
        expect_function(name, volatility::stable, reason::server_state);
    }
}

TEST(BuiltinTest, WhatASessionHasBelongsToThePrimary) {
    for (const char* name :
         {"pg_backend_pid",
          "currval",
          "lastval",
          "set_config",
          "setseed",
          "current_setting",
          "pg_listening_channels",
          "pg_my_temp_schema"}) {
        expect_function(name, volatility::stable, reason::session_state);
    }
}

TEST(BuiltinTest, CataloguesAreReplicatedAndStatisticsAreNot) {
    for (const char* name :
         {"pg_class",
          "pg_stats",
          "pg_statistic",
          "pg_roles",
          "pg_indexes",
          "columns",
          "pg_sequence",
          "pg_prepared",
          "pg_db_role_setting"}) {
        EXPECT_TRUE(builtin_relation(name).read) << name;
    }
    for (const char* name :
         {"pg_stat_activity",
          "pg_statio_user_tables",
          "pg_locks",
          "pg_settings",
          "pg_sequences",
          "pg_cursors",
          "pg_prepared_xacts",
          "pg_prepared_statements",
          "pg_replication_slots"}) {
        EXPECT_EQ(builtin_relation(name).why, reason::server_state) << name;
    }
}

}  // namespace
}  // namespace pgweir::router
