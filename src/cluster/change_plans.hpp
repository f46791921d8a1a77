#pragma once

// Which steps change the primary, in which order, and what leads back. Pure, like plans.hpp.
//
// A switchover, from A to B:
//   prepare  B streams; B has slots for the others; the change is noted in the state file
//   hand over  work is held, A stops cleanly, B has replayed everything
//   promotion  B is promoted
//   let go   pgweir's databases point at B, held work goes on
//   settle   the other standbys follow B, A comes back as a standby, the note goes
// Until B is asked, starting A and letting work go leads back; from then on only forward. Each
// step sees whether it is done already, so that a killed switchover is finished by the next one.

#include "cluster/plans.hpp"
#include "cluster/roles.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::cluster {

/// `before` has the old primary as primary, `after` the new one.
struct change_inputs {
    const cluster_settings& before;
    const cluster_settings& after;
    std::vector<std::string> sync_standbys{};  ///< Whom commits wait for afterwards.
    milliseconds hold_limit{0};                ///< How long running transactions may take to end.
    std::vector<std::string> local_nodes{};    ///< Servers whose data is on this machine.

    bool is_local(const node& server) const;
};

plan prepare_switchover_plan(const change_inputs& in);
plan hand_over_plan(const change_inputs& in);
plan promotion_plan(const change_inputs& in);
plan let_go_plan(const change_inputs& in);

/// Without the old primary's own return, which is rejoin's.
plan settle_plan(const change_inputs& in);

/// From a handed-over half back to where it was. REQUIRES: the target was not asked to be promoted.
plan return_plan(const change_inputs& in);

/// The last step of all: the note that a change is under way goes.
plan end_change_plan(const change_inputs& in);

/// The old primary is lost: the target takes its place.
plan promote_plan(const change_inputs& in);

/// A server that was the primary, or lost its way, becomes a standby again.
plan rejoin_plan(const plan_inputs& in, const node& server);

plan remove_standby_plan(
    const cluster_settings& cluster, const node& standby, const std::vector<std::string>& sync
);

/// `made` are servers whose data directories pgweirctl has made.
plan destroy_plan(
    const cluster_settings& cluster,
    const std::vector<const node*>& local,
    const std::vector<const node*>& made
);

plan backup_plan(const cluster_settings& cluster, const std::string& stamp);

/// What is known of a standby that may be promoted.
struct promotion_candidate {
    std::string name;
    std::optional<std::uint64_t> received;  ///< Position of the last WAL that it has, if it says.
    std::string host;
};

/// The one that has most; the first of equals. Nothing without candidates.
std::optional<std::string> choose_promotion(const std::vector<promotion_candidate>& candidates);

/// Why another one should rather be promoted, or might have to be; nothing when it has most.
/// REQUIRES: `name` is one of the candidates.
std::optional<std::string> promotion_obstacle(
    const std::vector<promotion_candidate>& candidates, std::string_view name, bool synchronous
);

}  // namespace pgweir::cluster
