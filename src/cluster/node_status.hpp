#pragma once

// What `pgweirctl status` shows: the state of each server, asked as the prober over the network, so
// that it is what an application would find. Gathering is blocking; drawing is pure.

#include "cluster/secrets.hpp"
#include "cluster/settings.hpp"

#include <optional>
#include <string>
#include <vector>

namespace pgweir::cluster {

enum class run_state {
    running,      ///< Answers.
    silent,       ///< Its process lives, but nobody could log in; see the note.
    stopped,      ///< Has a data directory on this machine, and no process.
    not_created,  ///< Has no data directory here and does not answer.
};

struct node_status {
    std::string name;
    std::string host;
    std::uint16_t port = 0;
    run_state state = run_state::not_created;
    server_role expected_role = server_role::primary;
    std::optional<server_role> role;
    std::optional<unsigned> timeline;
    std::string replication;  ///< "streaming from …", "1 of 1 standbys stream".
    std::string lag;          ///< Of a standby, seen by itself.
    bool healthy = false;
    std::string note;
};

/// Without the prober's password (nothing was created yet) only processes are looked at.
node_status ask_node(
    const cluster_settings& cluster,
    const node& server,
    const std::optional<secret>& prober_password
);

/// A table with one line for each server, notes below it.
/// Servers that take writes; more than one when an old primary came back.
std::vector<std::string> primaries_among(const std::vector<node_status>& nodes);

std::string draw_status(const std::vector<node_status>& nodes);

}  // namespace pgweir::cluster
