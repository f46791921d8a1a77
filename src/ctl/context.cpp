#include "ctl/context.hpp"

#include "cluster/data_directory.hpp"
#include "ctl/identity.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <utility>

namespace pgweir::ctl {

namespace {

namespace fs = std::filesystem;
using cluster::bin_candidate;

/// Follow-up lines stand under the first one.
std::string indented(const std::string& text) {
    std::istringstream lines(text);
    std::string out;
    for (std::string line; std::getline(lines, line);) {
        out += "             " + line + "\n";
    }
    return out;
}

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

}  // namespace

int complain(const std::string& message) {
    std::fflush(stdout);
    fmt::print(stderr, "pgweirctl: {}\n", message);
    return 1;
}

result<cluster::cluster_settings> read_settings(const common_options& options) {
    auto overrides = options.overrides;
    if (!options.root.empty()) {
        // A path on the command line is relative to where it is typed, not to the file.
        overrides.push_back("cluster.root=" + fs::absolute(options.root).string());
    }
    return cluster::load_settings(options.config, overrides);
}

result<std::unique_ptr<context>> make_context(const common_options& options, password_need need) {
    auto settings = read_settings(options);
    if (!settings) {
        return settings.error();
    }
    auto made = std::make_unique<context>();
    made->mode = options.mode;
    made->settings = std::move(*settings);
    auto user = become_server_user(made->settings, options.mode);
    if (!user) {
        return user.error();
    }
    made->system_user = std::move(*user);
    const auto programs = find_programs(made->settings, made->processes);
    if (!programs) {
        return programs.error();
    }
    made->programs = *programs;
    if (const auto filled = fill_secrets(*made, need); !filled) {
        return filled.error();
    }
    made->facts = cluster::gather_facts(made->settings.root);
    made->facts.postgres_major = made->programs.major;
    made->machine = std::make_unique<cluster::executor>(
        made->settings, made->secrets, made->programs.folder, made->processes
    );
    return made;
}

bool carry_out(context& in, const cluster::plan& steps) {
    const auto report =
        [](const cluster::step& each, cluster::step_outcome outcome, std::string_view note) {
            if (outcome == cluster::step_outcome::failed) {
                fmt::print("  {:<11}{}\n", to_string(outcome), each.name);
                std::fflush(stdout);
                fmt::print(stderr, "{}", indented(std::string(note)));
                return;
            }
            fmt::print(
                "  {:<11}{}{}\n",
                to_string(outcome),
                each.name,
                note.empty() ? "" : fmt::format(" ({})", note)
            );
            std::fflush(stdout);
        };
    return cluster::run_plan(steps, *in.machine, in.mode, report);
}

bool verify(context& in, const std::vector<cluster::check>& checks) {
    if (in.mode == cluster::run_mode::dry) {
        fmt::print("  would make {} checks\n", checks.size());
        return true;
    }
    const cluster::checker looker(in.settings, in.secrets, *in.machine);
    bool all_hold = true;
    for (const auto& each : checks) {
        const auto problem = looker.problem_of(each);
        fmt::print("  {:<11}{}\n", problem ? "FAIL" : "pass", each.name);
        std::fflush(stdout);
        if (problem) {
            all_hold = false;
            fmt::print(stderr, "{}{}", indented(*problem), indented("hint: " + each.hint));
        }
    }
    return all_hold;
}

}  // namespace pgweir::ctl
