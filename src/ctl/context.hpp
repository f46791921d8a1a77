#pragma once

// What a command works with, gathered in the one order that is safe: the settings are read as the
// user who called (the file may lie in a closed home), then the program becomes the servers' user,
// then programs and passwords are looked for. Printing of steps and checks is here too, so that all
// commands read alike. One thread.

#include "base/result.hpp"
#include "cluster/checks.hpp"
#include "cluster/executor.hpp"
#include "cluster/machine_facts.hpp"
#include "cluster/roles.hpp"
#include "cluster/runner.hpp"
#include "cluster/secrets.hpp"
#include "cluster/settings.hpp"
#include "ctl/commands.hpp"
#include "ctl/folder_lock.hpp"
#include "ctl/identity.hpp"
#include "ctl/output.hpp"
#include "ctl/process.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace pgweir::ctl {

struct context {
    cluster::run_mode mode = cluster::run_mode::real;
    output* out = nullptr;
    cluster::cluster_settings settings;  ///< With the server as primary that is it now.
    cluster::cluster_state state;
    std::string system_user;
    folder_lock lock;
    cluster::bin_candidate programs;
    cluster::cluster_secrets secrets;
    cluster::machine_facts facts;
    process_runner processes;
    std::unique_ptr<cluster::executor> machine;
};

/// Which passwords a command needs.
enum class password_need {
    none,      ///< Starting and stopping.
    existing,  ///< Those that init has made.
    all,       ///< Generated when there are none.
};

result<cluster::cluster_settings> read_settings(const common_options& options);

/// Never moved: the executor inside refers to its neighbours.
result<std::unique_ptr<context>> make_context(
    const common_options& options, password_need passwords, purpose what
);

/// An executor for the same cluster with other roles. The settings must outlive it.
cluster::executor executor_for(context& in, const cluster::cluster_settings& settings);

/// Carries the plan out and prints each step. False when one failed.
bool carry_out(context& in, const cluster::plan& steps);
bool carry_out(context& in, const cluster::plan& steps, cluster::executor& machine);

enum class exercises { skipped, made };

/// Looks at each check and prints it. False when one does not hold. In a dry run only counts them.
bool verify(
    context& in, const std::vector<cluster::check>& checks, exercises wanted = exercises::skipped
);

}  // namespace pgweir::ctl
