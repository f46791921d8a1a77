#include "cluster/dashboard_source.hpp"

#include "cluster/connection.hpp"
#include "cluster/lag_source.hpp"
#include "cluster/machine_facts.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <fstream>

namespace pgweir::cluster {

namespace {

std::uint64_t number(const std::optional<std::string>& text) {
    std::uint64_t value = 0;
    if (text) {
        std::from_chars(text->data(), text->data() + text->size(), value);
    }
    return value;
}

std::optional<server_load> ask_load(
    const cluster_settings& cluster, const node& server, const secret& password
) {
    auto opened = connection::open(
        {server.host,
         server.port,
         cluster.prober.name,
         "postgres",
         password,
         connection_kind::ordinary,
         seconds(2)}
    );
    if (!opened) {
        return std::nullopt;
    }
    const auto rows = opened->query(
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), "
        "current_setting('max_connections'), "
        "(SELECT sum(xact_commit + xact_rollback) FROM pg_stat_database)"
    );
    if (!rows || rows->empty()) {
        return std::nullopt;
    }
    const sql_row& row = rows->front();
    return server_load{
        static_cast<std::uint32_t>(number(row[0])),
        static_cast<std::uint32_t>(number(row[1])),
        number(row[2])};
}

std::string clock_text() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    std::array<char, 32> text{};
    const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &local);
    return {text.data(), length};
}

/// MemAvailable of /proc/meminfo, in bytes; what is free where there is no such file.
std::uint64_t available_memory() {
    std::ifstream file("/proc/meminfo");
    for (std::string word; file >> word;) {
        std::uint64_t kilobytes = 0;
        if (word == "MemAvailable:" && file >> kilobytes) {
            return kilobytes << 10U;
        }
    }
    return 0;
}

system_summary look_at_system(const cluster_settings& cluster) {
    system_summary system;
    std::array<double, 1> load{};
    if (::getloadavg(load.data(), 1) == 1) {
        system.load_average = load[0];
    }
    const auto facts = gather_facts(cluster.root);
    system.memory_bytes = facts.memory_bytes;
    system.memory_free_bytes = available_memory();
    system.disk_bytes = facts.disk_bytes;
    system.disk_free_bytes = facts.disk_free_bytes;
    return system;
}

void look_at_pooler(
    dashboard_view& view, const cluster_settings& cluster, const cluster_secrets& secrets
) {
    view.has_pooler = cluster.pooler.exists();
    view.pooler_address = fmt::format("{}:{}", cluster.pooler.host, cluster.pooler.port);
    if (!view.has_pooler) {
        return;
    }
    auto console = pooler_console::open(cluster, secrets.console);
    const auto sums = console ? console->sums() : console.error();
    if (sums) {
        view.pooler = *sums;
    } else {
        view.pooler_problem = sums.error().message;
    }
}

}  // namespace

dashboard_view look_around(const cluster_settings& cluster, const cluster_secrets& secrets) {
    dashboard_view view;
    view.cluster = cluster.name;
    view.clock = clock_text();
    for (const node* each : cluster.nodes()) {
        dashboard_server& server = view.servers.emplace_back();
        server.status = ask_node(cluster, *each, secrets.prober);
        if (server.status.state == run_state::running) {
            server.load = ask_load(cluster, *each, secrets.prober);
        }
    }
    auto lag = ask_lag(cluster, secrets.prober);
    if (lag) {
        view.lag = std::move(*lag);
    } else {
        view.lag_problem = lag.error().message;
    }
    look_at_pooler(view, cluster, secrets);
    view.system = look_at_system(cluster);
    return view;
}

}  // namespace pgweir::cluster
