#pragma once

// What the console shows, read from where it lives: pools under the directory's mutex, connections
// on their worker's thread.

#include "admin/snapshot.hpp"
#include "pool/pool_core.hpp"
#include "session/runtime.hpp"
#include "topology/cluster_watch.hpp"

#include <map>
#include <string>

namespace pgweir::server {

class worker;
struct process;

/// Totals of each database, over all of its pools and workers. Any thread.
std::map<std::string, admin::stats_counters> stats_by_database(process& shared);

/// Of databases that were forgotten. Any thread.
admin::stats_counters past_stats(process& shared);

/// Everything but sockets, stats and config rows. Any thread.
void fill_pools(process& shared, const session::runtime& settings, admin::snapshot& into);

/// The servers of routed databases. Any thread.
void fill_topology(const topology::cluster_watch& from, admin::snapshot& into);

/// What a worker has done. On the worker's thread.
void fill_worker(const worker& from, admin::snapshot& into);

/// The sockets of a worker. On the worker's thread.
void fill_sockets(const worker& from, process& shared, admin::snapshot& into);

}  // namespace pgweir::server
