#pragma once

// From a file in PgBouncer's dialect to a configuration: all of it or nothing. A failure names the
// file and line, what is wrong and what was expected there. Keys that pgweir knows but does not
// carry out yet are accepted and reported in configuration::warnings when they are set to something
// else than their default. Any thread; reads files, so not on a thread that serves clients.
//
// Where PgBouncer loses something silently, we do not: a second [pgbouncer] section goes on with
// the settings of the first (PgBouncer sets all of them back to their defaults), and an entry that
// replaces one of the same name is reported.

#include "base/result.hpp"
#include "config/ini_reader.hpp"
#include "config/settings.hpp"

#include <memory>
#include <string>

namespace pgweir::config {

/// Reads `path` and the files that it includes.
result<std::shared_ptr<const configuration>> load(const std::string& path);

/// The same with files from elsewhere than the disk.
result<std::shared_ptr<const configuration>> load_from(
    const std::string& path, const file_source& open
);

}  // namespace pgweir::config
