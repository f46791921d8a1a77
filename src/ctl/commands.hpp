#pragma once

// The commands of pgweirctl: each gathers what its plan needs, has it carried out, looks whether
// the result holds, and prints one line for each thing. Returns the exit code: 0 when everything is
// as it should be, else 1. What a command is made of is in the cluster layer; a new command (check,
// lag, switchover) is another function here over another plan or list of checks there.

#include "cluster/runner.hpp"
#include "cluster/settings.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace pgweir::ctl {

/// What every command line may carry.
struct common_options {
    std::filesystem::path config;
    std::string root;
    std::vector<std::string> overrides;
    cluster::run_mode mode = cluster::run_mode::real;
};

/// Stand-ins for the machine's facts, to print settings for another machine.
struct assumed_machine {
    std::string memory;
    std::string disk;
    int postgres_major = 0;
};

enum class settings_part { server, access_rules };

int init(const common_options& options);
int add_standby(const common_options& options, const std::string& name);
int start(const common_options& options, const std::vector<std::string>& names);
int stop(const common_options& options, const std::vector<std::string>& names);
int status(const common_options& options);

/// Prints the generated settings of a server without touching anything.
int show_settings(
    const common_options& options,
    const std::string& name,
    settings_part part,
    const assumed_machine& machine
);

}  // namespace pgweir::ctl
