#include "topology/plan.hpp"

#include "unit/config/support.hpp"

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

namespace pgweir::topology {
namespace {

using config::test::good;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const std::map<std::string, secret, std::less<>> user_list = {
    {"looker", secret("looker's")},
    {"auth", secret("auth's")},
    {"forced", secret("forced one's")},
};

passwords known(std::string_view of_topology_user = "") {
    return {secret(of_topology_user), [](std::string_view user) -> const secret* {
                const auto found = user_list.find(user);
                return found == user_list.end() ? nullptr : &found->second;
            }};
}

plan planned(const std::string& text, std::string_view password = "") {
    auto made = make_plan(*good(text), known(password));
    if (!made) {
        ADD_FAILURE() << made.error().message;
        return {};
    }
    return *made;
}

std::vector<std::string> databases_of(const planned_cluster& cluster) {
    std::vector<std::string> names;
    for (const planned_database& db : cluster.databases) {
        names.push_back(db.name);
    }
    return names;
}

constexpr const char* two_hosts = "[databases]\nx = host=a,b port=1,2 weight=3,4 dbname=shop\n";

TEST(PlanTest, NothingIsWatchedWithoutRouting) {
    EXPECT_THAT(planned(std::string("[pgweir]\n") + two_hosts).clusters, IsEmpty());
}

TEST(PlanTest, RoutingForAnybodyIsEnough) {
    const std::string user = "topology_user = looker\n";
    EXPECT_THAT(planned("[pgweir]\n" + user + "routing = auto\n" + two_hosts).clusters, SizeIs(1));
    EXPECT_THAT(
        planned("[pgweir]\n" + user + two_hosts + "[users]\nann = routing=standby\n").clusters,
        SizeIs(1)
    );
    EXPECT_THAT(
        planned("[pgweir]\n" + user + "listen_port_standby = 5\n" + two_hosts).clusters, SizeIs(1)
    );
    EXPECT_THAT(
        planned("[pgweir]\n" + user + "[databases]\nx = host=a,b routing=primary\n").clusters,
        SizeIs(1)
    );
}

TEST(PlanTest, DatabaseThatSaysOffIsNotWatched) {
    EXPECT_THAT(
        planned("[pgweir]\nrouting = auto\n[databases]\nx = host=a,b routing=off\n").clusters,
        IsEmpty()
    );
}

TEST(PlanTest, SingleHostIsNotWatched) {
    EXPECT_THAT(
        planned("[pgweir]\nrouting = auto\n[databases]\nx = host=a\ny =\n").clusters, IsEmpty()
    );
}

TEST(PlanTest, ServersAreThoseOfTheList) {
    const plan made = planned(
        std::string("[pgweir]\nrouting = auto\ntopology_user = looker\ntopology_dbname = d\n") +
        two_hosts
    );
    ASSERT_THAT(made.clusters, SizeIs(1));
    const planned_cluster& cluster = made.clusters[0];
    ASSERT_THAT(cluster.servers, SizeIs(2));
    EXPECT_EQ(cluster.servers[1].host, "b");
    EXPECT_EQ(cluster.servers[1].port, 2);
    EXPECT_EQ(cluster.servers[1].user, "looker");
    EXPECT_EQ(cluster.servers[1].password.view(), "looker's");
    EXPECT_EQ(cluster.servers[1].dbname, "d");
    EXPECT_EQ(cluster.servers[1].sslmode, "prefer");
    EXPECT_THAT(cluster.hosts, ElementsAre(host_settings{"a", 1, 3}, host_settings{"b", 2, 4}));
    EXPECT_EQ(cluster.databases[0].dbname, "shop");
}

TEST(PlanTest, DatabasesWithTheSameServersShareACluster) {
    const plan made = planned(
        "[pgweir]\nrouting = auto\ntopology_user = looker\n"
        "[databases]\n"
        "x = host=a,b\ny = host=a,b dbname=z\nother = host=b,a\nheavy = host=a,b weight=1,2\n"
        "* = host=a,b\n"
    );
    ASSERT_THAT(made.clusters, SizeIs(3));
    EXPECT_THAT(databases_of(made.clusters[0]), ElementsAre("heavy"));
    EXPECT_THAT(databases_of(made.clusters[1]), ElementsAre("other"));
    EXPECT_THAT(databases_of(made.clusters[2]), ElementsAre("x", "y", "*"));
    EXPECT_EQ(made.clusters[0].servers, made.clusters[2].servers) << "which are asked once";
}

TEST(PlanTest, UserIsTheTopologysElseTheAuthUserElseTheForcedOne) {
    const auto user = [](const std::string& settings, const std::string& entry) {
        const plan made = planned(
            "[pgweir]\nrouting = auto\n" + settings + "[databases]\nx = host=a,b " + entry + "\n"
        );
        return made.clusters.empty() ? "" : made.clusters[0].servers[0].user;
    };
    const std::string all = "topology_user = looker\nauth_user = auth\n";
    EXPECT_EQ(user(all, "user=forced auth_user=other"), "looker");
    EXPECT_EQ(user("auth_user = auth\n", "user=forced auth_user=other"), "other");
    EXPECT_EQ(user("auth_user = auth\n", "user=forced"), "auth");
    EXPECT_EQ(user("", "user=forced"), "forced");
}

TEST(PlanTest, PasswordIsTheFilesElseTheEntrysElseTheUserLists) {
    const auto password = [](const std::string& settings, std::string_view file) {
        const plan made = planned(
            "[pgweir]\nrouting = auto\n" + settings +
                "[databases]\nx = host=a,b user=forced password=own\n",
            file
        );
        return std::string(made.clusters[0].servers[0].password.view());
    };
    EXPECT_EQ(password("topology_user = looker\n", "file's"), "file's");
    EXPECT_EQ(password("topology_user = looker\n", ""), "looker's");
    EXPECT_EQ(password("topology_user = unknown\n", ""), "");
    EXPECT_EQ(password("", "file's"), "own") << "the file is for topology_user alone";
    EXPECT_EQ(password("auth_user = auth\n", "file's"), "auth's");
}

TEST(PlanTest, NobodyToAskAsIsAnError) {
    const auto made =
        make_plan(*good("[pgweir]\nrouting = auto\n[databases]\nx = host=a,b\n"), known());
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message, HasSubstr("database x: "));
    EXPECT_THAT(made.error().message, HasSubstr("set topology_user"));
}

TEST(PlanTest, TlsIsTheEntrysElseTheServers) {
    const plan made = planned(
        "[pgweir]\nrouting = auto\ntopology_user = looker\nserver_tls_sslmode = verify-ca\n"
        "server_tls_ca_file = /ca\nserver_tls_cert_file = /cert\nserver_tls_key_file = /key\n"
        "[databases]\nown = host=a,b sslmode=verify-full sslrootcert=/own\nplain = host=c,d\n"
    );
    ASSERT_THAT(made.clusters, SizeIs(2));
    EXPECT_EQ(made.clusters[0].servers[0].sslmode, "verify-full");
    EXPECT_EQ(made.clusters[0].servers[0].sslrootcert, "/own");
    EXPECT_EQ(made.clusters[0].servers[0].sslcert, "/cert");
    EXPECT_EQ(made.clusters[1].servers[0].sslmode, "verify-ca");
    EXPECT_EQ(made.clusters[1].servers[0].sslrootcert, "/ca");
    EXPECT_EQ(made.clusters[1].servers[0].sslkey, "/key");
}

TEST(PlanTest, LimitsAndIntervalAreTheSettings) {
    const plan made = planned(
        "[pgweir]\nmax_standby_lag = 1MB\nmax_standby_lag_time = 3\ntopology_interval = 0.5\n"
        "topology_state_file = /state\n"
    );
    EXPECT_EQ(made.limits.bytes, 1 << 20);
    EXPECT_EQ(made.limits.time, seconds(3));
    EXPECT_EQ(made.interval, milliseconds(500));
    EXPECT_EQ(made.state_file, "/state");
}

}  // namespace
}  // namespace pgweir::topology
