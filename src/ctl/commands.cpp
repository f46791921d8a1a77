#include "ctl/commands.hpp"

#include "cluster/access_rules.hpp"
#include "cluster/data_directory.hpp"
#include "cluster/node_status.hpp"
#include "cluster/plans.hpp"
#include "cluster/server_conf.hpp"
#include "ctl/context.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <optional>

namespace pgweir::ctl {

namespace {

using cluster::node;
using cluster::run_mode;

cluster::plan_inputs inputs_of(const context& in) {
    return {
        in.settings,
        in.secrets,
        in.facts,
        in.system_user,
        cluster::is_data_directory(in.settings.primary.data),
        {}};
}

void print_heading(const context& in, const std::string& what) {
    fmt::print(
        "{}{} (PostgreSQL {} from {}, as user {})\n",
        what,
        in.mode == run_mode::dry ? ", dry run" : "",
        in.programs.major,
        in.programs.folder.string(),
        in.system_user
    );
}

void print_access(const cluster::cluster_settings& settings) {
    fmt::print(
        "\nThe primary is at {}:{}, its database {} belongs to role {}.\n"
        "  password of {}:  {}\n"
        "  user list of pgweir:  {}\n",
        settings.primary.host,
        settings.primary.port,
        settings.database,
        settings.application.name,
        settings.application.name,
        settings.application.password_file.string(),
        settings.userlist().string()
    );
}

/// The standby of that name; without a name the only one.
result<const node*> choose_standby(
    const cluster::cluster_settings& settings, const std::string& name
) {
    if (name.empty() && settings.standbys.size() == 1) {
        return &settings.standbys.front();
    }
    const node* found = settings.find(name);
    if (found != nullptr && found->role == cluster::server_role::standby) {
        return found;
    }
    std::string known;
    for (const node& standby : settings.standbys) {
        known += " " + standby.name;
    }
    return failure{fmt::format(
        "{}: cluster.ini has{}",
        name.empty() ? "which standby?" : "no standby is called " + name,
        known.empty() ? " none; add a section [standby.NAME] with its port" : known
    )};
}

/// The servers of these names; without names all that have a data directory here.
result<std::vector<const node*>> choose_nodes(
    const cluster::cluster_settings& settings, const std::vector<std::string>& names
) {
    std::vector<const node*> chosen;
    for (const std::string& name : names) {
        const node* found = settings.find(name);
        if (found == nullptr) {
            return failure{fmt::format("no server is called {}", name)};
        }
        chosen.push_back(found);
    }
    if (names.empty()) {
        for (const node* each : settings.nodes()) {
            if (cluster::is_data_directory(each->data)) {
                chosen.push_back(each);
            }
        }
    }
    if (chosen.empty()) {
        return failure{fmt::format(
            "there is no server in {} yet: pgweirctl init makes the primary", settings.root.string()
        )};
    }
    return chosen;
}

using make_plan = cluster::plan (*)(const std::vector<const node*>&);

int start_or_stop(
    const common_options& options, const std::vector<std::string>& names, make_plan plan_of
) {
    const auto in = make_context(options, password_need::none);
    if (!in) {
        return complain(in.error().message);
    }
    const auto nodes = choose_nodes((*in)->settings, names);
    if (!nodes) {
        return complain(nodes.error().message);
    }
    return carry_out(**in, plan_of(*nodes)) ? 0 : 1;
}

result<std::uint64_t> bytes_or(const std::string& text, std::uint64_t otherwise) {
    return text.empty() ? result<std::uint64_t>{otherwise} : cluster::parse_bytes(text);
}

}  // namespace

int init(const common_options& options) {
    const auto made = make_context(options, password_need::all);
    if (!made) {
        return complain(made.error().message);
    }
    context& in = **made;
    print_heading(in, fmt::format("Primary of cluster {}", in.settings.name));
    if (!carry_out(in, cluster::primary_plan(inputs_of(in)))) {
        return complain("the primary is not complete; mend the cause and run init again");
    }
    if (!verify(in, cluster::primary_checks(in.settings))) {
        return complain("the primary does not pass its checks");
    }
    if (in.mode == run_mode::real) {
        print_access(in.settings);
    }
    return 0;
}

int add_standby(const common_options& options, const std::string& name) {
    const auto made = make_context(options, password_need::existing);
    if (!made) {
        return complain(made.error().message);
    }
    context& in = **made;
    const auto standby = choose_standby(in.settings, name);
    if (!standby) {
        return complain(standby.error().message);
    }
    print_heading(in, fmt::format("Standby {} of cluster {}", (*standby)->name, in.settings.name));
    auto inputs = inputs_of(in);
    if (!carry_out(in, cluster::standby_reach_plan(inputs, **standby))) {
        return complain("the standby is not complete; mend the cause and run add-standby again");
    }
    const auto minimums = in.machine->ask_minimums();
    if (minimums) {
        inputs.minimums = *minimums;
    } else if (in.mode == run_mode::real) {
        return complain(minimums.error().message);
    }
    if (!carry_out(in, cluster::standby_copy_plan(inputs, **standby))) {
        return complain("the standby is not complete; mend the cause and run add-standby again");
    }
    auto checks = cluster::standby_checks(in.settings, **standby);
    for (auto& each : cluster::replication_checks(**standby)) {
        checks.push_back(std::move(each));
    }
    if (!verify(in, checks)) {
        return complain(fmt::format("standby {} does not pass its checks", (*standby)->name));
    }
    return 0;
}

int start(const common_options& options, const std::vector<std::string>& names) {
    return start_or_stop(options, names, cluster::start_plan);
}

int stop(const common_options& options, const std::vector<std::string>& names) {
    return start_or_stop(options, names, cluster::stop_plan);
}

int status(const common_options& options) {
    const auto made = make_context(options, password_need::none);
    if (!made) {
        return complain(made.error().message);
    }
    const context& in = **made;
    const auto secrets = cluster::find_secrets(in.settings, cluster::missing_password::refuse);
    const auto password = secrets ? std::optional(secrets->prober) : std::nullopt;
    std::vector<cluster::node_status> seen;
    bool all_healthy = true;
    for (const node* each : in.settings.nodes()) {
        seen.push_back(cluster::ask_node(in.settings, *each, password));
        all_healthy = all_healthy && seen.back().healthy;
    }
    fmt::print("{}", cluster::draw_status(seen));
    fmt::print(
        "data in {}, logs in {}\n", in.settings.root.string(), in.settings.log_dir().string()
    );
    return all_healthy ? 0 : 1;
}

int show_settings(
    const common_options& options,
    const std::string& name,
    settings_part part,
    const assumed_machine& machine
) {
    const auto settings = read_settings(options);
    if (!settings) {
        return complain(settings.error().message);
    }
    const node* server = settings->find(name);
    if (server == nullptr) {
        return complain(fmt::format("no server is called {}", name));
    }
    if (part == settings_part::access_rules) {
        fmt::print("{}", cluster::hba_rules(*settings));
        return 0;
    }
    auto facts = cluster::gather_facts(settings->root);
    const auto memory = bytes_or(machine.memory, facts.memory_bytes);
    const auto disk = bytes_or(machine.disk, facts.disk_bytes);
    if (!memory || !disk) {
        return complain("--memory and --disk: " + (memory ? disk : memory).error().message);
    }
    facts.memory_bytes = *memory;
    facts.disk_bytes = *disk;
    if (machine.postgres_major != 0) {
        facts.postgres_major = machine.postgres_major;
    }
    fmt::print("{}", cluster::server_conf(*settings, *server, facts));
    return 0;
}

}  // namespace pgweir::ctl
