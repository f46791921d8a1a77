#pragma once

// A pool_core with everything around it made of values: a clock that a test moves, clients and
// servers that it owns, and the actions as they came out, to be carried out by the test. Closes
// what is left at its end, for the core's lists may not outlive their entries.

#include "pool/pool_core.hpp"
#include "unit/config/support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace pgweir::pool::test {

class test_server final : public server_entry {};

class test_client final : public waiter {
public:
    // The caller of the core tells, not the core.
    void on_granted(server_connection& /*server*/) override { ADD_FAILURE(); }

    void on_refused(std::string_view /*sqlstate*/, std::string_view /*message*/) override {
        ADD_FAILURE();
    }
};

using state = server_entry::state;
using do_what = action::kind;
using outcome = release_outcome::kind;

class world {
public:
    world(std::string pgbouncer, worker_id workers = 2, std::string databases = "db =\n")
        : core(workers) {
        configure(std::move(pgbouncer), std::move(databases));
    }

    ~world() {
        for (auto& client : clients) {
            core.leave(*client);
        }
        for (auto& [id, server] : servers) {
            core.closed(*server, now, out);
        }
    }

    world(const world&) = delete;
    world& operator=(const world&) = delete;

    void configure(std::string pgbouncer, std::string databases = "db =\n") {
        core.configure(
            config::test::good(
                "[databases]\n" + std::move(databases) + "[pgbouncer]\n" + std::move(pgbouncer)
            ),
            out
        );
    }

    pool& at(std::string_view database = "db", std::string_view user = "u") {
        return core.find_pool(*core.find_database(database), user);
    }

    test_client& client(worker_id worker, pool& p) {
        clients.push_back(std::make_unique<test_client>());
        clients.back()->wanted = &p;
        clients.back()->wait_worker = worker;
        return *clients.back();
    }

    test_client& client(worker_id worker) { return client(worker, at()); }

    server_entry* acquire(waiter& who) { return core.acquire(who, now, out); }

    /// A new client that has to queue.
    test_client& queued(worker_id worker, pool& p) {
        test_client& made = client(worker, p);
        EXPECT_EQ(acquire(made), nullptr);
        return made;
    }

    test_client& queued(worker_id worker = 0) { return queued(worker, at()); }

    int count(do_what kind) const {
        return static_cast<int>(std::count_if(out.begin(), out.end(), [&](const action& a) {
            return a.what == kind;
        }));
    }

    /// Takes the first action out, which must be of this kind.
    action take(do_what kind) {
        if (out.empty() || out.front().what != kind) {
            throw std::logic_error("the next action is another");  // ends the test
        }
        const action first = out.front();
        out.erase(out.begin());
        return first;
    }

    /// Carries out a `connect` up to where the server is being connected.
    test_server& open(const action& connect) {
        auto made = std::make_unique<test_server>();
        made->id = ++last_id;
        test_server& server = *made;
        servers.emplace(server.id, std::move(made));
        core.opened(server, *connect.where, connect.worker, now);
        return server;
    }

    test_server& open() { return open(take(do_what::connect)); }

    release_outcome release(server_entry& server) { return core.release(server, now, out); }

    void close(server_entry& server) {
        const std::uint64_t id = server.id;
        core.closed(server, now, out);
        servers.erase(id);
    }

    void fail(server_entry& server, std::string_view sqlstate = "", std::string_view why = "no") {
        const std::uint64_t id = server.id;
        core.connect_failed(server, why, sqlstate, now, out);
        servers.erase(id);
    }

    void tick() { core.tick(now, out); }

    /// A server that a client of this worker has.
    test_server& leased(worker_id worker, pool& p) {
        test_client& who = queued(worker, p);
        test_server& server = open();
        const release_outcome granted = release(server);
        EXPECT_EQ(granted.what, outcome::granted);
        EXPECT_EQ(granted.to, &who);
        return server;
    }

    test_server& leased(worker_id worker = 0) { return leased(worker, at()); }

    /// Has `count` servers of this worker connected, then parked.
    std::vector<test_server*> parked(int count, worker_id worker, pool& p) {
        std::vector<test_server*> made;
        for (int i = 0; i < count; i++) {
            made.push_back(&leased(worker, p));
        }
        for (test_server* server : made) {
            EXPECT_EQ(release(*server).what, outcome::parked);
        }
        return made;
    }

    test_server& parked(worker_id worker = 0) { return *parked(1, worker, at()).front(); }

    pool_core core;
    actions out;
    steady_time now{seconds(100'000)};
    std::deque<std::unique_ptr<test_client>> clients;
    std::map<std::uint64_t, std::unique_ptr<test_server>> servers;
    std::uint64_t last_id = 0;
};

}  // namespace pgweir::pool::test
