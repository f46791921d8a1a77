#include "ctl/context.hpp"

#include "cluster/data_directory.hpp"
#include "cluster/files.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <utility>

namespace pgweir::ctl {

namespace {

namespace fs = std::filesystem;
using cluster::bin_candidate;

std::vector<bin_candidate> versions_of(const std::vector<fs::path>& folders, process_runner& run) {
    std::vector<bin_candidate> candidates;
    for (const fs::path& folder : folders) {
        const auto output =
            run.run(folder / "postgres", {"--version"}, cluster::program_progress::quiet);
        if (output && output->exit_code == 0) {
            candidates.push_back({folder, cluster::major_in(output->text)});
        }
    }
    return candidates;
}

/// The version that a data directory of this cluster already has, if there is one.
std::optional<int> wanted_major(const cluster::cluster_settings& settings) {
    for (const cluster::node* server : settings.nodes()) {
        if (const auto major = cluster::major_of_data(server->data)) {
            return major;
        }
    }
    return std::nullopt;
}

result<bin_candidate> find_programs(
    const cluster::cluster_settings& settings, process_runner& processes
) {
    const char* path = std::getenv("PATH");
    const auto folders = settings.bin_dir.empty()
                             ? cluster::bin_folders(path != nullptr ? path : "")
                             : std::vector<fs::path>{settings.bin_dir};
    const auto wanted = wanted_major(settings);
    const auto chosen = cluster::choose_bin(versions_of(folders, processes), wanted);
    if (chosen) {
        return *chosen;
    }
    return failure{fmt::format(
        "PostgreSQL{}'s server programs (initdb, pg_ctl, postgres, pg_basebackup) are not in {}: "
        "install them (Debian: postgresql-15), or name their folder with bin_dir",
        wanted ? fmt::format(" {}", *wanted) : "",
        settings.bin_dir.empty() ? "PATH, /usr/lib/postgresql, /usr/pgsql-* or Homebrew's folders"
                                 : settings.bin_dir.string()
    )};
}

result<void> fill_secrets(context& in, password_need need) {
    if (need == password_need::none) {
        return {};
    }
    auto found = cluster::find_secrets(
        in.settings,
        need == password_need::all ? cluster::missing_password::generate
                                   : cluster::missing_password::refuse
    );
    if (!found) {
        return found.error();
    }
    in.secrets = std::move(*found);
    return {};
}

/// One command at a time changes something, and one at a time takes a backup.
result<void> keep_others_out(context& in, const cluster::cluster_settings& file, purpose what) {
    if (what == purpose::looking || in.mode == cluster::run_mode::dry) {
        return {};
    }
    fs::path folder = file.root;
    if (what == purpose::backing_up) {
        folder = file.backup_dir();
        if (const auto made = cluster::make_directories(folder, 0700); !made) {
            return made.error();
        }
    }
    auto lock = folder_lock::take(folder);
    if (!lock) {
        return lock.error();
    }
    in.lock = std::move(*lock);
    return {};
}

/// Finds out who is the primary now, as well as that can be seen.
void take_roles(context& in, const cluster::cluster_settings& file) {
    in.state = cluster::read_state(file);
    const auto known = cluster::find_secrets(file, cluster::missing_password::refuse);
    const auto sightings =
        cluster::look_at_roles(file, known ? std::optional(known->prober) : std::nullopt);
    in.settings = cluster::with_primary(file, cluster::choose_primary(file, sightings, in.state));
}

}  // namespace

result<cluster::cluster_settings> read_settings(const common_options& options) {
    auto overrides = options.overrides;
    if (!options.root.empty()) {
        // A path on the command line is relative to where it is typed, not to the file.
        overrides.push_back("cluster.root=" + fs::absolute(options.root).string());
    }
    return cluster::load_settings(options.config, overrides);
}

result<std::unique_ptr<context>> make_context(
    const common_options& options, password_need passwords, purpose what
) {
    auto settings = read_settings(options);
    if (!settings) {
        return settings.error();
    }
    auto made = std::make_unique<context>();
    made->mode = options.mode;
    made->out = options.out;
    auto user = become_server_user(*settings, options.mode, what);
    if (!user) {
        return user.error();
    }
    made->system_user = std::move(*user);
    if (const auto alone = keep_others_out(*made, *settings, what); !alone) {
        return alone.error();
    }
    take_roles(*made, *settings);
    if (what != purpose::looking) {
        const auto found = find_programs(made->settings, made->processes);
        if (!found) {
            return found.error();
        }
        made->programs = *found;
    }
    if (const auto filled = fill_secrets(*made, passwords); !filled) {
        return filled.error();
    }
    made->facts = cluster::gather_facts(made->settings.root);
    made->facts.postgres_major = made->programs.major;
    made->machine = std::make_unique<cluster::executor>(
        made->settings, made->secrets, made->programs.folder, made->processes
    );
    return made;
}

cluster::executor executor_for(context& in, const cluster::cluster_settings& settings) {
    return {settings, in.secrets, in.programs.folder, in.processes};
}

bool carry_out(context& in, const cluster::plan& steps) {
    return carry_out(in, steps, *in.machine);
}

bool carry_out(context& in, const cluster::plan& steps, cluster::executor& machine) {
    const auto report =
        [&in](const cluster::step& each, cluster::step_outcome outcome, std::string_view note) {
            in.out->step(each, outcome, note);
        };
    return cluster::run_plan(steps, machine, in.mode, report);
}

bool verify(context& in, const std::vector<cluster::check>& checks, exercises wanted) {
    if (in.mode == cluster::run_mode::dry) {
        in.out->say(fmt::format("  would make {} checks\n", checks.size()));
        return true;
    }
    const cluster::checker looker(in.settings, in.secrets, *in.machine);
    std::size_t passed = 0;
    std::size_t skipped = 0;
    for (const auto& each : checks) {
        const bool exercise = each.effort == cluster::check_effort::exercise;
        if (!each.applies || (exercise && wanted == exercises::skipped)) {
            in.out->check(each.name, check_outcome::skip, "", "");
            ++skipped;
            continue;
        }
        const auto problem = looker.problem_of(each);
        in.out->check(
            each.name,
            problem ? check_outcome::fail : check_outcome::pass,
            problem.value_or(""),
            each.hint
        );
        passed += problem ? 0 : 1;
    }
    const std::size_t failed = checks.size() - passed - skipped;
    in.out->say(fmt::format(
        "{} of {} checks pass{}{}\n",
        passed,
        checks.size(),
        failed == 0 ? "" : fmt::format(", {} fail", failed),
        skipped == 0 ? "" : fmt::format(", {} skipped", skipped)
    ));
    return failed == 0;
}

}  // namespace pgweir::ctl
