#pragma once

// PostgreSQL's programs: where they are, and how one is run. Finding them is pure over a list of
// candidates; running is behind an interface, so that this layer starts no process by itself.

#include "base/result.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::cluster {

struct program_output {
    int exit_code = 0;
    std::string text;  ///< Standard output and error, as they came.
};

enum class program_progress {
    quiet,  ///< Output is collected.
    shown,  ///< Standard error goes to the terminal, if there is one: progress of long copies.
};

class program_runner {
public:
    virtual ~program_runner() = default;

    /// Runs a program to its end, with LC_ALL=C and none of the caller's PG* variables. Fails if it
    /// could not be started; an exit code other than 0 is no failure.
    virtual result<program_output> run(
        const std::filesystem::path& program,
        const std::vector<std::string>& arguments,
        program_progress progress
    ) = 0;
};

/// A folder that may hold PostgreSQL's server programs.
struct bin_candidate {
    std::filesystem::path folder;
    int major = 0;
};

/// Folders with initdb, pg_ctl, postgres and pg_basebackup: on PATH first, then where Debian, Red
/// Hat and Homebrew put them (cron's PATH has none of these). `path` is the value of $PATH.
std::vector<std::filesystem::path> bin_folders(const std::string& path);

/// True if the folder has all the programs that pgweirctl runs.
bool has_programs(const std::filesystem::path& folder);

/// The version from "postgres (PostgreSQL) 15.3 (Debian …)", 0 when there is none.
int major_in(const std::string& version_text);

/// The candidate of the wanted major version, else none; without a wanted version the first on
/// PATH counts as much as any: the newest wins.
std::optional<bin_candidate> choose_bin(
    const std::vector<bin_candidate>& candidates, std::optional<int> wanted_major
);

/// The major version in a data directory's PG_VERSION.
std::optional<int> major_of_data(const std::filesystem::path& data);

}  // namespace pgweir::cluster
