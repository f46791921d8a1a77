#pragma once

// What several commands do alike: choosing servers by name, gathering the inputs of plans, and the
// shapes of what is printed as JSON. One thread.

#include "base/result.hpp"
#include "cluster/node_status.hpp"
#include "cluster/plans.hpp"
#include "ctl/context.hpp"

#include <boost/json/value.hpp>

#include <string>
#include <vector>

namespace pgweir::ctl {

cluster::plan_inputs inputs_of(const context& in);

void print_heading(const context& in, const std::string& what);

/// The standby of that name; without a name the only one.
result<const cluster::node*> choose_standby(
    const cluster::cluster_settings& settings, const std::string& name
);

/// The servers of these names; without names all that have a data directory here.
result<std::vector<const cluster::node*>> choose_nodes(
    const cluster::cluster_settings& settings, const std::vector<std::string>& names
);

/// What a standby needs to know of the primary. A failure also when its version is not ours: a copy
/// of it could not be started.
result<cluster::standby_minimums> ask_primary(const context& in);

/// With sync = on: the standbys that stream now, for whom a commit can wait; a failure when the
/// primary cannot be asked. Else none.
result<std::vector<std::string>> streaming_standbys(const context& in);

/// Whom commits are to wait for from now on. A failure with sync = on and no standby that is seen
/// to stream, which may be back in a moment: then the rule has to stay as it is.
result<std::vector<std::string>> standbys_to_wait_for(const context& in);

/// Has commits wait for the standbys that stream now. Only on the primary's machine; elsewhere it
/// says what to do there. False when it failed.
bool count_in_standbys(context& in);

/// Says so when a change of primary has begun and not ended.
void warn_of_pending(const context& in);

boost::json::value json_of(const std::vector<cluster::node_status>& nodes);

}  // namespace pgweir::ctl
