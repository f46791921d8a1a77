#include "cluster/exercise.hpp"

#include "cluster/connection.hpp"
#include "cluster/pooler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace pgweir::cluster {

namespace {

using clock = std::chrono::steady_clock;
using problem = std::optional<std::string>;

/// How long replication of a few rows, or an answer of the pool, may take.
constexpr seconds patience{15};

result<connection> as_application(
    const cluster_settings& cluster, const cluster_secrets& secrets, const node& server
) {
    return connection::open(
        {server.host,
         server.port,
         cluster.application.name,
         cluster.database,
         secrets.application,
         connection_kind::ordinary}
    );
}

constexpr const char* drop_schema = "DROP SCHEMA IF EXISTS pgweir_check CASCADE";

problem run_all(connection& server, const std::vector<std::string>& statements) {
    for (const std::string& each : statements) {
        if (const auto answer = server.query(each); !answer) {
            return fmt::format("{}: {}", each, answer.error().message);
        }
    }
    return std::nullopt;
}

/// Waits until the standby shows the rows.
problem wait_for_rows(connection& standby, const std::string& name, const row_exercise& what) {
    const std::string expected = fmt::format("{}/{}", what.rows, what.updates);
    const auto limit = clock::now() + patience;
    std::string found;
    do {
        // Until replay has brought the table, there is none.
        const auto seen = standby.value(
            "SELECT count(*) || '/' || count(*) FILTER (WHERE v = 1) FROM pgweir_check.rows"
        );
        found = seen ? seen->value_or("nothing") : seen.error().message;
        if (found == expected) {
            return std::nullopt;
        }
        std::this_thread::sleep_for(milliseconds(20));
    } while (clock::now() < limit);
    return fmt::format(
        "{} shows {} rows/updates after {} s, expected {}", name, found, patience.count(), expected
    );
}

problem write_and_wait(
    const cluster_settings& cluster,
    const cluster_secrets& secrets,
    connection& primary,
    const row_exercise& what
) {
    const auto failed = run_all(
        primary,
        {drop_schema,
         "CREATE SCHEMA pgweir_check",
         "CREATE TABLE pgweir_check.rows (id int PRIMARY KEY, v int NOT NULL DEFAULT 0)",
         fmt::format("INSERT INTO pgweir_check.rows SELECT generate_series(1, {})", what.rows),
         fmt::format("UPDATE pgweir_check.rows SET v = 1 WHERE id <= {}", what.updates)}
    );
    if (failed) {
        return failed;
    }
    for (const node& each : cluster.standbys) {
        auto standby = as_application(cluster, secrets, each);
        if (!standby) {
            return fmt::format("{}: {}", each.name, standby.error().message);
        }
        if (auto missing = wait_for_rows(*standby, each.name, what)) {
            return missing;
        }
    }
    return std::nullopt;
}

/// Clients of the pooler, all with a statement under way.
class crowd {
public:
    crowd(const cluster_settings& cluster, const cluster_secrets& secrets)
        : cluster_(cluster), secrets_(secrets) {}

    problem grow_to(std::size_t count) {
        while (clients_.size() < count) {
            auto opened = connect_through_pooler(cluster_, secrets_.application, cluster_.database);
            if (!opened) {
                return fmt::format("client {}: {}", clients_.size() + 1, opened.error().message);
            }
            clients_.push_back(std::move(*opened));
        }
        return std::nullopt;
    }

    problem begin(std::size_t first, const std::string& statement) {
        for (std::size_t i = first; i < clients_.size(); ++i) {
            if (const auto sent = clients_[i].begin(statement); !sent) {
                return sent.error().message;
            }
        }
        return std::nullopt;
    }

    /// Collects the first column of the answers of clients [first, last).
    problem finish(
        std::size_t first, std::size_t last, milliseconds limit, std::set<std::string>& values
    ) {
        for (std::size_t i = first; i < last; ++i) {
            const auto rows = clients_[i].finish(limit);
            if (!rows) {
                return fmt::format("client {}: {}", i + 1, rows.error().message);
            }
            values.insert(rows->front().front().value_or(""));
        }
        return std::nullopt;
    }

    std::size_t size() const noexcept { return clients_.size(); }

private:
    const cluster_settings& cluster_;
    const cluster_secrets& secrets_;
    std::vector<connection> clients_;
};

/// What the pool has, seen on the console.
result<pool_sight> look_at_pool(pooler_console& console, const cluster_settings& cluster) {
    return console.pool_of(cluster.database, cluster.application.name);
}

problem fill_and_watch(
    const cluster_settings& cluster,
    const cluster_secrets& secrets,
    pooler_console& console,
    const pool_sight& pool,
    milliseconds timeout
) {
    const auto hold = timeout + milliseconds(3000);
    crowd clients(cluster, secrets);
    if (auto failed = clients.grow_to(pool.size)) {
        return failed;
    }
    const auto begun = clock::now();
    if (auto failed = clients.begin(
            0, fmt::format("SELECT pg_sleep({:.1f})", static_cast<double>(hold.count()) / 1000)
        )) {
        return failed;
    }
    const std::size_t sleepers = clients.size();
    if (auto failed = clients.grow_to(sleepers + std::min<std::size_t>(pool.reserve, 2))) {
        return failed;
    }
    if (auto failed = clients.begin(sleepers, "SELECT 1")) {
        return failed;
    }
    std::this_thread::sleep_until(begun + timeout * 6 / 10);
    const auto before = look_at_pool(console, cluster);
    if (!before) {
        return before.error().message;
    }
    if (before->servers > pool.size) {
        return fmt::format(
            "{} servers before the timeout of {} ms, the pool has {}",
            before->servers,
            timeout.count(),
            pool.size
        );
    }
    std::set<std::string> values;
    const auto until_sleepers_end =
        std::chrono::duration_cast<milliseconds>(begun + hold - clock::now());
    if (auto failed = clients.finish(sleepers, clients.size(), until_sleepers_end, values)) {
        return "the reserve did not come: " + *failed;
    }
    const auto after = look_at_pool(console, cluster);
    if (!after) {
        return after.error().message;
    }
    if (after->servers > pool.size + pool.reserve) {
        return fmt::format(
            "{} servers, the pool has {} and {} in reserve", after->servers, pool.size, pool.reserve
        );
    }
    return clients.finish(0, sleepers, hold + patience, values);
}

}  // namespace

std::optional<std::string> exercise_rows(
    const cluster_settings& cluster, const cluster_secrets& secrets, const row_exercise& what
) {
    if (cluster.standbys.empty()) {
        return "there is no standby in cluster.ini";
    }
    auto primary = as_application(cluster, secrets, cluster.primary);
    if (!primary) {
        return primary.error().message;
    }
    auto found = write_and_wait(cluster, secrets, *primary, what);
    const auto dropped = primary->query(drop_schema);
    if (!found && !dropped) {
        found = dropped.error().message;
    }
    return found;
}

std::optional<std::string> exercise_pool(
    const cluster_settings& cluster, const cluster_secrets& secrets
) {
    auto console = pooler_console::open(cluster, secrets.console);
    const auto pool = console ? look_at_pool(*console, cluster) : console.error();
    if (!pool) {
        return pool.error().message;
    }
    crowd clients(cluster, secrets);
    if (auto failed = clients.grow_to(std::max<std::size_t>(50, 2 * std::size_t{pool->size}))) {
        return failed;
    }
    std::set<std::string> servers;
    for (int round = 0; round < 4; ++round) {
        auto failed = clients.begin(0, "SELECT pg_backend_pid() FROM pg_sleep(0.02)");
        if (!failed) {
            failed = clients.finish(0, clients.size(), patience, servers);
        }
        if (failed) {
            return failed;
        }
    }
    if (servers.size() > pool->size) {
        return fmt::format(
            "{} clients used {} servers, the pool has {}",
            clients.size(),
            servers.size(),
            pool->size
        );
    }
    return std::nullopt;
}

std::optional<std::string> exercise_reserve(
    const cluster_settings& cluster, const cluster_secrets& secrets
) {
    auto console = pooler_console::open(cluster, secrets.console);
    const auto pool = console ? look_at_pool(*console, cluster) : console.error();
    if (!pool) {
        return pool.error().message;
    }
    if (pool->reserve == 0) {
        return "reserve_pool_size is 0: there is no reserve";
    }
    const auto timeout = console->number("reserve_pool_timeout");
    if (!timeout) {
        return timeout.error().message;
    }
    return fill_and_watch(
        cluster, secrets, *console, *pool, milliseconds(static_cast<long>(*timeout * 1000))
    );
}

}  // namespace pgweir::cluster
