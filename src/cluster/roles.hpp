#pragma once

// Which server is the primary now. cluster.ini says which one was the first; after a promotion it
// is another. Servers that answer decide (the highest timeline wins, a lower one was left behind);
// when none answers as a primary, the state file does, which each change of primary writes (one
// that had begun may have come to its promotion: then the target's data says so); without it, the
// data directories. Deciding is pure; looking is blocking.

#include "base/result.hpp"
#include "base/secret.hpp"
#include "cluster/settings.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::cluster {

/// What is seen of one server.
struct role_sighting {
    std::string name;
    std::optional<server_role> answers_as;  ///< Nothing: it does not answer.
    unsigned timeline = 0;                  ///< Of a primary that answers.
    std::optional<server_role> data_of;  ///< Of its data directory, when that is on this machine.
};

/// The same cluster with another of its servers as the primary. REQUIRES: a server of that name.
cluster_settings with_primary(const cluster_settings& cluster, std::string_view name);

/// A change of primary that has begun; a killed one is found here and finished.
struct pending_change {
    std::string from;
    std::string to;
};

/// What outlives a command.
struct cluster_state {
    std::string primary;
    std::optional<pending_change> pending;
};

/// The name of the primary. `state` is the state file's content, or empty.
std::string choose_primary(
    const cluster_settings& cluster,
    const std::vector<role_sighting>& sightings,
    const cluster_state& state
);

std::string state_text(const cluster_state& state);
cluster_state state_from(std::string_view text);

/// The state file's content; empty when there is none or it is of another cluster.
cluster_state read_state(const cluster_settings& cluster);

/// Looks at every server: as the prober over the network when there is a password, and at data
/// directories on this machine.
std::vector<role_sighting> look_at_roles(
    const cluster_settings& cluster, const std::optional<secret>& prober_password
);

}  // namespace pgweir::cluster
