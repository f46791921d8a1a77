#pragma once

// What must hold of a primary, a standby and the replication between them, each as a named check
// with a hint. The lists are data; the checker looks, changes nothing, and says for each what it
// found instead. Blocking; one thread.

#include "base/clock.hpp"
#include "cluster/executor.hpp"
#include "cluster/settings.hpp"

#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace pgweir::cluster {

namespace look {

/// One value, as superuser over the Unix socket of a server on this machine.
struct local_value {
    node server;
    std::string statement;
    std::string expected;
};

/// One value of the primary's, as the prober over the network: the primary may be elsewhere.
struct primary_value {
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

struct file_exists {
    std::filesystem::path path;
};

/// PostgreSQL takes 0700 and 0750.
struct private_directory {
    std::filesystem::path path;
};

/// No FATAL or PANIC of the server's own since it started.
struct clean_log {
    node server;
};

}  // namespace look

using sight = std::variant<
    look::local_value,
    look::primary_value,
    look::refused,
    look::replication_login,
    look::file_exists,
    look::private_directory,
    look::clean_log>;

struct check {
    std::string name;
    std::string hint;
    sight what;
    seconds patience{0};  ///< How long it may take to come true.
};

std::vector<check> primary_checks(const cluster_settings& cluster);
std::vector<check> standby_checks(const cluster_settings& cluster, const node& standby);
std::vector<check> replication_checks(const node& standby);

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
    std::optional<std::string> see(const look::local_value& what) const;
    std::optional<std::string> see(const look::primary_value& what) const;
    std::optional<std::string> see(const look::refused& what) const;
    std::optional<std::string> see(const look::replication_login& what) const;
    std::optional<std::string> see(const look::file_exists& what) const;
    std::optional<std::string> see(const look::private_directory& what) const;
    std::optional<std::string> see(const look::clean_log& what) const;

    const cluster_settings& cluster_;
    const cluster_secrets& secrets_;
    const executor& machine_;
};

}  // namespace pgweir::cluster
