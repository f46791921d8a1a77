#include "cluster/pooler.hpp"

#include "cluster/roles.hpp"

#include <gtest/gtest.h>

#include <string>

namespace pgweir::cluster {
namespace {

TEST(PoolerTest, TheDatabasesFollowTheRoles) {
    const auto cluster = *settings_from(
        {{"cluster", "root", "/srv/pg", "", 0},
         {"standby.east", "host", "10.0.0.2", "", 0},
         {"standby.east", "port", "5433", "", 0}},
        "/"
    );
    const auto before = databases_text(cluster);
    EXPECT_NE(before.find("\nconnect = host=127.0.0.1 port=5432 dbname=connect\n"), before.npos);
    EXPECT_NE(
        before.find("\nconnect_standby = host=10.0.0.2 port=5433 dbname=connect\n"), before.npos
    );
    const auto after = databases_text(with_primary(cluster, "east"));
    EXPECT_NE(after.find("\nconnect = host=10.0.0.2 port=5433 dbname=connect\n"), after.npos);
    EXPECT_NE(
        after.find("\nconnect_standby = host=127.0.0.1 port=5432 dbname=connect\n"), after.npos
    );
}

TEST(PoolerTest, WithoutAStandbyReadsGoToThePrimary) {
    const auto cluster = *settings_from({{"cluster", "root", "/srv/pg", "", 0}}, "/");
    const auto text = databases_text(cluster);
    EXPECT_NE(text.find("connect_standby = host=127.0.0.1 port=5432"), text.npos);
}

TEST(PoolerTest, WithRoutingTheTextIsTheSameWhoeverIsPrimary) {
    const auto cluster = *settings_from(
        {{"cluster", "root", "/srv/pg", "", 0},
         {"standby.east", "host", "10.0.0.2", "", 0},
         {"standby.east", "port", "5433", "", 0},
         {"pooler", "routing", "on", "", 0}},
        "/"
    );
    const auto text = databases_text(cluster);
    const std::string servers = "host=10.0.0.2,127.0.0.1 port=5433,5432 dbname=connect";
    EXPECT_NE(text.find("\nconnect = " + servers + " routing=auto\n"), text.npos) << text;
    EXPECT_NE(text.find("\nconnect_standby = " + servers + " routing=prefer-standby\n"), text.npos);
    EXPECT_NE(text.find("\ntopology_user = pgweir_prober\n"), text.npos);
    EXPECT_NE(text.find("\ntopology_password = /srv/pg/secrets/prober_password\n"), text.npos);
    EXPECT_EQ(databases_text(with_primary(cluster, "east")), text);
}

TEST(PoolerTest, WhatIsHeldOrReleasedAlreadyIsNoFailure) {
    EXPECT_TRUE(is_so_already("already suspended/paused"));
    EXPECT_TRUE(is_so_already("database connect is not paused"));
    EXPECT_TRUE(is_so_already("pooler is not paused/suspended"));
    EXPECT_FALSE(is_so_already("no such database: connect"));
}

}  // namespace
}  // namespace pgweir::cluster
