#include "cluster/dashboard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace pgweir::cluster {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
        lines.push_back(line);
    }
    return lines;
}

/// Columns that a line takes: no escape sequences, characters rather than bytes.
std::size_t width_of(const std::string& line) {
    std::size_t width = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\x1b') {
            i = line.find('m', i);
        } else if ((static_cast<unsigned char>(line[i]) & 0xc0U) != 0x80U) {
            ++width;
        }
    }
    return width;
}

dashboard_server server(const std::string& name, server_role role, std::uint32_t connections) {
    dashboard_server made;
    made.status.name = name;
    made.status.host = "127.0.0.1";
    made.status.port = 5432;
    made.status.state = run_state::running;
    made.status.role = role;
    made.status.healthy = true;
    made.load = server_load{connections, 100, 0};
    return made;
}

dashboard_view healthy_view() {
    dashboard_view view;
    view.cluster = "shop";
    view.clock = "2024-05-01 12:00:00";
    view.servers = {
        server("primary", server_role::primary, 10), server("east", server_role::standby, 3)};
    lag_figures figures;
    figures.standby = "east";
    figures.state = "streaming";
    figures.replay_bytes = 0;
    view.lag = {figures};
    view.pooler = pooler_sums{50, 0, 25, 0, 0, ""};
    view.pooler_address = "127.0.0.1:6432";
    view.system = {0.5, 16ULL << 30U, 12ULL << 30U, 100ULL << 30U, 60ULL << 30U};
    return view;
}

std::string drawn(const dashboard_view& view, const drawing& how = {100, 40, false}) {
    return draw_dashboard(view, {}, {}, how);
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

TEST(DashboardTest, EverythingHasItsPlace) {
    const auto picture = drawn(healthy_view());
    for (const char* part :
         {"pgweir cluster shop",
          "PRIMARY",
          "read-write",
          "10 of 100 connections",
          "STANDBY",
          "read-only",
          "REPLICATION",
          "streaming",
          "POOLER",
          "50 clients",
          "25 servers",
          "SYSTEM",
          "4.0 GB of 16.0 GB",
          "HISTORY",
          "throughput"}) {
        EXPECT_TRUE(has(picture, part)) << part << " is not in\n" << picture;
    }
}

TEST(DashboardTest, ItFitsEveryTerminal) {
    for (const std::size_t columns : {1U, 20U, 80U, 200U}) {
        for (const std::size_t rows : {1U, 5U, 24U}) {
            for (const bool colours : {false, true}) {
                const auto lines = lines_of(drawn(healthy_view(), {columns, rows, colours}));
                EXPECT_LE(lines.size(), rows);
                for (const auto& line : lines) {
                    EXPECT_LE(width_of(line), columns) << line;
                }
            }
        }
    }
}

TEST(DashboardTest, ColoursAreOnlyForWhoeverWantsThem) {
    EXPECT_FALSE(has(drawn(healthy_view()), "\x1b"));
    EXPECT_TRUE(has(drawn(healthy_view(), {100, 40, true}), "\x1b[32m"));
}

TEST(DashboardTest, RedAndYellowShowWhatIsWrong) {
    const drawing colours{100, 40, true};
    auto view = healthy_view();
    EXPECT_FALSE(has(drawn(view, colours), "\x1b[31m"));
    EXPECT_FALSE(has(drawn(view, colours), "\x1b[33m"));
    view.servers[0].load->connections = 80;
    EXPECT_TRUE(has(drawn(view, colours), "\x1b[33m80 of 100 connections"));
    view.servers[0].load->connections = 95;
    EXPECT_TRUE(has(drawn(view, colours), "\x1b[31m95 of 100 connections"));
    view.lag[0].replay_bytes = 20ULL << 20U;
    EXPECT_TRUE(has(drawn(view, colours), "\x1b[33mstreaming"));
    view.pooler.reset();
    EXPECT_TRUE(has(drawn(view, colours), "\x1b[31mdown"));
}

TEST(DashboardTest, AServerThatIsDownStaysInItsPlace) {
    auto view = healthy_view();
    view.servers[1].status = {};
    view.servers[1].status.name = "east";
    view.servers[1].status.expected_role = server_role::standby;
    view.servers[1].load.reset();
    const auto picture = drawn(view);
    EXPECT_LT(picture.find("STANDBY"), picture.find("  east "));
    EXPECT_TRUE(has(picture, "down"));
}

TEST(DashboardTest, SparklinesScaleToTheirLargestValue) {
    EXPECT_EQ(sparkline({0, 1, 2, 4}, 4), "▁▃▅█");
    EXPECT_EQ(sparkline({0, 0}, 4), "▁▁  ");
    EXPECT_EQ(sparkline({1, 2, 3, 4, 4}, 2), "██");
    EXPECT_EQ(sparkline({}, 3), "   ");
}

TEST(DashboardTest, ThroughputIsTransactionsOverTime) {
    dashboard_history history;
    auto view = healthy_view();
    steady_time now{};
    history.add(view, now);
    EXPECT_TRUE(history.transactions_per_second().empty());
    view.servers[0].load->transactions = 500;
    history.add(view, now += seconds(5));
    ASSERT_EQ(history.transactions_per_second().size(), 1U);
    EXPECT_DOUBLE_EQ(history.transactions_per_second().back(), 100);
}

TEST(DashboardTest, ANewPrimaryWithFewerTransactionsIsNoThroughput) {
    dashboard_history history;
    auto view = healthy_view();
    view.servers[0].load->transactions = 500;
    history.add(view, steady_time{});
    view.servers[0].load->transactions = 5;
    history.add(view, steady_time{} + seconds(5));
    EXPECT_TRUE(history.transactions_per_second().empty());
}

TEST(DashboardTest, HistoryIsBounded) {
    dashboard_history history;
    for (int i = 0; i < 1000; ++i) {
        history.add(healthy_view(), steady_time{} + seconds(i));
    }
    EXPECT_EQ(history.lag_bytes().size(), 120U);
}

}  // namespace
}  // namespace pgweir::cluster
