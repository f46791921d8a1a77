#pragma once

// The clusters that are watched, from the configuration to the views that everybody routes by: one
// thread for each server (prober.hpp), one judge for each cluster (cluster_state.hpp), and the file
// that remembers. A server that belongs to several clusters is asked once for all of them.
//
// Each view is published when it is made, in order, from the thread of the server that has
// answered. Everything else may be called from any thread.

#include "base/clock.hpp"
#include "base/result.hpp"
#include "router/cluster_view.hpp"
#include "topology/plan.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::topology {

/// Of a cluster, for as long as the process lives: none is given twice. 0: no cluster.
using cluster_number = std::uint32_t;

/// By the name of the entry; "*" for databases that are made from the template.
using cluster_numbers = std::map<std::string, cluster_number, std::less<>>;

/// What the console shows.
struct cluster_report {
    cluster_number number = 0;
    std::vector<std::string> databases;
    router::cluster_view_ptr view;
};

class cluster_watch {
public:
    /// A new view; nullptr: the cluster is not watched any more. Must neither wait nor call back.
    using publisher = std::function<void(cluster_number, const router::cluster_view_ptr&)>;

    explicit cluster_watch(publisher publish);

    /// Ends as stop() does.
    ~cluster_watch();
    cluster_watch(const cluster_watch&) = delete;
    cluster_watch& operator=(const cluster_watch&) = delete;

    /// Watches what the plan says from now on; clusters that are in it and were there before go on
    /// undisturbed. Fails, and changes nothing, if the state file cannot be read. One thread at a
    /// time.
    result<cluster_numbers> use(const plan& next);

    /// Somebody waits for what has been written, or seen, until now: servers are asked again and
    /// again, until it is there or `patience` is over. Coalesced: to call it once more costs
    /// little.
    void sample(cluster_number cluster, router::awaited what, microseconds patience);

    std::vector<cluster_report> clusters() const;

    /// How to get into a server of a database's cluster that can be asked now, the primary if there
    /// is one; `dbname` instead of the database that it is watched by.
    std::optional<server_access> access_to(const std::string& database, const std::string& dbname)
        const;

    /// Ends all threads; nothing is published any more.
    void stop(milliseconds patience = seconds(2));

private:
    struct state;

    std::shared_ptr<state> state_;
};

}  // namespace pgweir::topology
