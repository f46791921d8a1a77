// The pools: nanoseconds to get a server and to give it back, with the mutex, alone and against a
// second worker that does the same.

#include "config/load.hpp"
#include "pool/pool_directory.hpp"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace pgweir::pool {
namespace {

constexpr int servers_each = 10;

class bench_server final : public server_entry {};

class bench_client final : public waiter {
public:
    void on_granted(server_connection& /*server*/) override { std::abort(); }

    void on_refused(std::string_view /*sqlstate*/, std::string_view /*message*/) override {
        std::abort();
    }
};

/// A directory whose servers are values: opened at once when the core asks for them.
class bench_pools final : public action_target {
public:
    explicit bench_pools(worker_id workers) : directory(workers) {
        for (worker_id i = 0; i < workers; ++i) {
            directory.attach(i, *this);
        }
        const auto size = std::to_string(int(workers) * servers_each);
        const std::string text =
            "[databases]\ndb =\n[pgbouncer]\ndefault_pool_size = " + size + "\n";
        auto configuration = config::load_from("bench.ini", [&](const std::string&) {
            return result<config::file_text>(config::file_text{text, false});
        });
        directory.run(0, [&](pool_core& core, actions& out) {
            core.configure(*configuration, out);
            where_ = &core.find_pool(*core.find_database("db"), "u");
        });
        fill(workers);
    }

    ~bench_pools() {
        directory.run(0, [&](pool_core& core, actions& out) {
            for (bench_server& server : servers_) {
                core.closed(server, now, out);
            }
            out.clear();
        });
    }

    bench_client& client(worker_id worker) {
        bench_client& made = clients_.emplace_back();
        made.wanted = where_;
        made.wait_worker = worker;
        return made;
    }

    server_entry* acquire(bench_client& who) {
        return directory.run(who.wait_worker, [&](pool_core& core, actions& out) {
            return core.acquire(who, now, out);
        });
    }

    release_outcome release(server_entry& server) {
        return directory.run(server.worker, [&](pool_core& core, actions& out) {
            return core.release(server, now, out);
        });
    }

    void carry_out(const action& what) override {
        if (what.what != action::kind::connect) {
            std::abort();
        }
        wanted_.push_back(what);
    }

    void post(std::function<void()> task) override { task(); }

    const steady_time now = steady_time::clock::now();
    pool_directory directory;

private:
    /// Opens each worker's servers for clients that wait, and gives all of them back.
    void fill(worker_id workers) {
        for (worker_id worker = 0; worker < workers; ++worker) {
            for (int i = 0; i < servers_each; ++i) {
                acquire(client(worker));
            }
        }
        while (!wanted_.empty()) {
            const action connect = wanted_.front();
            wanted_.pop_front();
            bench_server& server = servers_.emplace_back();
            server.id = servers_.size();
            directory.run(connect.worker, [&](pool_core& core, actions&) {
                core.opened(server, *where_, connect.worker, now);
            });
            release(server);
        }
        for (bench_server& server : servers_) {
            release(server);
        }
    }

    pool* where_ = nullptr;
    std::deque<action> wanted_;
    std::deque<bench_server> servers_;
    std::deque<bench_client> clients_;
};

/// What a transaction costs when a server is idle on the client's worker: the usual case.
void PoolHandOver(benchmark::State& state) {
    static std::unique_ptr<bench_pools> pools;
    static std::vector<bench_client*> clients;
    if (state.thread_index() == 0) {
        pools = std::make_unique<bench_pools>(worker_id(state.threads()));
        clients.clear();
        for (int i = 0; i < state.threads(); ++i) {
            clients.push_back(&pools->client(worker_id(i)));
        }
    }
    for (auto _ : state) {  // begins when all threads are here
        server_entry* server = pools->acquire(*clients[std::size_t(state.thread_index())]);
        benchmark::DoNotOptimize(pools->release(*server));
    }
    if (state.thread_index() == 0) {
        pools.reset();
    }
}

BENCHMARK(PoolHandOver)->Threads(1)->Threads(2)->UseRealTime();

/// The same when all servers are in use: the client queues, and the next server that is given back
/// is its.
void PoolHandOverToWaiter(benchmark::State& state) {
    bench_pools pools(1);
    bench_client& who = pools.client(0);
    std::vector<server_entry*> leased;
    for (int i = 0; i < servers_each; ++i) {
        leased.push_back(pools.acquire(who));
    }
    std::size_t next = 0;
    for (auto _ : state) {
        if (pools.acquire(who) != nullptr) {
            std::abort();
        }
        benchmark::DoNotOptimize(pools.release(*leased[next++ % leased.size()]));
    }
}

BENCHMARK(PoolHandOverToWaiter);

}  // namespace
}  // namespace pgweir::pool
