#pragma once

// What a reload changes. The server compares the running configuration with the one just loaded,
// keeps what only a restart may change, and tells the pools which servers are out of date. Pure.

#include "config/settings.hpp"

#include <memory>
#include <string>
#include <vector>

namespace pgweir::config {

/// Names are those of the entries in [databases], in order.
struct change_set {
    std::vector<std::string> databases_added;
    std::vector<std::string> databases_removed;
    /// Their servers must be closed when they are free: another place, user or query at connect.
    std::vector<std::string> databases_changed;
    /// The same for databases made from the template "*"; also true when it came or went.
    bool autodb_changed = false;
    /// Keys that were changed in the file and keep their running value until a restart.
    std::vector<std::string> restart_only_changed;
};

change_set compare(const configuration& running, const configuration& fresh);

/// The fresh configuration with the running values of the keys that only a restart can change.
std::shared_ptr<const configuration> keep_restart_only(
    const configuration& running, const configuration& fresh
);

}  // namespace pgweir::config
