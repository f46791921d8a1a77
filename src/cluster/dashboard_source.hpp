#pragma once

// Looks at everything that the dashboard shows: servers, lag, pooler, this machine. Blocking, with
// a bound for each look. One thread.

#include "cluster/dashboard.hpp"
#include "cluster/secrets.hpp"
#include "cluster/settings.hpp"

namespace pgweir::cluster {

dashboard_view look_around(const cluster_settings& cluster, const cluster_secrets& secrets);

}  // namespace pgweir::cluster
