#pragma once

// What all workers and the supervisor share. Owned by main, outlives them all. Thread-safe.

#include "auth/scram_cache.hpp"
#include "net/connector.hpp"
#include "net/engine.hpp"
#include "net/name_cache.hpp"
#include "pool/parameters.hpp"
#include "pool/pool_directory.hpp"
#include "pool/statement_store.hpp"
#include "router/classifier.hpp"
#include "router/cluster_view.hpp"
#include "server/helper_threads.hpp"
#include "session/auth_cache.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgweir::server {

/// Where somebody can be reached, as long as that is so. Thread-safe.
class entrance {
public:
    void set(std::optional<net::target> where) {
        const std::lock_guard lock(mutex_);
        where_ = std::move(where);
    }

    std::optional<net::target> get() const {
        const std::lock_guard lock(mutex_);
        return where_;
    }

private:
    mutable std::mutex mutex_;
    std::optional<net::target> where_;  // under mutex_
};

struct process {
    process(
        pool::worker_id workers,
        net::engine_kind bytes,
        const std::vector<std::string>& extra_parameters
    )
        : engine(bytes), pools(workers), parameters(extra_parameters) {}

    const net::engine_kind engine;  // of every worker

    net::name_cache names;  // of all loops

    pool::pool_directory pools;

    /// By the number of their cluster. Guarded by the pools' mutex, so that they fit what the pools
    /// have decided by them; a worker has its own, which may be a moment older.
    std::map<std::uint32_t, router::cluster_view_ptr> views;

    pool::parameter_store parameters;
    pool::statement_store statements{parameters};
    auth::scram_verifier_cache verifiers;
    auth::scram_client_cache scram_keys;
    session::auth_cache looked_up;
    router::classifier judge;

    // For what a log-in needs and a worker has no time for: computing gives way to whoever serves
    // clients, and those who wait for PAM and LDAP hold up none who compute.
    helper_threads computing{{"log-in", 1, 4096, 10}};
    helper_threads asking_outside{{"log-in outside", 4, 256, 0}};

    std::atomic<std::uint64_t> next_id{1};  // of clients and servers: one counter for both
    std::atomic<int> clients{0};            // connected, those that are logging in too
    std::atomic<int> exempt{0};             // of these, not counted by max_client_conn: consoles
    std::atomic<bool> shutting_down{false};

    /// Where the process is, as long as it lives, whose place this one has taken: cancel requests
    /// for clients who are not here are sent on to it.
    entrance predecessor;
};

}  // namespace pgweir::server
