// Commands that change who is the primary, or which servers there are: see commands.hpp.

#include "cluster/change_plans.hpp"
#include "cluster/connection.hpp"
#include "cluster/data_directory.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/identity.hpp"
#include "ctl/shared.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>
#include <ctime>
#include <optional>
#include <thread>
#include <utility>

namespace pgweir::ctl {

namespace {

using cluster::change_inputs;
using cluster::cluster_settings;
using cluster::node;
using cluster::run_mode;

/// The cluster before and after a change, and an executor for each.
struct change {
    cluster_settings before;
    cluster_settings after;
    cluster::executor before_machine;
    cluster::executor after_machine;

    change(context& in, const std::string& from, const std::string& to)
        : before(cluster::with_primary(in.settings, from)),
          after(cluster::with_primary(in.settings, to)),
          before_machine(executor_for(in, before)),
          after_machine(executor_for(in, after)) {}
};

std::vector<std::string> local_nodes(const cluster_settings& settings) {
    std::vector<std::string> names;
    for (const node* each : settings.nodes()) {
        if (cluster::is_data_directory(each->data)) {
            names.push_back(each->name);
        }
    }
    return names;
}

cluster::connection_target prober_at(const context& in, const node& server) {
    return {
        server.host,
        server.port,
        in.settings.prober.name,
        "postgres",
        in.secrets.prober,
        cluster::connection_kind::ordinary,
        seconds(2)};
}

/// On this machine as superuser, else as the prober.
result<cluster::connection> connect_to(const context& in, const node& server) {
    return cluster::is_data_directory(server.data)
               ? in.machine->connect_locally(server, "postgres")
               : cluster::connection::open(prober_at(in, server));
}

/// Position of the last WAL that the server has; nothing when it does not answer as a standby.
std::optional<std::uint64_t> received_by(const context& in, const node& server) {
    auto opened = connect_to(in, server);
    if (!opened) {
        return std::nullopt;
    }
    const auto value = opened->value(
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(greatest("
        "pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()), '0/0')::bigint END"
    );
    if (!value || !*value) {
        return std::nullopt;
    }
    std::uint64_t position = 0;
    std::from_chars((*value)->data(), (*value)->data() + (*value)->size(), position);
    return position;
}

/// With sync = on: whom commits wait for once `to` is the primary.
std::vector<std::string> synchronous_after(
    const context& in, const cluster_settings& after, std::optional<std::string> coming_back
) {
    std::vector<std::string> names;
    for (const node& standby : after.standbys) {
        if (in.settings.synchronous &&
            (coming_back == standby.name || received_by(in, standby).has_value())) {
            names.push_back(standby.name);
        }
    }
    return names;
}

enum class promotion { done, not_done, unknown };

promotion look_at_promotion(const context& in, const node& target) {
    auto opened = connect_to(in, target);
    const auto recovery = opened ? opened->value("SELECT pg_is_in_recovery()")
                                 : cluster::sql_error{opened.error().message, ""};
    if (!recovery || !*recovery) {
        return promotion::unknown;
    }
    return **recovery == "f" ? promotion::done : promotion::not_done;
}

/// Nothing is lost yet: the old primary takes its work up again.
int go_back(context& in, change& what, const change_inputs& inputs) {
    in.out->say("The hand-over did not work; going back.\n");
    const std::string& from = what.before.primary.name;
    if (!carry_out(in, cluster::return_plan(inputs), what.before_machine)) {
        return in.out->complain(fmt::format(
            "{0} could not be made the primary again. State: {0} is to be the primary, {1} is a "
            "standby, work may be held in pgweir. Type: pgweirctl start {0}; then, on pgweir's "
            "console, RESUME {2}",
            from,
            what.after.primary.name,
            what.before.database
        ));
    }
    return in.out->complain(
        fmt::format("no switchover: {} is the primary as before, and work goes on", from)
    );
}

/// Whether it was promoted cannot be told: neither way is safe.
int stand_still(context& in, const change& what) {
    const node& to = what.after.primary;
    return in.out->complain(fmt::format(
        "State: {0} is stopped, {1} may or may not have been promoted: it does not answer, or was "
        "asked and is still in recovery; work of {2} is held in pgweir. See {3}. When {1} runs, "
        "type pgweirctl switchover --to {1}: it goes on from here. If {1} is lost and was not "
        "promoted: pgweirctl start {0}, then RESUME {2} on pgweir's console",
        what.before.primary.name,
        to.name,
        what.before.database,
        in.settings.log_of(to).string()
    ));
}

/// A target that was asked may become the primary at any moment, whatever the answer was.
bool becomes_primary(const context& in, const node& target) {
    const auto limit = std::chrono::steady_clock::now() + seconds(30);
    while (look_at_promotion(in, target) != promotion::done) {
        if (std::chrono::steady_clock::now() > limit) {
            return false;
        }
        std::this_thread::sleep_for(milliseconds(200));
    }
    return true;
}

/// Holds, stops, verifies, promotes. 0 when the target is the primary. `asked`: by an earlier run,
/// maybe, so that the target may become the primary whatever happens here.
int hand_over(context& in, change& what, const change_inputs& inputs, bool asked) {
    const node& to = what.after.primary;
    if (!carry_out(in, cluster::hand_over_plan(inputs), what.before_machine)) {
        switch (look_at_promotion(in, to)) {
            case promotion::done:
                return 0;
            case promotion::not_done:
                return asked ? stand_still(in, what) : go_back(in, what, inputs);
            case promotion::unknown:
                return stand_still(in, what);
        }
    }
    const bool promoted = carry_out(in, cluster::promotion_plan(inputs), what.before_machine) ||
                          becomes_primary(in, to);
    return promoted ? 0 : stand_still(in, what);
}

enum class then_check { yes, no };

/// Makes a server a standby of the present primary. 0 when it is done (and passes its checks).
int rejoin_server(context& in, const std::string& name, then_check checks) {
    const node* server = in.settings.find(name);
    if (server == nullptr || server->name == in.settings.primary.name) {
        return in.out->complain(
            server == nullptr ? fmt::format("no server is called {}", name)
                              : fmt::format("{} is the primary: there is nothing to rejoin", name)
        );
    }
    auto inputs = inputs_of(in);
    const auto minimums = ask_primary(in);
    if (minimums) {
        inputs.minimums = *minimums;
    } else if (in.mode == run_mode::real) {
        return in.out->complain(fmt::format(
            "the primary {} does not answer: {}", in.settings.primary.name, minimums.error().message
        ));
    }
    if (!carry_out(in, cluster::rejoin_plan(inputs, *server))) {
        return in.out->complain(fmt::format(
            "{0} is not a standby yet; mend the cause and run pgweirctl rejoin {0} again", name
        ));
    }
    if (checks == then_check::yes &&
        !verify(in, cluster::checks_of_new_standby(in.settings, *server))) {
        return in.out->complain(fmt::format("standby {} does not pass its checks", name));
    }
    return checks == then_check::no || count_in_standbys(in) ? 0 : 1;
}

/// From here on the context sees the new roles.
void take_over_roles(context& in, const cluster_settings& after) {
    in.settings = after;
}

/// What comes after a promotion: others follow, the old primary returns, checks.
int settle(context& in, change& what, const change_inputs& inputs) {
    const std::string from = what.before.primary.name;
    const std::string to = what.after.primary.name;
    if (!carry_out(in, cluster::settle_plan(inputs), what.after_machine)) {
        return in.out->complain(fmt::format(
            "{} is the primary and work goes on, but not every standby follows it; see above", to
        ));
    }
    take_over_roles(in, what.after);
    if (in.mode == run_mode::dry) {
        return 0;
    }
    if (const int failed = rejoin_server(in, from, then_check::no); failed != 0) {
        return in.out->complain(fmt::format(
            "{1} is the primary and work goes on; {0} is not its standby yet: pgweirctl rejoin {0}",
            from,
            to
        ));
    }
    if (!carry_out(in, cluster::end_change_plan(inputs), what.after_machine)) {
        return 1;
    }
    if (!verify(in, cluster::all_checks(in.settings))) {
        return in.out->complain(fmt::format("{} is the primary, but not every check passes", to));
    }
    return count_in_standbys(in) ? 0 : 1;
}

enum class target_on { this_machine, any_machine };

result<std::string> choose_target(const context& in, const std::string& wanted, target_on machine) {
    const auto may_be = [&](const node& each) {
        return machine == target_on::any_machine || cluster::is_data_directory(each.data);
    };
    std::string target = wanted;
    if (target.empty()) {
        std::vector<cluster::promotion_candidate> candidates;
        for (const node& each : in.settings.standbys) {
            const auto received = received_by(in, each);
            if (received && may_be(each)) {
                candidates.push_back({each.name, received, each.host});
            }
        }
        target = cluster::choose_promotion(candidates).value_or("");
        if (target.empty()) {
            return failure{fmt::format(
                "no standby{} answers: pgweirctl status says why",
                machine == target_on::any_machine ? "" : " on this machine"
            )};
        }
    }
    const node* server = in.settings.find(target);
    if (server == nullptr) {
        return failure{fmt::format("no server is called {}", target)};
    }
    if (!may_be(*server)) {
        return failure{fmt::format(
            "{} is not on this machine ({} is no data directory): run pgweirctl there",
            target,
            server->data.string()
        )};
    }
    return result<std::string>(boost::system::in_place_value, target);
}

/// Refuses what would make two primaries, and unless it is forced what would lose commits.
result<void> may_be_promoted(
    const context& in, const cluster_settings& before, const std::string& name, bool force
) {
    const node& primary = in.settings.primary;
    if (primary.name == name) {
        return {};  // an earlier run has promoted it
    }
    if (cluster::answers(prober_at(in, primary))) {
        return failure{fmt::format(
            "the primary {0} answers at {1}:{2}: two primaries would tear the data apart. "
            "pgweirctl switchover --to {3} changes places without loss. If it only refuses log-ins "
            "(pgweirctl status says why) and has to go: pgweirctl stop {0} on its machine first",
            primary.name,
            primary.host,
            primary.port,
            name
        )};
    }
    if (force) {
        return {};
    }
    std::vector<cluster::promotion_candidate> candidates;
    for (const node& each : before.standbys) {
        candidates.push_back({each.name, received_by(in, each), each.host});
    }
    const auto obstacle = cluster::promotion_obstacle(candidates, name, in.settings.synchronous);
    return obstacle ? result<void>{failure{*obstacle}} : result<void>{};
}

std::string utc_stamp() {
    const std::time_t now = std::time(nullptr);
    std::tm broken{};
    ::gmtime_r(&now, &broken);
    std::array<char, 32> text{};
    const auto length = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &broken);
    return {text.data(), length};
}

}  // namespace

int switchover(const common_options& options, const std::string& to, double hold_seconds) {
    const auto made = make_context(options, password_need::existing, purpose::changing);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    context& in = **made;
    std::string from = in.settings.primary.name;
    std::string target = to;
    // A change that was interrupted is finished before another one begins.
    const auto pending = in.state.pending;
    if (pending && (to.empty() || to == pending->to)) {
        from = pending->from;
        target = pending->to;
        in.out->say(fmt::format("Going on with the change from {} to {}.\n", from, target));
    } else if (pending) {
        return in.out->complain(fmt::format(
            "a change from {} to {} has begun: finish it first (pgweirctl switchover --to {})",
            pending->from,
            pending->to,
            pending->to
        ));
    }
    const auto chosen = choose_target(in, target, target_on::any_machine);
    if (!chosen) {
        return in.out->complain(chosen.error().message);
    }
    if (*chosen == from) {
        in.out->say(fmt::format("{} is the primary already.\n", from));
        return 0;
    }
    if (const std::string& now = in.settings.primary.name; now != from && now != *chosen) {
        return in.out->complain(fmt::format(
            "{0} has become the primary meanwhile, so the change from {1} to {2} is over. Type: "
            "pgweirctl rejoin {1}; then, if {0} is not to stay it, pgweirctl switchover",
            now,
            from,
            *chosen
        ));
    }
    if (!cluster::is_data_directory(in.settings.find(from)->data)) {
        return in.out->complain(fmt::format(
            "the primary {} is on another machine, where it has to be stopped: run pgweirctl "
            "switchover --to {} there",
            from,
            *chosen
        ));
    }
    if (in.settings.synchronous && !cluster::is_data_directory(in.settings.find(*chosen)->data)) {
        return in.out->complain(fmt::format(
            "{} is on another machine, where it has to be told for whom commits wait (sync = on). "
            "Here: PAUSE {} on pgweir's console, pgweirctl stop {}; there: pgweirctl promote {}; "
            "here: pgweirctl rejoin {}, and RESUME {}",
            *chosen,
            in.settings.database,
            from,
            *chosen,
            from,
            in.settings.database
        ));
    }
    print_heading(in, fmt::format("Switchover from {} to {}", from, *chosen));
    change what(in, from, *chosen);
    const bool already = in.settings.primary.name == *chosen;
    bool stopped = !cluster::server_runs(what.before.primary.data);
    const change_inputs inputs{
        what.before,
        what.after,
        synchronous_after(in, what.after, from),
        milliseconds(static_cast<long>(hold_seconds * 1000)),
        local_nodes(in.settings)};
    if (!already && !(pending && stopped) &&
        !carry_out(in, cluster::prepare_switchover_plan(inputs), what.before_machine)) {
        stopped = in.mode == run_mode::real && !cluster::server_runs(what.before.primary.data);
        // What the earlier run began to stop may have come to its end just now.
        if (stopped && !pending) {
            return in.out->complain(fmt::format(
                "no switchover: {0} is still to be the primary, and does not run. Type: pgweirctl "
                "start {0}. If it is lost: pgweirctl promote {1}",
                from,
                *chosen
            ));
        }
        if (!stopped) {
            return in.out->complain(
                fmt::format("no switchover: {} is the primary as before, and work goes on", from)
            );
        }
    }
    const auto begun = std::chrono::steady_clock::now();
    std::optional<signals_held_back> patience(std::in_place);
    if (!already) {
        if (const int failed = hand_over(in, what, inputs, pending && stopped); failed != 0) {
            return failed;
        }
    }
    if (!carry_out(in, cluster::let_go_plan(inputs), what.after_machine)) {
        return in.out->complain(fmt::format(
            "{0} is the primary, but pgweir does not know or holds its work: see {1}, then RELOAD "
            "and RESUME {2} on its console, then pgweirctl switchover --to {0}",
            *chosen,
            what.after.pooler.databases_file.string(),
            what.after.database
        ));
    }
    patience.reset();
    if (in.mode == run_mode::real && !already) {
        const std::chrono::duration<double> pause = std::chrono::steady_clock::now() - begun;
        in.out->say(fmt::format("Work was held for {:.2f} s.\n", pause.count()));
        in.out->attach("held_seconds", pause.count());
    }
    return settle(in, what, inputs);
}

int promote(const common_options& options, const std::string& name, bool force) {
    const auto made = make_context(options, password_need::existing, purpose::changing);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    context& in = **made;
    std::string from = in.settings.primary.name;
    std::string wanted = name;
    if (in.state.pending && (name.empty() || name == in.state.pending->to)) {
        from = in.state.pending->from;
        wanted = in.state.pending->to;
    } else if (in.state.pending) {
        from = in.state.primary;
    }
    const auto chosen = choose_target(in, wanted, target_on::this_machine);
    if (!chosen) {
        return in.out->complain(chosen.error().message);
    }
    if (*chosen == from) {
        in.out->say(fmt::format("{} is the primary already.\n", from));
        return 0;
    }
    change what(in, from, *chosen);
    if (const auto allowed = may_be_promoted(in, what.before, *chosen, force); !allowed) {
        return in.out->complain(allowed.error().message);
    }
    print_heading(in, fmt::format("Promotion of {} in place of {}", *chosen, from));
    const change_inputs inputs{
        what.before,
        what.after,
        synchronous_after(in, what.after, std::nullopt),
        milliseconds(0),
        local_nodes(in.settings)};
    // Nobody's impatience comes between the promotion and the note of it.
    std::optional<signals_held_back> patience(std::in_place);
    const bool promoted = carry_out(in, cluster::promote_plan(inputs), what.after_machine);
    patience.reset();
    if (!promoted) {
        return in.out->complain(fmt::format(
            "{0} is not ready as the primary; mend the cause and run pgweirctl promote {0} again",
            *chosen
        ));
    }
    if (in.settings.synchronous && inputs.sync_standbys.empty()) {
        in.out->say(
            "sync = on, but no standby is left: commits wait for nobody until one is back "
            "(pgweirctl rejoin).\n"
        );
    }
    if (!carry_out(in, cluster::settle_plan(inputs), what.after_machine)) {
        return in.out->complain(fmt::format(
            "{} is the primary and takes writes, but not every standby follows it", *chosen
        ));
    }
    take_over_roles(in, what.after);
    if (!carry_out(in, cluster::end_change_plan(inputs), what.after_machine)) {
        return 1;
    }
    if (!verify(in, cluster::primary_checks(in.settings))) {
        return in.out->complain(fmt::format("{} does not pass its checks", *chosen));
    }
    for (const node& each : what.after.standbys) {
        if (each.name != from && !inputs.is_local(each)) {
            in.out->say(fmt::format("On {}: pgweirctl rejoin {}\n", each.host, each.name));
        }
    }
    in.out->say(fmt::format(
        "{} is the primary. When the machine of {} is well: pgweirctl rejoin {}\n",
        *chosen,
        from,
        from
    ));
    return 0;
}

int rejoin(const common_options& options, const std::string& name) {
    const auto made = make_context(options, password_need::existing, purpose::changing);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    context& in = **made;
    print_heading(in, fmt::format("{} as a standby of {}", name, in.settings.primary.name));
    if (const int failed = rejoin_server(in, name, then_check::yes); failed != 0) {
        return failed;
    }
    if (in.mode == run_mode::real && in.state.pending && in.state.pending->from == name) {
        const change_inputs inputs{in.settings, in.settings, {}, milliseconds(0), {}};
        return carry_out(in, cluster::end_change_plan(inputs)) ? 0 : 1;
    }
    return 0;
}

int backup(const common_options& options) {
    const auto made = make_context(options, password_need::existing, purpose::backing_up);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    context& in = **made;
    print_heading(in, fmt::format("Backup of cluster {}", in.settings.name));
    const bool taken = carry_out(in, cluster::backup_plan(in.settings, utc_stamp()));
    return taken ? 0 : in.out->complain("no backup was made");
}

int remove_standby(const common_options& options, const std::string& name, bool keep_data) {
    const auto made = make_context(options, password_need::existing, purpose::changing);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    context& in = **made;
    const auto standby = choose_standby(in.settings, name);
    if (!standby) {
        return in.out->complain(standby.error().message);
    }
    print_heading(in, fmt::format("Removal of standby {}", (*standby)->name));
    // Who is waited for is said on the primary's machine.
    const bool primary_is_here = cluster::is_data_directory(in.settings.primary.data);
    const auto streaming = streaming_standbys(in);
    if (!streaming && primary_is_here) {
        return in.out->complain(fmt::format(
            "sync = on, and the primary does not say which standbys stream, so that commits can "
            "wait for the others: {}",
            streaming.error().message
        ));
    }
    std::vector<std::string> waited_for = streaming ? *streaming : std::vector<std::string>{};
    std::erase(waited_for, (*standby)->name);
    auto steps = cluster::remove_standby_plan(in.settings, **standby, waited_for);
    if (!primary_is_here) {
        steps.erase(steps.begin());
    }
    std::error_code error;
    const auto mark = cluster::made_mark(**standby);
    if (!keep_data && std::filesystem::exists(mark, error)) {
        for (const auto& path : {(*standby)->data, mark}) {
            steps.push_back({path.string() + " is gone", cluster::act::remove_path{path}});
        }
    }
    if (!carry_out(in, steps)) {
        return in.out->complain("the standby is not removed; mend the cause and run it again");
    }
    in.out->say(fmt::format(
        "Take [standby.{0}] out of cluster.ini, or pgweirctl add-standby {0} makes it again.\n",
        (*standby)->name
    ));
    return 0;
}

int destroy(const common_options& options, bool sure) {
    if (const auto settings = read_settings(options);
        settings && sure && options.mode == run_mode::real) {
        clear_root_afterwards(settings->root);
    }
    const auto made = make_context(options, password_need::none, purpose::changing);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    context& in = **made;
    if (!sure && in.mode == run_mode::real) {
        return in.out->complain(fmt::format(
            "this stops the servers of cluster {} and deletes their data in {}: say --yes, or "
            "--dry-run to see what would go",
            in.settings.name,
            in.settings.root.string()
        ));
    }
    std::vector<const node*> local;
    std::vector<const node*> ours;
    for (const node* each : in.settings.nodes()) {
        std::error_code error;
        if (std::filesystem::exists(cluster::made_mark(*each), error)) {
            ours.push_back(each);
        }
        if (cluster::is_data_directory(each->data)) {
            local.push_back(each);
            if (ours.empty() || ours.back() != each) {
                in.out->say(fmt::format(
                    "{} was there before: {} stays, with its settings (what they replaced is in "
                    "*.backup)\n",
                    each->name,
                    each->data.string()
                ));
            }
        }
    }
    const bool gone = carry_out(in, cluster::destroy_plan(in.settings, local, ours));
    return gone ? 0 : in.out->complain("not everything is gone; mend the cause and run it again");
}

}  // namespace pgweir::ctl
