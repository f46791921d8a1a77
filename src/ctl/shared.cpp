#include "ctl/shared.hpp"

#include "cluster/data_directory.hpp"
#include "cluster/lag_source.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

namespace pgweir::ctl {

using cluster::node;
using cluster::run_mode;

cluster::plan_inputs inputs_of(const context& in) {
    return {
        in.settings,
        in.secrets,
        in.facts,
        in.system_user,
        cluster::is_data_directory(in.settings.primary.data),
        {},
        {}};
}

void print_heading(const context& in, const std::string& what) {
    in.out->say(fmt::format(
        "{}{} (PostgreSQL {} from {}, as user {})\n",
        what,
        in.mode == run_mode::dry ? ", dry run" : "",
        in.programs.major,
        in.programs.folder.string(),
        in.system_user
    ));
}

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

result<cluster::standby_minimums> ask_primary(const context& in) {
    const auto major = in.machine->ask_primary_major();
    if (!major) {
        return major.error();
    }
    if (*major != in.programs.major) {
        return failure{fmt::format(
            "the primary is PostgreSQL {}, and the programs in {} are PostgreSQL {}: install {} "
            "here, or name its folder with bin_dir",
            *major,
            in.programs.folder.string(),
            in.programs.major,
            *major
        )};
    }
    return in.machine->ask_minimums();
}

result<std::vector<std::string>> streaming_standbys(const context& in) {
    std::vector<std::string> names;
    if (!in.settings.synchronous) {
        return names;
    }
    const auto all = cluster::ask_lag(in.settings, in.secrets.prober);
    if (!all) {
        return all.error();
    }
    for (const auto& each : *all) {
        if (each.state == "streaming" && in.settings.find(each.standby) != nullptr) {
            names.push_back(each.standby);
        }
    }
    return names;
}

result<std::vector<std::string>> standbys_to_wait_for(const context& in) {
    auto names = streaming_standbys(in);
    if (names && names->empty() && in.settings.synchronous) {
        return failure{"no standby streams"};
    }
    return names;
}

bool count_in_standbys(context& in) {
    if (!in.settings.synchronous) {
        return true;
    }
    if (!cluster::is_data_directory(in.settings.primary.data)) {
        in.out->say(fmt::format(
            "sync = on: run pgweirctl init on the machine of {} now, so that commits wait for "
            "the standby\n",
            in.settings.primary.name
        ));
        return true;
    }
    const auto names = standbys_to_wait_for(in);
    if (!names && in.mode == run_mode::dry) {
        return true;  // the standby would stream by now
    }
    if (!names) {
        in.out->complain(fmt::format(
            "sync = on: for whom commits wait stays as it is ({}); pgweirctl init counts the "
            "standbys in",
            names.error().message
        ));
        return false;
    }
    return carry_out(
        in,
        {{in.settings.primary.name + ": " + cluster::synchronous_step_name(*names),
          cluster::act::set_synchronous{in.settings.primary, *names}}}
    );
}

void warn_of_pending(const context& in) {
    if (!in.state.pending) {
        return;
    }
    const auto& change = *in.state.pending;
    const std::string finish = in.settings.primary.name == change.from
                                   ? "pgweirctl switchover --to " + change.to
                                   : "pgweirctl rejoin " + change.from;
    in.out->say(fmt::format(
        "A change of primary from {} to {} has begun and not ended: {} finishes it.\n",
        change.from,
        change.to,
        finish
    ));
}

boost::json::value json_of(const std::vector<cluster::node_status>& nodes) {
    boost::json::array all;
    for (const auto& each : nodes) {
        boost::json::object entry{
            {"name", each.name},
            {"host", each.host},
            {"port", each.port},
            {"running", each.state == cluster::run_state::running},
            {"healthy", each.healthy},
            {"replication", each.replication},
            {"lag", each.lag},
            {"note", each.note}};
        entry["role"] = each.role ? boost::json::value(std::string(cluster::to_string(*each.role)))
                                  : boost::json::value(nullptr);
        entry["timeline"] =
            each.timeline ? boost::json::value(*each.timeline) : boost::json::value(nullptr);
        all.emplace_back(std::move(entry));
    }
    return all;
}

}  // namespace pgweir::ctl
