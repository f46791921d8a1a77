#include "cluster/pooler.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace pgweir::cluster {

namespace {

/// For commands that have nothing to wait for.
constexpr milliseconds prompt{5000};

std::uint64_t count_in(const named_row& row, std::string_view column) {
    const auto found = row.find(column);
    std::uint64_t number = 0;
    if (found != row.end()) {
        std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
    }
    return number;
}

std::uint32_t small_count(const named_row& row, std::string_view column) {
    return static_cast<std::uint32_t>(count_in(row, column));
}

bool is(const named_row& row, std::string_view column, std::string_view value) {
    const auto found = row.find(column);
    return found != row.end() && found->second == value;
}

/// Servers of a row of SHOW POOLS, whatever they do.
std::uint32_t servers_in(const named_row& row) {
    std::uint32_t all = 0;
    for (const auto& [column, unused] : row) {
        if (column.rfind("sv_", 0) == 0) {
            all += small_count(row, column);
        }
    }
    return all;
}

std::string database_line(const std::string& name, const node& server, const std::string& real) {
    return fmt::format("{} = host={} port={} dbname={}\n", name, server.host, server.port, real);
}

/// All servers in an order that no change of primary changes, so that pgweir goes on with what it
/// knows of them.
std::string routed_line(
    const std::string& name, const cluster_settings& cluster, std::string_view routing
) {
    std::vector<const node*> servers = cluster.nodes();
    std::sort(servers.begin(), servers.end(), [](const node* a, const node* b) {
        return a->name < b->name;
    });
    std::vector<std::string> hosts;
    std::vector<std::string> ports;
    for (const node* each : servers) {
        hosts.push_back(each->host);
        ports.push_back(std::to_string(each->port));
    }
    return fmt::format(
        "{} = host={} port={} dbname={} routing={}\n",
        name,
        fmt::join(hosts, ","),
        fmt::join(ports, ","),
        cluster.database,
        routing
    );
}

std::string routed_databases(const cluster_settings& cluster) {
    return fmt::format(
        "[databases]\n{}{}\n; As whom pgweir asks the servers which of them is the primary.\n"
        "[pgweir]\ntopology_user = {}\ntopology_password = {}\n",
        routed_line(cluster.database, cluster, "auto"),
        routed_line(cluster.pooler.read_database, cluster, "prefer-standby"),
        cluster.prober.name,
        cluster.prober.password_file.string()
    );
}

}  // namespace

bool is_so_already(std::string_view message) {
    return message.find("already suspended/paused") != message.npos ||
           message.find("not paused") != message.npos;
}

std::string databases_text(const cluster_settings& cluster) {
    const node& reads = cluster.standbys.empty() ? cluster.primary : cluster.standbys.front();
    return "; Where the servers are: written by pgweirctl at each change of primary, and read by\n"
           "; pgweir.ini with a line \"%include <this file>\".\n" +
           (cluster.pooler.routing
                ? routed_databases(cluster)
                : "[databases]\n" +
                      database_line(cluster.database, cluster.primary, cluster.database) +
                      database_line(cluster.pooler.read_database, reads, cluster.database));
}

result<pooler_console> pooler_console::open(
    const cluster_settings& cluster, const secret& password
) {
    auto opened = connection::open(
        {cluster.pooler.host,
         cluster.pooler.port,
         cluster.console.name,
         "pgbouncer",
         password,
         connection_kind::ordinary,
         seconds(3)}
    );
    if (!opened) {
        return opened.error();
    }
    return pooler_console(std::move(*opened));
}

result<void> pooler_console::pause(const std::string& database, milliseconds limit) {
    const auto answer = connection_.query_within("PAUSE " + database, limit);
    if (!answer && !is_so_already(answer.error().message)) {
        return failure{"PAUSE " + database + ": " + answer.error().message};
    }
    return {};
}

result<void> pooler_console::resume(const std::string& database) {
    const auto answer = connection_.query_within("RESUME " + database, prompt);
    if (!answer && !is_so_already(answer.error().message)) {
        return failure{"RESUME " + database + ": " + answer.error().message};
    }
    return {};
}

result<void> pooler_console::reload() {
    const auto answer = connection_.query_within("RELOAD", prompt);
    return answer ? result<void>{} : failure{"RELOAD: " + answer.error().message};
}

bool pooler_console::has_database(const std::string& database) {
    const auto rows = connection_.query_named("SHOW DATABASES", prompt);
    if (!rows) {
        return false;
    }
    for (const named_row& row : *rows) {
        if (is(row, "name", database)) {
            return true;
        }
    }
    return false;
}

result<pool_sight> pooler_console::pool_of(const std::string& database, const std::string& user) {
    const auto databases = connection_.query_named("SHOW DATABASES", prompt);
    const auto pools = databases ? connection_.query_named("SHOW POOLS", prompt) : databases;
    if (!pools) {
        return failure{pools.error().message};
    }
    pool_sight sight;
    bool found = false;
    for (const named_row& row : *databases) {
        if (is(row, "name", database)) {
            found = true;
            sight.size = small_count(row, "pool_size");
            sight.reserve = small_count(
                row, row.contains("reserve_pool_size") ? "reserve_pool_size" : "reserve_pool"
            );
        }
    }
    if (!found) {
        return failure{fmt::format("the pooler has no database {}", database)};
    }
    for (const named_row& row : *pools) {
        if (is(row, "database", database) && is(row, "user", user)) {
            sight.servers += servers_in(row);
            sight.clients += small_count(row, "cl_active");
            sight.waiting += small_count(row, "cl_waiting");
        }
    }
    return sight;
}

result<pooler_sums> pooler_console::sums() {
    pooler_sums sums;
    const auto pools = connection_.query_named("SHOW POOLS", prompt);
    const auto totals = pools ? connection_.query_named("SHOW STATS_TOTALS", prompt) : pools;
    if (!totals) {
        return failure{totals.error().message};
    }
    for (const named_row& row : *pools) {
        if (!is(row, "database", "pgbouncer")) {
            sums.clients += small_count(row, "cl_active") + small_count(row, "cl_waiting");
            sums.waiting += small_count(row, "cl_waiting");
            sums.servers += servers_in(row);
        }
    }
    for (const named_row& row : *totals) {
        if (!is(row, "database", "pgbouncer")) {
            sums.transactions += count_in(row, "xact_count");
            sums.queries += count_in(row, "query_count");
        }
    }
    const auto version = connection_.query_within("SHOW VERSION", prompt);
    if (version && !version->empty() && version->front().front()) {
        sums.version = *version->front().front();
    }
    return sums;
}

result<double> pooler_console::number(std::string_view key) {
    const auto rows = connection_.query_named("SHOW CONFIG", prompt);
    if (!rows) {
        return failure{rows.error().message};
    }
    for (const named_row& row : *rows) {
        const auto value = row.find("value");
        if (is(row, "key", key) && value != row.end()) {
            double number = 0;
            std::from_chars(
                value->second.data(), value->second.data() + value->second.size(), number
            );
            return number;
        }
    }
    return failure{fmt::format("the pooler has no setting {}", key)};
}

result<connection> connect_through_pooler(
    const cluster_settings& cluster, const secret& application, const std::string& database
) {
    return connection::open(
        {cluster.pooler.host,
         cluster.pooler.port,
         cluster.application.name,
         database,
         application,
         connection_kind::ordinary,
         seconds(5)}
    );
}

}  // namespace pgweir::cluster
