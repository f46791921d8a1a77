#include "ctl/commands.hpp"

#include "cluster/access_rules.hpp"
#include "cluster/data_directory.hpp"
#include "cluster/node_status.hpp"
#include "cluster/plans.hpp"
#include "cluster/server_conf.hpp"
#include "ctl/context.hpp"
#include "ctl/shared.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace pgweir::ctl {

namespace {

using cluster::node;
using cluster::run_mode;

void print_access(const context& in) {
    const cluster::cluster_settings& settings = in.settings;
    in.out->say(fmt::format(
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
    ));
}

using make_plan = cluster::plan (*)(const std::vector<const node*>&);

/// A server that was the primary and that another one has replaced: its data says that it is one.
bool is_replaced_primary(const node& server) {
    return server.role == cluster::server_role::standby &&
           cluster::is_data_directory(server.data) && !cluster::is_standby_data(server.data);
}

enum class replaced_primaries {
    included,
    refused,  ///< Two primaries would tear the data apart.
};

/// Takes them out of the list and says so; a failure when one was asked for by its name.
result<void> leave_out_replaced(
    const context& in, std::vector<const node*>& nodes, bool asked_by_name
) {
    std::vector<const node*> safe;
    for (const node* each : nodes) {
        if (!is_replaced_primary(*each)) {
            safe.push_back(each);
            continue;
        }
        const std::string why = fmt::format(
            "{0} was a primary and {1} took its place: pgweirctl rejoin {0} makes it a standby",
            each->name,
            in.settings.primary.name
        );
        if (asked_by_name) {
            return failure{why};
        }
        in.out->say("  left out   " + why + "\n");
    }
    nodes = std::move(safe);
    return {};
}

int start_or_stop(
    const common_options& options,
    const std::vector<std::string>& names,
    make_plan plan_of,
    replaced_primaries replaced
) {
    const auto in = make_context(options, password_need::none, purpose::changing);
    if (!in) {
        return options.out->complain(in.error().message);
    }
    auto nodes = choose_nodes((*in)->settings, names);
    if (!nodes) {
        return options.out->complain(nodes.error().message);
    }
    if (replaced == replaced_primaries::refused) {
        if (const auto safe = leave_out_replaced(**in, *nodes, !names.empty()); !safe) {
            return options.out->complain(safe.error().message);
        }
    }
    const bool good = carry_out(**in, plan_of(*nodes));
    warn_of_pending(**in);
    return good ? 0 : 1;
}

result<std::uint64_t> bytes_or(const std::string& text, std::uint64_t otherwise) {
    return text.empty() ? result<std::uint64_t>{otherwise} : cluster::parse_bytes(text);
}

}  // namespace

int init(const common_options& options) {
    const auto made = make_context(options, password_need::all, purpose::changing);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    context& in = **made;
    print_heading(in, fmt::format("Primary of cluster {}", in.settings.name));
    auto inputs = inputs_of(in);
    const auto waited_for = standbys_to_wait_for(in);
    if (waited_for) {
        inputs.sync_standbys = *waited_for;
    }
    if (!carry_out(in, cluster::primary_plan(inputs))) {
        return in.out->complain("the primary is not complete; mend the cause and run init again");
    }
    if (!waited_for) {
        in.out->say(fmt::format(
            "sync = on: for whom commits wait stays as it is ({})\n", waited_for.error().message
        ));
    }
    if (!verify(in, cluster::primary_checks(in.settings))) {
        return in.out->complain("the primary does not pass its checks");
    }
    if (in.mode == run_mode::real) {
        print_access(in);
    }
    return 0;
}

int add_standby(const common_options& options, const std::string& name) {
    const auto made = make_context(options, password_need::existing, purpose::changing);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    context& in = **made;
    const auto standby = choose_standby(in.settings, name);
    if (!standby) {
        return in.out->complain(standby.error().message);
    }
    print_heading(in, fmt::format("Standby {} of cluster {}", (*standby)->name, in.settings.name));
    auto inputs = inputs_of(in);
    if (!carry_out(in, cluster::standby_reach_plan(inputs, **standby))) {
        return in.out->complain(
            "the standby is not complete; mend the cause and run add-standby again"
        );
    }
    const auto minimums = ask_primary(in);
    if (minimums) {
        inputs.minimums = *minimums;
    } else if (in.mode == run_mode::real) {
        return in.out->complain(minimums.error().message);
    }
    if (!carry_out(in, cluster::standby_copy_plan(inputs, **standby))) {
        return in.out->complain(
            "the standby is not complete; mend the cause and run add-standby again"
        );
    }
    if (!verify(in, cluster::checks_of_new_standby(in.settings, **standby))) {
        return in.out->complain(fmt::format("standby {} does not pass its checks", (*standby)->name)
        );
    }
    return count_in_standbys(in) ? 0 : 1;
}

int start(const common_options& options, const std::vector<std::string>& names) {
    return start_or_stop(options, names, cluster::start_plan, replaced_primaries::refused);
}

int stop(const common_options& options, const std::vector<std::string>& names) {
    return start_or_stop(options, names, cluster::stop_plan, replaced_primaries::included);
}

int restart(const common_options& options, const std::vector<std::string>& names) {
    return start_or_stop(options, names, cluster::restart_plan, replaced_primaries::refused);
}

int status(const common_options& options) {
    const auto made = make_context(options, password_need::none, purpose::looking);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    const context& in = **made;
    const auto secrets = cluster::find_secrets(in.settings, cluster::missing_password::refuse);
    const auto password = secrets ? std::optional(secrets->prober) : std::nullopt;
    std::vector<cluster::node_status> seen;
    bool good = true;
    for (const node* each : in.settings.nodes()) {
        seen.push_back(cluster::ask_node(in.settings, *each, password));
        good = good && seen.back().healthy;
    }
    good = good && cluster::primaries_among(seen).size() < 2;
    in.out->say(cluster::draw_status(seen));
    in.out->say(fmt::format(
        "data in {}, logs in {}\n", in.settings.root.string(), in.settings.log_dir().string()
    ));
    in.out->attach("servers", json_of(seen));
    warn_of_pending(in);
    return good ? 0 : 1;
}

int show_settings(
    const common_options& options,
    const std::string& name,
    settings_part part,
    const assumed_machine& machine
) {
    const auto settings = read_settings(options);
    if (!settings) {
        return options.out->complain(settings.error().message);
    }
    const node* server = settings->find(name);
    if (server == nullptr) {
        return options.out->complain(fmt::format("no server is called {}", name));
    }
    if (part == settings_part::access_rules) {
        options.out->say(cluster::hba_rules(*settings));
        options.out->attach("text", boost::json::value(cluster::hba_rules(*settings)));
        return 0;
    }
    auto facts = cluster::gather_facts(settings->root);
    const auto memory = bytes_or(machine.memory, facts.memory_bytes);
    const auto disk = bytes_or(machine.disk, facts.disk_bytes);
    if (!memory || !disk) {
        return options.out->complain(
            "--memory and --disk: " + (memory ? disk : memory).error().message
        );
    }
    facts.memory_bytes = *memory;
    facts.disk_bytes = *disk;
    if (machine.postgres_major != 0) {
        facts.postgres_major = machine.postgres_major;
    }
    const std::string text = cluster::server_conf(*settings, *server, facts);
    options.out->say(text);
    options.out->attach("text", boost::json::value(text));
    return 0;
}

}  // namespace pgweir::ctl
