#include "cluster/node_status.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace pgweir::cluster {
namespace {

node_status running(const char* name, server_role role) {
    node_status status;
    status.name = name;
    status.host = "127.0.0.1";
    status.port = 5432;
    status.state = run_state::running;
    status.expected_role = role;
    status.role = role;
    status.timeline = 3;
    return status;
}

TEST(DrawStatusTest, EachServerHasOneLine) {
    auto standby = running("standby1", server_role::standby);
    standby.replication = "streaming from 127.0.0.1:5432";
    standby.lag = "0 bytes";
    const auto text = draw_status({running("primary", server_role::primary), standby});
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
    for (const char* part : {"primary", "127.0.0.1:5432", "streaming from", "0 bytes", " 3 "}) {
        EXPECT_NE(text.find(part), text.npos) << part;
    }
}

TEST(DrawStatusTest, WhatIsNotKnownIsADash) {
    node_status status;
    status.name = "standby1";
    const auto text = draw_status({status});
    EXPECT_NE(text.find("not created"), text.npos);
    EXPECT_NE(text.find(" - "), text.npos);
}

TEST(DrawStatusTest, ARoleThatIsNotTheFilesIsSaid) {
    auto promoted = running("standby1", server_role::standby);
    promoted.role = server_role::primary;
    EXPECT_NE(
        draw_status({promoted}).find("standby1: is a primary, but cluster.ini says standby"),
        std::string::npos
    );
}

TEST(DrawStatusTest, TwoPrimariesAreSaid) {
    const auto first = running("primary", server_role::primary);
    const auto second = running("standby1", server_role::primary);
    EXPECT_NE(
        draw_status({first, second}).find("primary and standby1 are primaries at the same time"),
        std::string::npos
    );
    EXPECT_EQ(draw_status({first}).find("at the same time"), std::string::npos);
    EXPECT_EQ(
        primaries_among({first, running("standby2", server_role::standby), second}).size(), 2U
    );
}

TEST(DrawStatusTest, NotesFollowTheTable) {
    auto silent = running("primary", server_role::primary);
    silent.state = run_state::silent;
    silent.note = "connection refused";
    const auto text = draw_status({silent});
    EXPECT_NE(text.find("no answer"), text.npos);
    EXPECT_NE(text.find("\nprimary: connection refused\n"), text.npos);
}

TEST(AskNodeTest, WithoutDataAndPasswordNothingIsAsked) {
    cluster_settings cluster;
    node server;
    server.name = "primary";
    server.data = "/no/such/folder";
    const auto status = ask_node(cluster, server, std::nullopt);
    EXPECT_EQ(status.state, run_state::not_created);
    EXPECT_FALSE(status.healthy);
}

}  // namespace
}  // namespace pgweir::cluster
