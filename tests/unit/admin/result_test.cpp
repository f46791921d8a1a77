#include "admin/result.hpp"

#include "unit/admin/transcript.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdlib.h>
#include <time.h>

#include <chrono>
#include <limits>
#include <regex>
#include <string>
#include <vector>

namespace pgweir::admin {
namespace {

using test::messages_in;
using test::transcript;
using testing::ElementsAre;
using testing::SizeIs;

std::vector<std::string> shown(show_kind what, const snapshot& data = {}) {
    std::string out;
    put_show(out, what, data);
    return transcript(out);
}

std::string header(show_kind what) {
    std::string out;
    describe_show(out, what);
    return transcript(out).at(0);
}

/// The rows of an answer, without its description and its end.
std::vector<std::string> rows(show_kind what, const snapshot& data) {
    std::string out;
    put_show_rows(out, what, data);
    return transcript(out);
}

constexpr const char* socket_header =
    "T type:25 user:25 database:25 replication:25 state:25 addr:25 port:23 local_addr:25 "
    "local_port:23 connect_time:25 request_time:25 wait:23 wait_us:23 close_needed:23 ptr:25 "
    "link:25 remote_pid:23 tls:25 application_name:25 prepared_statements:23 id:23";

TEST(ShowColumnsTest, OfPools) {
    EXPECT_EQ(
        header(show_kind::pools),
        "T database:25 user:25 cl_active:23 cl_waiting:23 cl_active_cancel_req:23 "
        "cl_waiting_cancel_req:23 sv_active:23 sv_active_cancel:23 sv_being_canceled:23 sv_idle:23 "
        "sv_used:23 sv_tested:23 sv_login:23 maxwait:23 maxwait_us:23 pool_mode:25 "
        "load_balance_hosts:25"
    );
}

TEST(ShowColumnsTest, OfDatabasesAndUsers) {
    EXPECT_EQ(
        header(show_kind::databases),
        "T name:25 host:25 port:23 database:25 force_user:25 pool_size:23 min_pool_size:23 "
        "reserve_pool_size:23 server_lifetime:23 pool_mode:25 load_balance_hosts:25 "
        "max_connections:23 current_connections:23 max_client_connections:23 "
        "current_client_connections:23 paused:23 disabled:23"
    );
    EXPECT_EQ(
        header(show_kind::users),
        "T name:25 pool_size:25 reserve_pool_size:25 pool_mode:25 max_user_connections:23 "
        "current_connections:23 max_user_client_connections:23 current_client_connections:23"
    );
}

TEST(ShowColumnsTest, OfSockets) {
    EXPECT_EQ(header(show_kind::clients), socket_header);
    EXPECT_EQ(header(show_kind::servers), socket_header);
    const std::string with_buffers =
        std::string(socket_header) +
        " recv_pos:23 pkt_pos:23 pkt_remain:23 send_pos:23 send_remain:23 pkt_avail:23 "
        "send_avail:23";
    EXPECT_EQ(header(show_kind::sockets), with_buffers);
    EXPECT_EQ(header(show_kind::active_sockets), with_buffers);
}

TEST(ShowColumnsTest, OfStatistics) {
    EXPECT_EQ(
        header(show_kind::stats),
        "T database:25 total_server_assignment_count:1700 total_xact_count:1700 "
        "total_query_count:1700 total_received:1700 total_sent:1700 total_xact_time:1700 "
        "total_query_time:1700 total_wait_time:1700 total_client_parse_count:1700 "
        "total_server_parse_count:1700 total_bind_count:1700 total_client_login_count:1700 "
        "avg_server_assignment_count:1700 avg_xact_count:1700 avg_query_count:1700 avg_recv:1700 "
        "avg_sent:1700 avg_xact_time:1700 avg_query_time:1700 avg_wait_time:1700 "
        "avg_client_parse_count:1700 avg_server_parse_count:1700 avg_bind_count:1700 "
        "avg_client_login_count:1700"
    );
    EXPECT_EQ(
        header(show_kind::stats_totals),
        "T database:25 server_assignment_count:1700 xact_count:1700 query_count:1700 "
        "bytes_received:1700 bytes_sent:1700 xact_time:1700 query_time:1700 wait_time:1700 "
        "client_parse_count:1700 server_parse_count:1700 bind_count:1700 client_login_count:1700"
    );
    EXPECT_EQ(
        header(show_kind::stats_averages),
        "T database:25 server_assignment_count:1700 xact_count:1700 query_count:1700 "
        "bytes_received:1700 bytes_sent:1700 xact_time:1700 query_time:1700 wait_time:1700 "
        "avg_client_parse_count:1700 avg_server_parse_count:1700 avg_bind_count:1700 "
        "avg_client_login_count:1700"
    );
    EXPECT_EQ(header(show_kind::totals), "T name:25 value:1700");
}

TEST(ShowColumnsTest, OfTheSmallTables) {
    EXPECT_EQ(header(show_kind::lists), "T list:25 items:23");
    EXPECT_EQ(header(show_kind::config), "T key:25 value:25 default:25 changeable:25");
    EXPECT_EQ(header(show_kind::mem), "T name:25 size:23 used:23 free:23 memtotal:23");
    EXPECT_EQ(header(show_kind::state), "T key:25 value:25");
    EXPECT_EQ(header(show_kind::version), "T version:25");
    EXPECT_EQ(header(show_kind::peers), "T peer_id:23 host:25 port:23 pool_size:23");
    EXPECT_EQ(
        header(show_kind::peer_pools),
        "T peer_id:23 cl_active_cancel_req:23 cl_waiting_cancel_req:23 sv_active_cancel:23 "
        "sv_login:23"
    );
    EXPECT_EQ(header(show_kind::dns_hosts), "T hostname:25 ttl:20 addrs:25");
    EXPECT_EQ(header(show_kind::dns_zones), "T zonename:25 serial:20 count:23");
}

TEST(ShowTest, AnAnswerIsDescriptionRowsAndTheTag) {
    snapshot data;
    data.peers.push_back({7, "peer", 6432, 20});
    EXPECT_THAT(
        shown(show_kind::peers, data),
        ElementsAre("T peer_id:23 host:25 port:23 pool_size:23", "D 7|peer|6432|20", "C SHOW")
    );
    EXPECT_THAT(shown(show_kind::pools), SizeIs(2));
}

TEST(ShowTest, PoolsAreSortedByDatabaseAndUser) {
    snapshot data;
    pool_row pool;
    pool.pool_mode = "transaction";
    for (const auto& [database, user] :
         {std::pair("shop", "web"), std::pair("shop", "batch"), std::pair("Shop", "web")}) {
        pool.database = database;
        pool.user = user;
        data.pools.push_back(pool);
    }
    EXPECT_THAT(
        rows(show_kind::pools, data),
        ElementsAre(
            "D Shop|web|0|0|0|0|0|0|0|0|0|0|0|0|0|transaction|NULL",
            "D shop|batch|0|0|0|0|0|0|0|0|0|0|0|0|0|transaction|NULL",
            "D shop|web|0|0|0|0|0|0|0|0|0|0|0|0|0|transaction|NULL"
        )
    );
}

TEST(ShowTest, EachCountOfAPoolIsInItsColumn) {
    snapshot data;
    pool_row pool;
    pool.database = "shop";
    pool.user = "web";
    pool.cl_active = 1;
    pool.cl_waiting = 2;
    pool.cl_active_cancel_req = 3;
    pool.cl_waiting_cancel_req = 4;
    pool.sv_active = 5;
    pool.sv_active_cancel = 6;
    pool.sv_being_canceled = 7;
    pool.sv_idle = 8;
    pool.sv_used = 9;
    pool.sv_tested = 10;
    pool.sv_login = 11;
    pool.max_wait = microseconds(12'000'013);
    pool.pool_mode = "session";
    pool.load_balance_hosts = "round-robin";
    data.pools.push_back(pool);
    EXPECT_THAT(
        rows(show_kind::pools, data),
        ElementsAre("D shop|web|1|2|3|4|5|6|7|8|9|10|11|12|13|session|round-robin")
    );
}

TEST(ShowTest, DatabasesShowNullForWhatIsNotSet) {
    snapshot data;
    database_row plain;
    plain.name = "shop";
    plain.port = 5432;
    plain.database = "shop_live";
    plain.pool_size = 20;
    plain.min_pool_size = 1;
    plain.reserve_pool_size = 2;
    plain.server_lifetime = 3600;
    plain.max_connections = 3;
    plain.current_connections = 4;
    plain.max_client_connections = 5;
    plain.current_client_connections = 6;
    database_row full = plain;
    full.name = "archive";
    full.host = "db1,db2";
    full.force_user = "reader";
    full.pool_mode = "statement";
    full.load_balance_hosts = "disable";
    full.paused = true;
    full.disabled = true;
    data.databases = {plain, full};
    EXPECT_THAT(
        rows(show_kind::databases, data),
        ElementsAre(
            "D archive|db1,db2|5432|shop_live|reader|20|1|2|3600|statement|disable|3|4|5|6|1|1",
            "D shop|NULL|5432|shop_live|NULL|20|1|2|3600|NULL|NULL|3|4|5|6|0|0"
        )
    );
}

TEST(ShowTest, UsersShowTheirOwnSizesNineWideAndNothingElse) {
    snapshot data;
    user_row web;
    web.name = "web";
    web.pool_size = 25;
    web.pool_mode = "session";
    web.max_user_connections = 100;
    web.current_connections = 9;
    web.max_user_client_connections = 50;
    web.current_client_connections = 8;
    user_row batch;
    batch.name = "batch";
    data.users = {web, batch};
    EXPECT_THAT(
        rows(show_kind::users, data),
        ElementsAre("D batch|||NULL|0|0|0|0", "D web|       25||session|100|9|50|8")
    );
}

/// Local time is what is shown, so these tests choose the zone.
class ShowSocketsTest : public testing::Test {
protected:
    void SetUp() override {
        if (const char* zone = getenv("TZ")) {
            zone_before_ = zone;
        }
        set_zone("XST-2");  // two hours east of UTC
    }

    void TearDown() override {
        if (zone_before_) {
            set_zone(zone_before_->c_str());
        } else {
            unsetenv("TZ");
            tzset();
        }
    }

    static void set_zone(const char* zone) {
        setenv("TZ", zone, 1);
        tzset();
    }

    static client_row client(client_state state, std::uint64_t id) {
        client_row row;
        row.user = "web";
        row.database = "shop";
        row.addr = "10.0.0.9";
        row.port = 40001;
        row.local_addr = "10.0.0.1";
        row.local_port = 6432;
        row.connect_time = wall_time(std::chrono::seconds(1'700'000'000));
        row.state = state;
        row.id = id;
        return row;
    }

    static server_row server(server_state state, std::uint64_t id) {
        server_row row;
        row.user = "web";
        row.database = "shop";
        row.addr = "unix";
        row.port = 5432;
        row.local_addr = "unix";
        row.connect_time = wall_time(std::chrono::seconds(1'700'000'000));
        row.state = state;
        row.id = id;
        return row;
    }

    /// type, state and id of each row.
    static std::vector<std::string> order(show_kind what, const snapshot& data) {
        std::string out;
        put_show_rows(out, what, data);
        std::vector<std::string> found;
        for (const auto& message : messages_in(out)) {
            const auto fields = test::row_fields(message.body);
            found.push_back(fields.at(0) + " " + fields.at(4) + " " + fields.at(20));
        }
        return found;
    }

private:
    std::optional<std::string> zone_before_;
};

TEST_F(ShowSocketsTest, EachValueIsInItsColumn) {
    snapshot data;
    client_row row = client(client_state::active, 300);
    row.request_time = row.connect_time + std::chrono::seconds(61);
    row.replication = replication_kind::logical;
    row.wait = microseconds(2'000'005);
    row.close_needed = true;
    row.link_id = 255;
    row.remote_pid = 77;
    row.tls = "TLSv1.3/TLS_AES_256_GCM_SHA384";
    row.application_name = "psql";
    row.prepared_statements = 4;
    row.recv_pos = 11;
    row.pkt_pos = 12;
    row.pkt_remain = 13;
    row.send_pos = 14;
    row.send_remain = 15;
    row.pkt_avail = 16;
    row.send_avail = 17;
    data.clients.push_back(row);
    const std::string common =
        "|10.0.0.9|40001|10.0.0.1|6432|2023-11-15 00:13:20 XST|2023-11-15 00:14:21 XST|2|5|1|0x12c|"
        "0xff|77|TLSv1.3/TLS_AES_256_GCM_SHA384|psql|4|300";
    EXPECT_THAT(
        rows(show_kind::clients, data), ElementsAre("D C|web|shop|logical|active" + common)
    );
    EXPECT_THAT(
        rows(show_kind::sockets, data),
        ElementsAre("D C|web|shop|logical|cl_active" + common + "|11|12|13|14|15|16|17")
    );
}

TEST_F(ShowSocketsTest, WhatIsNotKnownHasItsName) {
    snapshot data;
    server_row row = server(server_state::login, 9);
    row.user.clear();
    row.database.clear();
    data.servers.push_back(row);
    EXPECT_THAT(
        rows(show_kind::servers, data),
        ElementsAre("D S|(nouser)|(nodb)|none|new|unix|5432|unix|0|2023-11-15 00:13:20 XST|"
                    "2023-11-15 00:13:20 XST|0|0|0|0x9||0|||0|9")
    );
}

TEST_F(ShowSocketsTest, ClientsAreOrderedByPoolAndStateAndThoseLoggingInAreLeftOut) {
    snapshot data;
    data.clients = {
        client(client_state::waiting_cancel_request, 1),
        client(client_state::active_cancel_request, 2),
        client(client_state::waiting, 3),
        client(client_state::login, 4),
        client(client_state::idle, 5),
        client(client_state::active, 6),
    };
    data.clients.push_back(client(client_state::waiting, 7));
    data.clients.back().database = "archive";
    EXPECT_THAT(
        order(show_kind::clients, data),
        ElementsAre(
            "C waiting 7",
            "C idle 5",
            "C active 6",
            "C waiting 3",
            "C active_cancel_req 2",
            "C waiting_cancel_req 1"
        )
    );
}

TEST_F(ShowSocketsTest, ServersAreOrderedByState) {
    snapshot data;
    data.servers = {
        server(server_state::being_canceled, 1),
        server(server_state::active_cancel, 2),
        server(server_state::login, 3),
        server(server_state::tested, 4),
        server(server_state::used, 5),
        server(server_state::idle, 6),
        server(server_state::active, 7),
    };
    EXPECT_THAT(
        order(show_kind::servers, data),
        ElementsAre(
            "S active 7",
            "S idle 6",
            "S used 5",
            "S tested 4",
            "S new 3",
            "S active_cancel 2",
            "S being_canceled 1"
        )
    );
}

TEST_F(ShowSocketsTest, SocketsHaveBothSidesAndLogInsLast) {
    snapshot data;
    data.clients = {
        client(client_state::login, 1),
        client(client_state::waiting, 2),
        client(client_state::idle, 3),
        client(client_state::active_cancel_request, 4),
    };
    data.servers = {
        server(server_state::login, 5),
        server(server_state::active, 6),
        server(server_state::active_cancel, 7),
    };
    EXPECT_THAT(
        order(show_kind::sockets, data),
        ElementsAre(
            "C cl_active 3", "C cl_waiting 2", "S sv_active 6", "S sv_login 5", "C cl_login 1"
        )
    );
}

TEST_F(ShowSocketsTest, ActiveSocketsAreThoseWithBytesUnderWay) {
    snapshot data;
    data.clients = {client(client_state::active, 1), client(client_state::active, 2)};
    data.servers = {server(server_state::active, 3), server(server_state::active, 4)};
    data.clients[1].send_avail = 10;
    data.servers[0].pkt_remain = 10;
    data.clients[0].recv_pos = 10;  // has been read and passed on
    EXPECT_THAT(
        order(show_kind::active_sockets, data), ElementsAre("C cl_active 2", "S sv_active 3")
    );
}

stats_counters counters_from(std::uint64_t first) {
    stats_counters counters;
    counters.server_assignment_count = first;
    counters.xact_count = first + 1;
    counters.query_count = first + 2;
    counters.bytes_received = first + 3;
    counters.bytes_sent = first + 4;
    counters.xact_time = first + 5;
    counters.query_time = first + 6;
    counters.wait_time = first + 7;
    counters.client_parse_count = first + 8;
    counters.server_parse_count = first + 9;
    counters.bind_count = first + 10;
    counters.client_login_count = first + 11;
    return counters;
}

snapshot with_stats() {
    snapshot data;
    data.stats.push_back({"shop", counters_from(100), counters_from(200)});
    data.stats.push_back({"archive", counters_from(300), counters_from(400)});
    data.overall_average = counters_from(500);
    return data;
}

TEST(ShowStatsTest, EachCounterIsInItsColumn) {
    EXPECT_THAT(
        rows(show_kind::stats, with_stats()),
        ElementsAre(
            "D archive|300|301|302|303|304|305|306|307|308|309|310|311"
            "|400|401|402|403|404|405|406|407|408|409|410|411",
            "D shop|100|101|102|103|104|105|106|107|108|109|110|111"
            "|200|201|202|203|204|205|206|207|208|209|210|211"
        )
    );
    EXPECT_THAT(
        rows(show_kind::stats_totals, with_stats()),
        ElementsAre(
            "D archive|300|301|302|303|304|305|306|307|308|309|310|311",
            "D shop|100|101|102|103|104|105|106|107|108|109|110|111"
        )
    );
    EXPECT_THAT(
        rows(show_kind::stats_averages, with_stats()),
        ElementsAre(
            "D archive|400|401|402|403|404|405|406|407|408|409|410|411",
            "D shop|200|201|202|203|204|205|206|207|208|209|210|211"
        )
    );
}

TEST(ShowStatsTest, TotalsAreSumsOverAllDatabases) {
    EXPECT_THAT(
        rows(show_kind::totals, with_stats()),
        ElementsAre(
            "D total_server_assignment_count|400",
            "D total_xact_count|402",
            "D total_query_count|404",
            "D total_client_bytes|406",
            "D total_server_bytes|408",
            "D total_xact_time|410",
            "D total_query_time|412",
            "D total_wait_time|414",
            "D total_ps_client_parse_count|416",
            "D total_ps_server_parse_count|418",
            "D total_ps_bind_count|420",
            "D total_client_login_count|422",
            "D avg_server_assignment_count|500",
            "D avg_xact_count|501",
            "D avg_query_count|502",
            "D avg_client_bytes|503",
            "D avg_server_bytes|504",
            "D avg_xact_time|505",
            "D avg_query_time|506",
            "D avg_wait_time|507",
            "D avg_ps_client_parse_count|508",
            "D avg_ps_server_parse_count|509",
            "D avg_ps_bind_count|510",
            "D avg_client_login_count|511"
        )
    );
}

TEST(ShowTest, ListsHaveTheirOrder) {
    snapshot data;
    data.lists = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    EXPECT_THAT(
        rows(show_kind::lists, data),
        ElementsAre(
            "D databases|1",
            "D users|2",
            "D peers|3",
            "D pools|4",
            "D peer_pools|5",
            "D free_clients|6",
            "D used_clients|7",
            "D login_clients|8",
            "D free_servers|9",
            "D used_servers|10",
            "D dns_names|11",
            "D dns_zones|12",
            "D dns_queries|13",
            "D dns_pending|14"
        )
    );
}

TEST(ShowTest, ConfigKeepsTheOrderOfTheSettings) {
    snapshot data;
    data.config.push_back({"verbose", "1", "0", true});
    data.config.push_back({"listen_port", "6432", "6432", false});
    EXPECT_THAT(
        rows(show_kind::config, data),
        ElementsAre("D verbose|1|0|yes", "D listen_port|6432|6432|no")
    );
}

TEST(ShowTest, StateIsOneOfThree) {
    snapshot data;
    EXPECT_THAT(
        rows(show_kind::state, data), ElementsAre("D active|yes", "D paused|no", "D suspended|no")
    );
    data.state = pooler_state::paused;
    EXPECT_THAT(
        rows(show_kind::state, data), ElementsAre("D active|no", "D paused|yes", "D suspended|no")
    );
}

TEST(ShowTest, StateHasTheEnginesBelowWhatPgbouncerShows) {
    snapshot data;
    const auto add = [&](const char* engine) { data.workers.emplace_back().engine = engine; };
    add("io_uring");
    add("io_uring");
    EXPECT_THAT(
        rows(show_kind::state, data),
        ElementsAre("D active|yes", "D paused|no", "D suspended|no", "D io_engine|io_uring")
    );
    add("epoll");
    EXPECT_THAT(rows(show_kind::state, data), SizeIs(5));
}

TEST(ShowTest, WorkersWithAverages) {
    snapshot data;
    data.workers.push_back({0, "io_uring", 12, 3, 1000, 3141, 7, 5, 99});
    data.workers.push_back({1, "epoll", 0, 0, 0, 0, 0, 0, 0});
    data.workers.push_back({2, "epoll", 1, 1, 200, 199, 0, 0, 1});
    EXPECT_EQ(
        header(show_kind::workers),
        "T worker:23 engine:25 clients:23 servers:23 turns:1700 events:1700 events_per_turn:1700 "
        "migrations_in:1700 migrations_out:1700 accepted:1700"
    );
    EXPECT_THAT(
        rows(show_kind::workers, data),
        ElementsAre(
            "D 0|io_uring|12|3|1000|3141|3.14|7|5|99",
            "D 1|epoll|0|0|0|0|0.00|0|0|0",
            "D 2|epoll|1|1|200|199|0.99|0|0|1"
        )
    );
}

TEST(ShowTest, TopologyByDatabaseAndInTheOrderOfHosts) {
    snapshot data;
    topology_row primary;
    primary.database = "shop";
    primary.cluster = 2;
    primary.host = "b";
    primary.port = 5432;
    primary.address = "10.0.0.2";
    primary.role = "primary";
    primary.state = "serving";
    primary.timeline = 4294967295;
    primary.lsn = "16/B374D848";
    primary.weight = 3;
    primary.age_ms = 17;
    topology_row standby = primary;
    standby.host = "a";
    standby.role = "standby";
    standby.state = "late";
    standby.received = "16/B374D000";
    standby.lag_bytes = 5000000000;
    standby.lag_ms = 1500;
    standby.why = "is far behind";
    topology_row unknown;
    unknown.database = "app";
    unknown.host = "c";
    unknown.role = "unknown";
    unknown.state = "unreachable";
    data.topology = {primary, standby, unknown};
    EXPECT_EQ(
        header(show_kind::topology),
        "T database:25 cluster:23 host:25 port:23 address:25 role:25 state:25 timeline:20 lsn:25 "
        "received:25 lag_bytes:20 lag_ms:20 weight:23 age_ms:20 why:25"
    );
    EXPECT_THAT(
        rows(show_kind::topology, data),
        ElementsAre(
            "D app|0|c|0|NULL|unknown|unreachable|NULL|NULL|NULL|NULL|NULL|1|NULL|",
            "D shop|2|b|5432|10.0.0.2|primary|serving|4294967295|16/B374D848|NULL|NULL|NULL|3|17|",
            "D shop|2|a|5432|10.0.0.2|standby|late|4294967295|16/B374D848|16/B374D000|5000000000|"
            "1500|3|17|is far behind"
        )
    );
}

TEST(ShowTest, MemAndNamesOfHosts) {
    snapshot data;
    data.mem.push_back({"client_cache", 512, 10, 2, 6144});
    data.dns_hosts.push_back({"db1", 15, "10.0.0.1,10.0.0.2"});
    data.dns_zones.push_back({"example.org", 2'024'010'101'000, 3});
    data.peer_pools.push_back({7, 1, 2, 3, 4});
    EXPECT_THAT(rows(show_kind::mem, data), ElementsAre("D client_cache|512|10|2|6144"));
    EXPECT_THAT(rows(show_kind::dns_hosts, data), ElementsAre("D db1|15|10.0.0.1,10.0.0.2"));
    EXPECT_THAT(rows(show_kind::dns_zones, data), ElementsAre("D example.org|2024010101000|3"));
    EXPECT_THAT(rows(show_kind::peer_pools, data), ElementsAre("D 7|1|2|3|4"));
}

TEST(ShowTest, TheFirstVersionNumberIsThatOfTheConsole) {
    const auto lines = shown(show_kind::version);
    std::smatch number;
    ASSERT_TRUE(std::regex_search(lines.at(1), number, std::regex(R"(\d+\.\d+\.\d+)")));
    EXPECT_EQ(number.str(), "1.25.2");
    EXPECT_NE(lines.at(1).find("pgweir " PGWEIR_VERSION), std::string::npos);
}

TEST(ShowTest, HelpIsANoticeWithoutRows) {
    const auto lines = shown(show_kind::help);
    ASSERT_THAT(lines, SizeIs(2));
    EXPECT_EQ(lines[0].find("N NOTICE 00000 Console usage (\n\tSHOW HELP|CONFIG|"), 0U);
    EXPECT_EQ(lines[1], "C SHOW");
    EXPECT_EQ(column_count(show_kind::help), 0U);
}

TEST(ShowTest, AnInt4ThatDoesNotFitIsCutToTheLargest) {
    snapshot data;
    data.mem.push_back({"iobuf_cache", 4096, 0, 0, 5'000'000'000});
    EXPECT_THAT(rows(show_kind::mem, data), ElementsAre("D iobuf_cache|4096|0|0|2147483647"));
}

/// The fields of the only row, in binary.
std::vector<std::string> binary_row(show_kind what, const snapshot& data) {
    std::string out;
    put_show_rows(out, what, data, column_formats({1}));
    return test::row_fields(messages_in(out).at(0).body);
}

std::string bytes(std::initializer_list<int> values) {
    std::string made;
    for (const int value : values) {
        made += static_cast<char>(value);
    }
    return made;
}

TEST(BinaryFormatTest, Int4AndTextAreAsPostgresqlSendsThem) {
    snapshot data;
    data.peers.push_back({258, "peer", 6432, 20});
    EXPECT_THAT(
        binary_row(show_kind::peers, data),
        ElementsAre(bytes({0, 0, 1, 2}), "peer", bytes({0, 0, 0x19, 0x20}), bytes({0, 0, 0, 20}))
    );
}

TEST(BinaryFormatTest, Int8HasEightBytes) {
    snapshot data;
    data.dns_hosts.push_back({"db1", 0x0102030405, ""});
    EXPECT_THAT(
        binary_row(show_kind::dns_hosts, data),
        ElementsAre("db1", bytes({0, 0, 0, 1, 2, 3, 4, 5}), "")
    );
}

TEST(BinaryFormatTest, NumericHasDigitsOfBaseTenThousand) {
    snapshot data;
    data.stats.push_back({"shop", {}, {}});
    data.stats[0].total.server_assignment_count = 0;
    data.stats[0].total.xact_count = 42;
    data.stats[0].total.query_count = 1'0000'0000;
    data.stats[0].total.bytes_received = std::numeric_limits<std::uint64_t>::max();
    const auto fields = binary_row(show_kind::stats_totals, data);
    EXPECT_EQ(fields.at(1), bytes({0, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(fields.at(2), bytes({0, 1, 0, 0, 0, 0, 0, 0, 0, 42}));
    EXPECT_EQ(fields.at(3), bytes({0, 3, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}));
    // 1844 6744 0737 0955 1615
    EXPECT_EQ(
        fields.at(4),
        bytes({0, 5, 0, 4, 0, 0, 0, 0, 0x07, 0x34, 0x1a, 0x58, 0x02, 0xe1, 0x03, 0xbb, 0x06, 0x4f})
    );
}

TEST(BinaryFormatTest, AveragesHaveTwoDigitsBehindThePoint) {
    const auto average_of = [](std::uint64_t turns, std::uint64_t events) {
        snapshot data;
        data.workers.push_back({0, "epoll", 0, 0, turns, events, 0, 0, 0});
        return binary_row(show_kind::workers, data).at(6);
    };
    EXPECT_EQ(average_of(0, 0), bytes({0, 0, 0, 0, 0, 0, 0, 2}));
    EXPECT_EQ(average_of(100, 7), bytes({0, 1, 0xff, 0xff, 0, 0, 0, 2, 0x02, 0xbc}));
    EXPECT_EQ(average_of(1, 3), bytes({0, 1, 0, 0, 0, 0, 0, 2, 0, 3}));
    EXPECT_EQ(average_of(100, 314), bytes({0, 2, 0, 0, 0, 0, 0, 2, 0, 3, 0x05, 0x78}));
    EXPECT_EQ(average_of(1, 10'000), bytes({0, 2, 0, 1, 0, 0, 0, 2, 0, 1, 0, 0}));
}

TEST(BinaryFormatTest, FormatsMayDifferFromColumnToColumn) {
    snapshot data;
    data.lists.databases = 3;
    const column_formats formats({0, 1});
    EXPECT_TRUE(formats.fits(2));
    EXPECT_FALSE(formats.fits(3));
    std::string out;
    describe_show(out, show_kind::lists, formats);
    put_show_rows(out, show_kind::lists, data, formats);
    EXPECT_EQ(transcript(out).at(0), "T list:25 items:23:b");
    EXPECT_THAT(
        test::row_fields(messages_in(out).at(1).body), ElementsAre("databases", bytes({0, 0, 0, 3}))
    );
}

TEST(WelcomeTest, ParametersAreThoseOfPgbouncersConsole) {
    std::string out;
    put_console_welcome(out);
    EXPECT_THAT(
        transcript(out),
        ElementsAre(
            "S server_version=1.25.2/pgweir",
            "S client_encoding=UTF8",
            "S server_encoding=UTF8",
            "S DateStyle=ISO",
            "S TimeZone=GMT",
            "S standard_conforming_strings=on",
            "S is_superuser=on"
        )
    );
}

}  // namespace
}  // namespace pgweir::admin
