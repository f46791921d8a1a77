#pragma once

// From a file in PgBouncer's dialect to a configuration: all of it or nothing. A failure names the
// file and line, what is wrong and what was expected there. Keys that pgweir knows but does not
// carry out yet are accepted and reported in configuration::warnings when they are set to something
// else than their default. Any thread; reads files, so not on a thread that serves clients.

#include "base/result.hpp"
#include "config/settings.hpp"

#include <memory>
#include <string>

namespace pgweir::config {

/// Reads `path` and the files that it includes.
result<std::shared_ptr<const configuration>> load(const std::string& path);

}  // namespace pgweir::config
