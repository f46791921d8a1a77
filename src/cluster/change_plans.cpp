#include "cluster/change_plans.hpp"

#include "cluster/server_conf.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pgweir::cluster {

namespace {

using content = act::write_file::content;

void add(plan& steps, std::string name, action what) {
    steps.push_back({std::move(name), std::move(what)});
}

void add_state(
    plan& steps, const cluster_settings& cluster, const cluster_state& state, std::string name
) {
    add(steps,
        std::move(name),
        act::write_file{cluster.state_file(), secret(state_text(state)), 0644, content::replaced});
}

/// Slots on the server that becomes the primary, for all others. They keep WAL from now on, so that
/// those find what they need.
void add_slots_on(plan& steps, const node& server, const cluster_settings& after) {
    for (const node& standby : after.standbys) {
        add(steps,
            fmt::format("{}: replication slot {} for {}", server.name, standby.slot, standby.name),
            act::local_sql{
                server,
                fmt::format("SELECT pg_create_physical_replication_slot('{}', true)", standby.slot),
                fmt::format(
                    "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{}')",
                    standby.slot
                )});
    }
}

/// PostgreSQL reads the file while it is still a standby, and obeys it from its promotion on.
void add_synchronous(plan& steps, const node& server, const std::vector<std::string>& standbys) {
    add(steps,
        server.name + ": " + synchronous_step_name(standbys),
        act::set_synchronous{server, standbys});
}

void add_release(plan& steps, const cluster_settings& after) {
    add(steps,
        fmt::format("pgweir: work of database {} goes on", after.database),
        act::release_work{after.database});
}

void append(plan& to, plan more) {
    for (step& each : more) {
        to.push_back(std::move(each));
    }
}

}  // namespace

bool change_inputs::is_local(const node& server) const {
    return std::find(local_nodes.begin(), local_nodes.end(), server.name) != local_nodes.end();
}

plan prepare_switchover_plan(const change_inputs& in) {
    const node& from = in.before.primary;
    const node& to = in.after.primary;
    plan steps;
    add(steps, fmt::format("{} streams to {}", from.name, to.name), act::require_streaming{to});
    if (!in.is_local(to)) {
        add(steps, to.name + ": can be promoted from here", act::require_promotion_right{to});
    }
    add_state(
        steps,
        in.before,
        {from.name, pending_change{from.name, to.name}},
        fmt::format("note of the change from {} to {}", from.name, to.name)
    );
    if (in.is_local(to)) {
        add_slots_on(steps, to, in.after);
        add_synchronous(steps, to, in.sync_standbys);
    }
    // What is on disk now need not be written while work is held.
    add(steps,
        from.name + ": checkpoint",
        act::local_sql{from, "CHECKPOINT", "SELECT pg_is_in_recovery()"});
    return steps;
}

plan hand_over_plan(const change_inputs& in) {
    const node& from = in.before.primary;
    const node& to = in.after.primary;
    plan steps;
    add(steps,
        fmt::format("pgweir: work of database {} is held", in.before.database),
        act::hold_work{in.before.database, in.hold_limit, to});
    add(steps, from.name + ": server stops", act::stop_server{from});
    add(steps,
        fmt::format("{} has everything that {} wrote", to.name, from.name),
        act::require_everything_received{from, to});
    return steps;
}

plan promotion_plan(const change_inputs& in) {
    const node& target = in.after.primary;
    return {{target.name + ": is the primary", act::promote_server{target}}};
}

plan let_go_plan(const change_inputs& in) {
    const node& from = in.before.primary;
    const node& to = in.after.primary;
    plan steps;
    add_state(
        steps,
        in.after,
        {to.name, pending_change{from.name, to.name}},
        fmt::format("note that {} is the primary", to.name)
    );
    if (in.after.pooler.exists()) {
        add_pooler_folder(steps, in.after);
    }
    add_databases_file(steps, in.after);
    add_release(steps, in.after);
    return steps;
}

plan settle_plan(const change_inputs& in) {
    const node& to = in.after.primary;
    plan steps;
    if (in.is_local(to)) {
        // pg_rewind reads the new timeline from the control file, which a checkpoint brings up to
        // date. After a clean shutdown there is nothing to rewind, whatever it reads.
        add(steps,
            to.name + ": checkpoint",
            act::local_sql{
                to,
                "CHECKPOINT",
                "SELECT timeline_id = ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), "
                "1, 8))::bit(32)::int FROM pg_control_checkpoint()"});
    } else {
        for (const node& standby : in.after.standbys) {
            add(steps,
                fmt::format("replication slot {} on {}", standby.slot, to.name),
                act::ensure_slot{standby.slot});
        }
    }
    for (const node& standby : in.after.standbys) {
        if (standby.name != in.before.primary.name && in.is_local(standby)) {
            add(steps,
                fmt::format("{}: follows {}", standby.name, to.name),
                act::follow_primary{standby});
        }
    }
    return steps;
}

plan return_plan(const change_inputs& in) {
    const node& from = in.before.primary;
    plan steps;
    add(steps, from.name + ": server runs", act::start_server{from});
    add_release(steps, in.before);
    if (in.is_local(in.after.primary)) {
        add_synchronous(steps, in.after.primary, {});
        std::vector<std::string> slots;
        for (const node& standby : in.after.standbys) {
            slots.push_back(standby.slot);
        }
        add(steps,
            in.after.primary.name + ": no slots for nobody",
            act::drop_slots{in.after.primary, slots});
    }
    add_state(steps, in.before, {from.name, std::nullopt}, from.name + " is still the primary");
    return steps;
}

plan end_change_plan(const change_inputs& in) {
    plan steps;
    add_state(
        steps,
        in.after,
        {in.after.primary.name, std::nullopt},
        fmt::format("the change to {} is complete", in.after.primary.name)
    );
    return steps;
}

plan promote_plan(const change_inputs& in) {
    const node& from = in.before.primary;
    const node& to = in.after.primary;
    plan steps;
    if (in.is_local(from)) {
        // One that hangs could come back and take writes.
        add(steps,
            from.name + ": server does not run",
            act::stop_server{from, act::stop_server::manner::immediate});
    }
    add_state(
        steps,
        in.before,
        {from.name, pending_change{from.name, to.name}},
        fmt::format("note of the change from {} to {}", from.name, to.name)
    );
    add_slots_on(steps, to, in.after);
    add_synchronous(steps, to, in.sync_standbys);
    append(steps, promotion_plan(in));
    append(steps, let_go_plan(in));
    return steps;
}

plan rejoin_plan(const plan_inputs& in, const node& server) {
    plan steps;
    add(steps,
        fmt::format("primary answers at {}:{}", in.cluster.primary.host, in.cluster.primary.port),
        act::wait_for_primary{});
    add(steps,
        fmt::format("replication slot {} on the primary", server.slot),
        act::ensure_slot{server.slot});
    add(steps,
        server.name + ": runs only as a standby that follows",
        act::stop_unless_following{server});
    add(steps,
        fmt::format("{}: its data continues {}'s", server.name, in.cluster.primary.name),
        act::match_history{server});
    add_server_files(steps, in, server);
    add(steps,
        server.name + ": commits wait for nobody while it is a standby",
        act::set_synchronous{server, {}});
    add(steps,
        fmt::format("{}: follows {}", server.name, in.cluster.primary.name),
        act::follow_primary{server});
    add_start(steps, server);
    std::vector<std::string> slots;
    for (const node* each : in.cluster.nodes()) {
        slots.push_back(each->slot);
    }
    add(steps, server.name + ": no slots for nobody", act::drop_slots{server, slots});
    return steps;
}

plan remove_standby_plan(
    const cluster_settings& cluster, const node& standby, const std::vector<std::string>& sync
) {
    plan steps;
    add_synchronous(steps, cluster.primary, sync);
    add(steps, standby.name + ": server stops", act::stop_server{standby});
    add(steps,
        fmt::format("replication slot {} on the primary is gone", standby.slot),
        act::drop_primary_slot{standby.slot});
    return steps;
}

plan destroy_plan(
    const cluster_settings& cluster,
    const std::vector<const node*>& local,
    const std::vector<const node*>& made
) {
    plan steps = stop_plan(local);
    for (const node* server : made) {
        const std::string data = server->data.string();
        for (const std::string& path : {data, data + ".incoming", data + ".rewinding"}) {
            add(steps, path + " is gone", act::remove_path{path});
        }
        add(steps, made_mark(*server).string() + " is gone", act::remove_path{made_mark(*server)});
    }
    for (const auto& path :
         {cluster.run_dir(),
          cluster.log_dir(),
          cluster.backup_dir(),
          cluster.pooler_dir(),
          cluster.secrets_dir(),
          cluster.state_file()}) {
        add(steps, path.string() + " is gone", act::remove_path{path});
    }
    // An archive elsewhere may hold more than ours, and is all that is left of the data.
    const bool archive_below_root =
        cluster.archive_dir.string().rfind(cluster.root.string() + "/", 0) == 0;
    if (archive_below_root) {
        add(steps, cluster.archive_dir.string() + " is gone", act::remove_path{cluster.archive_dir}
        );
    }
    add(steps, cluster.root.string() + " is gone", act::remove_if_empty{cluster.root});
    return steps;
}

plan backup_plan(const cluster_settings& cluster, const std::string& stamp) {
    plan steps;
    add(steps, "folder for backups", act::make_directory{cluster.backup_dir(), 0700});
    const auto target = cluster.backup_dir() / stamp;
    add(steps, "backup in " + target.string(), act::take_backup{target});
    add(steps,
        fmt::format(
            "the newest {} stay{}",
            cluster.backups_kept,
            cluster.archive_dir.empty() ? "" : ", with the archived WAL that they need"
        ),
        act::prune_backups{target});
    return steps;
}

std::optional<std::string> choose_promotion(const std::vector<promotion_candidate>& candidates) {
    const auto best = std::max_element(
        candidates.begin(),
        candidates.end(),
        [](const promotion_candidate& a, const promotion_candidate& b) {
            return a.received < b.received;
        }
    );
    return best == candidates.end() ? std::nullopt : std::optional(best->name);
}

std::optional<std::string> promotion_obstacle(
    const std::vector<promotion_candidate>& candidates, std::string_view name, bool synchronous
) {
    const auto chosen =
        std::find_if(candidates.begin(), candidates.end(), [&](const promotion_candidate& each) {
            return each.name == name;
        });
    if (!chosen->received) {
        return fmt::format("{} does not answer as a standby: pgweirctl status says why", name);
    }
    for (const promotion_candidate& each : candidates) {
        if (each.received > chosen->received) {
            return fmt::format(
                "{0} (on {1}) has received more than {2}, which would be lost: pgweirctl promote "
                "{0} on its machine. To lose it: promote {2} --force",
                each.name,
                each.host,
                name
            );
        }
        if (synchronous && !each.received) {
            return fmt::format(
                "{0} (on {1}) does not answer, and may be the only one that has what was committed "
                "last (sync = on): pgweirctl start {0} on its machine. If it is lost as well: "
                "promote {2} --force",
                each.name,
                each.host,
                name
            );
        }
    }
    return std::nullopt;
}

}  // namespace pgweir::cluster
