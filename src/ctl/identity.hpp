#pragma once

// Whose the servers are. PostgreSQL refuses to run as root, so under root the whole program becomes
// the servers' user before it touches a file: everything below the cluster's root then belongs to
// that user, and no file is ever written with root's rights where another user could have put a
// link. As an ordinary user it stays who it is.

#include "base/result.hpp"
#include "cluster/runner.hpp"
#include "cluster/settings.hpp"

#include <filesystem>
#include <string>

namespace pgweir::ctl {

/// What a command is about.
enum class purpose {
    looking,     ///< Over the network: it writes nothing, and needs none of PostgreSQL's programs.
    backing_up,  ///< It may take hours, and keeps no change of primary waiting.
    changing,
};

/// Returns the name of the user that the program now is. As root, and to change something, it first
/// makes the cluster's root folder and gives it to that user (not in a dry run). Leaves the working
/// directory for /, which every user may enter. REQUIRES: one thread, files that only root may read
/// have been read.
result<std::string> become_server_user(
    const cluster::cluster_settings& settings, cluster::run_mode mode, purpose what
);

/// As root: goes on in a child, waits for it, and takes away the cluster's root folder if it is
/// empty then, which the servers' user may have no right to do. Returns in the child alone, or at
/// once when the program is not root's. REQUIRES: one thread, nothing printed yet.
void clear_root_afterwards(const std::filesystem::path& root);

}  // namespace pgweir::ctl
