#pragma once

// What must hold of a cluster, as thirty named checks with hints, in five groups. The lists are
// data; a check that concerns every standby looks at each of them. Apart from the exercises nothing
// is changed. Blocking; one thread.

#include "base/clock.hpp"
#include "cluster/executor.hpp"
#include "cluster/exercise.hpp"
#include "cluster/lag.hpp"
#include "cluster/settings.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pgweir::cluster {

namespace look {

/// One value, as superuser over the Unix socket of a server on this machine; as the prober over the
/// network when it is on another.
struct server_value {
    node server;
    std::string statement;
    std::string expected;
};

/// A statement that the server must refuse; it runs inside a transaction that is rolled back.
struct refused {
    node server;
    std::string statement;
    std::string sqlstate;
};

/// The replication role logs in and starts to speak the replication protocol.
struct replication_login {};

/// A file in the data directory of a server on this machine.
struct data_file {
    node server;
    std::string name;
};

/// PostgreSQL takes 0700 and 0750.
struct private_data {
    node server;
};

/// No FATAL or PANIC of the server's own since it started.
struct clean_log {
    node server;
};

/// No standby has reached these limits.
struct lag_below {
    lag_limits limits;
};

/// Rows arrive at every standby.
struct rows_arrive {
    row_exercise rows;
};

/// Somebody listens at the pooler's address.
struct pooler_listens {};

/// A query of the application through the pooler; it must end at such a server.
struct pooled_query {
    std::string database;
    std::optional<server_role> ends_at;
};

struct console_answers {};

struct pool_is_bounded {};

struct reserve_is_late {};

/// The verdict on this moment's lag is right with limits below, at and above it.
struct verdicts_are_right {};

struct dashboard_draws {};

}  // namespace look

using sight = std::variant<
    look::server_value,
    look::refused,
    look::replication_login,
    look::data_file,
    look::private_data,
    look::clean_log,
    look::lag_below,
    look::rows_arrive,
    look::pooler_listens,
    look::pooled_query,
    look::console_answers,
    look::pool_is_bounded,
    look::reserve_is_late,
    look::verdicts_are_right,
    look::dashboard_draws>;

enum class check_effort {
    look,      ///< Changes nothing.
    exercise,  ///< Writes rows or fills the pool.
};

struct check {
    std::string name;  ///< "primary: wal_level is replica": the group stands before the colon.
    std::string hint;
    std::vector<sight> what;  ///< All of them must hold.
    seconds patience{0};      ///< How long it may take to come true.
    check_effort effort = check_effort::look;
    bool applies = true;  ///< Those of the pooler do not where there is none.
};

std::vector<check> primary_checks(const cluster_settings& cluster);
std::vector<check> standby_checks(
    const cluster_settings& cluster, const std::vector<node>& standbys
);
std::vector<check> replication_checks(
    const cluster_settings& cluster, const std::vector<node>& standbys
);
std::vector<check> pooler_checks(const cluster_settings& cluster);
std::vector<check> monitoring_checks();

/// The first six, eight and the two of replication that a new standby must pass at once.
std::vector<check> checks_of_new_standby(const cluster_settings& cluster, const node& standby);

/// All thirty.
std::vector<check> all_checks(const cluster_settings& cluster);

class checker {
public:
    /// The three must outlive it.
    checker(
        const cluster_settings& cluster, const cluster_secrets& secrets, const executor& machine
    )
        : cluster_(cluster), secrets_(secrets), machine_(machine) {}

    /// Nothing when it holds, else what was found instead.
    std::optional<std::string> problem_of(const check& each) const;

private:
    std::optional<std::string> problem_now(const check& each) const;

    std::optional<std::string> see(const look::server_value& what) const;
    std::optional<std::string> see(const look::refused& what) const;
    std::optional<std::string> see(const look::replication_login& what) const;
    std::optional<std::string> see(const look::data_file& what) const;
    std::optional<std::string> see(const look::private_data& what) const;
    std::optional<std::string> see(const look::clean_log& what) const;
    std::optional<std::string> see(const look::lag_below& what) const;
    std::optional<std::string> see(const look::rows_arrive& what) const;
    std::optional<std::string> see(const look::pooler_listens& what) const;
    std::optional<std::string> see(const look::pooled_query& what) const;
    std::optional<std::string> see(const look::console_answers& what) const;
    std::optional<std::string> see(const look::pool_is_bounded& what) const;
    std::optional<std::string> see(const look::reserve_is_late& what) const;
    std::optional<std::string> see(const look::verdicts_are_right& what) const;
    std::optional<std::string> see(const look::dashboard_draws& what) const;

    result<connection> connect(const node& server) const;

    const cluster_settings& cluster_;
    const cluster_secrets& secrets_;
    const executor& machine_;
};

}  // namespace pgweir::cluster
