#pragma once

// pgweir as its operators' tools see it: its console, where work is held and let go, and the file
// that says where the servers are. The text of the file is pure; the console is blocking, with a
// bound for everything. One thread.

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "cluster/connection.hpp"
#include "cluster/secrets.hpp"
#include "cluster/settings.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::cluster {

/// One database's pool of one user, as SHOW DATABASES and SHOW POOLS have it.
struct pool_sight {
    std::uint32_t size = 0;
    std::uint32_t reserve = 0;
    std::uint32_t servers = 0;
    std::uint32_t clients = 0;
    std::uint32_t waiting = 0;
};

/// Sums over everything that the pooler does.
struct pooler_sums {
    std::uint32_t clients = 0;
    std::uint32_t waiting = 0;
    std::uint32_t servers = 0;
    std::uint64_t transactions = 0;  ///< Since its start.
    std::uint64_t queries = 0;
    std::string version;
};

class pooler_console {
public:
    static result<pooler_console> open(const cluster_settings& cluster, const secret& password);

    /// Holds new work of the database and waits until running transactions have ended; a failure
    /// when they have not within the limit (the work stays held then: resume it, on a console of
    /// its own). Already held is fine.
    result<void> pause(const std::string& database, milliseconds limit);

    /// Lets go. What is not held is fine.
    result<void> resume(const std::string& database);

    /// Has it read its configuration again.
    result<void> reload();

    bool has_database(const std::string& database);
    result<pool_sight> pool_of(const std::string& database, const std::string& user);
    result<pooler_sums> sums();

    /// A value of SHOW CONFIG, in seconds or counts.
    result<double> number(std::string_view key);

private:
    explicit pooler_console(connection&& opened) : connection_(std::move(opened)) {}

    connection connection_;
};

/// A connection of the application's through the pooler.
result<connection> connect_through_pooler(
    const cluster_settings& cluster, const secret& application, const std::string& database
);

/// True of the console's answer to a PAUSE that holds already, or to a RESUME of what is not held.
bool is_so_already(std::string_view message);

/// What pgweir.ini includes: the database at the primary, and its twin for reads at the first
/// standby (at the primary when there is none); with routing, both at all servers.
std::string databases_text(const cluster_settings& cluster);

}  // namespace pgweir::cluster
