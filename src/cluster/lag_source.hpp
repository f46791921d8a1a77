#pragma once

// Asks the primary and each standby for the figures of lag, as the prober over the network.
// Blocking.

#include "base/result.hpp"
#include "base/secret.hpp"
#include "cluster/lag.hpp"
#include "cluster/settings.hpp"

#include <vector>

namespace pgweir::cluster {

/// One for each standby of the cluster, in its order, and for others that the primary sees. A
/// failure: the primary does not answer.
result<std::vector<lag_figures>> ask_lag(
    const cluster_settings& cluster, const secret& prober_password
);

/// The figures of one standby as it knows them itself: what health checks of a lone standby use.
result<lag_figures> ask_standby_lag(
    const cluster_settings& cluster, const node& standby, const secret& prober_password
);

}  // namespace pgweir::cluster
