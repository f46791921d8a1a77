#pragma once

// The commands of pgweirctl: each gathers what its plan needs, has it carried out, looks whether
// the result holds, and prints one line for each thing. Returns the exit code: 0 when everything is
// as it should be, else 1. What a command is made of is in the cluster layer; a new command (check,
// lag, switchover) is another function here over another plan or list of checks there.

#include "cluster/runner.hpp"
#include "cluster/settings.hpp"
#include "ctl/output.hpp"

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
    output* out = nullptr;  ///< Never null once a command runs.
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
int restart(const common_options& options, const std::vector<std::string>& names);
int status(const common_options& options);

/// Prints the generated settings of a server without touching anything.
int show_settings(
    const common_options& options,
    const std::string& name,
    settings_part part,
    const assumed_machine& machine
);

// Changes of primary, and what else changes what there is: commands_change.cpp.

/// `force`: although another standby has, or may have, more.
int promote(const common_options& options, const std::string& name, bool force);
int switchover(const common_options& options, const std::string& to, double hold_seconds);
int rejoin(const common_options& options, const std::string& name);
int backup(const common_options& options);
int remove_standby(const common_options& options, const std::string& name, bool keep_data);
int destroy(const common_options& options, bool sure);

// Looking: commands_monitor.cpp.

struct lag_options {
    std::string warn;
    std::string critical;
    bool watch = false;
    double interval = 5;
    bool table = false;  ///< All figures instead of the line of a monitoring plugin.
};

struct health_options {
    cluster::server_role role = cluster::server_role::primary;
    std::string name;     ///< The primary of the file, or the only standby, if left out.
    std::string max_lag;  ///< Of a standby.
};

enum class scheduler { automatic, systemd, cron };

struct monitor_options {
    scheduler kind = scheduler::automatic;
    std::string folder;  ///< Instead of the system's own.
    std::string warn;
    std::string critical;
};

int check(const common_options& options, bool exercise);

/// Returns the exit code of monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
int lag(const common_options& options, const lag_options& wanted);
int health(const common_options& options, const health_options& wanted);
int install_monitor(const common_options& options, const monitor_options& wanted);
int remove_monitor(const common_options& options, const monitor_options& wanted);

/// Until q or a signal on a terminal, else one picture.
int dashboard(const common_options& options, double interval);

}  // namespace pgweir::ctl
