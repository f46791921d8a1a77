// Random lives of pools: clients come, wait, leave and finish; servers connect, fail, die and move;
// the operator pauses, resumes, reconnects. What must hold whatever happens is checked after every
// step.

#include "unit/pool/pool_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace pgweir::pool {
namespace {

using namespace test;

constexpr int db_limit = 5;
constexpr int user_limit = 6;

class model {
public:
    model(unsigned seed, worker_id workers)
        : workers_(workers),
          random_(seed),
          w_("default_pool_size = 3\nreserve_pool_size = 1\nreserve_pool_timeout = 1\n"
             "max_db_connections = 5\nmax_user_connections = 6\nserver_login_retry = 2\n"
             "server_check_delay = 3\nserver_idle_timeout = 20\nserver_lifetime = 60\n"
             "min_pool_size = 1\nmax_db_client_connections = 1000\n",
             workers,
             "one =\ntwo =\n") {
        for (const char* db : {"one", "two"}) {
            for (const char* user : {"a", "b"}) {
                EXPECT_FALSE(w_.core.admit_client(w_.at(db, user), w_.core.find_user(user)));
                pools_.push_back(&w_.at(db, user));
            }
        }
    }

    void step() {
        w_.now += microseconds(chance(20) ? below(2'000'000) : below(2'000));
        switch (below(12)) {
            case 0:
            case 1:
            case 2:
                come();
                break;
            case 3:
            case 4:
                finish();
                break;
            case 5:
            case 6:
            case 7:
            case 8:
                carry_out_one();
                break;
            case 9:
                connect_one();
                break;
            case 10:
                misfortune();
                break;
            default:
                w_.tick();
                break;
        }
        check();
    }

    /// Everything that is under way is carried out, and nothing new happens.
    void settle() {
        w_.core.resume(nullptr, w_.now, w_.out);
        for (const char* db : {"one", "two"}) {
            w_.core.resume(w_.core.find_database(db), w_.now, w_.out);
        }
        carry_out_all();
        for (pool* p : pools_) {
            EXPECT_FALSE(p->counts.waiting > 0 && p->counts.idle > 0)
                << "somebody waits beside an idle server";
        }
    }

    /// Clients finish one after the other until nobody waits: everybody is served in the end.
    void run_out() {
        settle();
        for (int i = 0; i < 5'000 && waiting() > 0; i++) {
            w_.now += milliseconds(50);
            finish();
            w_.tick();
            carry_out_all();
        }
        EXPECT_EQ(waiting(), 0);
    }

    int grants() const { return grants_; }

    int evictions_and_closes() const { return closes_; }

private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

    bool chance(unsigned one_of) { return below(one_of) == 0; }

    worker_id any_worker() { return static_cast<worker_id>(below(workers_)); }

    int waiting() const {
        int sum = 0;
        for (const pool* p : pools_) {
            sum += p->counts.waiting;
        }
        return sum;
    }

    /// A server in this state, or nullptr.
    test_server* any(state where) {
        std::vector<test_server*> found;
        for (auto& [id, server] : w_.servers) {
            if (server->where == where) {
                found.push_back(server.get());
            }
        }
        return found.empty() ? nullptr : found[below(found.size())];
    }

    void come() {
        if (waiting() > 30) {
            return;
        }
        test_client& who = w_.client(any_worker(), *pools_[below(pools_.size())]);
        if (server_entry* server = w_.acquire(who)) {
            EXPECT_EQ(server->worker, who.wait_worker);
            EXPECT_EQ(server->owner, who.wanted);
            granted(*server);
        } else {
            queues_[{who.wanted, who.wait_worker}].push_back(&who);
        }
    }

    void granted(server_entry& server) {
        EXPECT_EQ(server.where, state::leased);
        EXPECT_TRUE(leases_.insert(server.id).second) << "granted twice";
        grants_++;
    }

    void finish() {
        if (test_server* server = any(state::leased)) {
            leases_.erase(server->id);
            if (chance(5)) {
                w_.core.occupy(*server);
                return;
            }
            release(*server);
        }
    }

    void release(server_entry& server) {
        const worker_id here = server.worker;
        pool* p = server.owner;
        const release_outcome done = w_.release(server);
        switch (done.what) {
            case outcome::granted: {
                auto& queue = queues_[{p, here}];
                ASSERT_FALSE(queue.empty());
                EXPECT_EQ(queue.front(), done.to) << "out of order";
                queue.pop_front();
                return granted(server);
            }
            case outcome::parked:
                EXPECT_TRUE(p->sides[here].waiting.empty());
                EXPECT_EQ(server.where, state::idle);
                return;
            case outcome::close:
                return close(server);
            case outcome::move:
                w_.out.push_back({do_what::move, here, p, server.id, done.destination});
                return;
            case outcome::cross:
                ADD_FAILURE() << "no other process serves";
                return;
        }
    }

    void close(server_entry& server) {
        leases_.erase(server.id);
        closes_++;
        w_.close(server);
    }

    void carry_out_one() {
        if (w_.out.empty()) {
            if (test_server* server = any(state::busy)) {
                release(*server);  // a reset, a drain or a check is over
            }
            return;
        }
        // Actions of one worker are carried out in order, those of several in any.
        const std::size_t at = below(w_.out.size());
        const auto first = std::find_if(w_.out.begin(), w_.out.end(), [&](const action& a) {
            return a.worker == w_.out[at].worker;
        });
        const action todo = *first;
        w_.out.erase(first);
        carry_out(todo);
    }

    void carry_out(const action& todo) {
        if (todo.what == do_what::connect) {
            w_.open(todo);
            return;
        }
        if (todo.what == do_what::refuse) {
            while (waiter* refused = w_.core.next_refused(*todo.where, todo.worker)) {
                auto& queue = queues_[{todo.where, todo.worker}];
                ASSERT_FALSE(queue.empty());
                EXPECT_EQ(queue.front(), refused);
                queue.pop_front();
            }
            return;
        }
        const auto found = w_.servers.find(todo.server);
        if (found == w_.servers.end()) {
            return;  // it has gone meanwhile
        }
        test_server& server = *found->second;
        switch (todo.what) {
            case do_what::close:
                return close(server);
            case do_what::check:
                EXPECT_EQ(server.where, state::busy);
                EXPECT_EQ(server.worker, todo.worker);
                return chance(8) ? close(server) : release(server);
            case do_what::move:
                EXPECT_EQ(server.where, state::moving);
                EXPECT_EQ(server.worker, todo.worker);
                w_.core.arrived(server, todo.destination);
                return release(server);
            case do_what::cross:
                ADD_FAILURE() << "no other process serves";
                return;
            case do_what::connect:
            case do_what::refuse:
                return;
        }
    }

    void connect_one() {
        if (test_server* server = any(state::connecting)) {
            if (chance(6)) {
                constexpr const char* states[] = {"", "57P03", "28P01"};
                w_.fail(*server, states[below(3)]);
            } else {
                release(*server);
            }
        }
    }

    void misfortune() {
        switch (below(8)) {
            case 0:
                w_.core.pause(w_.core.find_database(chance(2) ? "one" : "two"), w_.out);
                break;
            case 1:
            case 2:
                w_.core.resume(w_.core.find_database(chance(2) ? "one" : "two"), w_.now, w_.out);
                break;
            case 3:
                if (chance(10)) {
                    w_.core.reconnect(nullptr, w_.out);
                }
                break;
            case 4:
                leave();
                break;
            default: {
                constexpr state states[] = {state::idle, state::leased, state::busy, state::moving};
                if (test_server* server = any(states[below(4)])) {
                    if (server->where == state::idle && chance(2)) {
                        if (!w_.core.claim_stale(*server, w_.now).empty()) {
                            close(*server);
                        }
                        break;
                    }
                    close(*server);
                }
            }
        }
    }

    void leave() {
        for (auto& [where, queue] : queues_) {
            if (!queue.empty() && chance(3)) {
                const std::size_t at = below(queue.size());
                w_.core.leave(*queue[at]);
                queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(at));
                return;
            }
        }
    }

    void carry_out_all() {
        for (int i = 0; i < 100'000; i++) {
            if (!w_.out.empty() || any(state::busy) != nullptr) {
                carry_out_one();
            } else if (test_server* server = any(state::connecting)) {
                release(*server);
            } else {
                check();
                return;
            }
        }
        ADD_FAILURE() << "it never comes to rest";
    }

    void check() const {
        std::map<const database_entry*, int> of_database;
        std::map<const user_entry*, int> of_user;
        for (const pool* p : pools_) {
            check_counts(*p);
            of_database[&p->database] += p->counts.servers();
            of_user[&p->user_totals] += p->counts.servers();
            EXPECT_LE(p->counts.servers(), p->limits.size + p->limits.reserve_size);
            EXPECT_LE(p->counts.connecting, connects_at_once);
        }
        for (const auto& [db, sum] : of_database) {
            EXPECT_EQ(db->connections, sum);
            EXPECT_LE(sum, db_limit);
        }
        for (const auto& [user, sum] : of_user) {
            EXPECT_EQ(user->connections, sum);
            EXPECT_LE(sum, user_limit);
        }
    }

    void check_counts(const pool& p) const {
        std::map<state, int> by_state;
        int checking = 0;
        for (const server_entry& server : p.servers) {
            by_state[server.where]++;
            checking += server.checking;
            EXPECT_EQ(leases_.contains(server.id), server.where == state::leased);
            EXPECT_EQ(server.hook.is_linked(), server.where == state::idle);
            EXPECT_TRUE(!server.checking || server.where == state::busy);
        }
        EXPECT_EQ(p.counts.connecting, by_state[state::connecting] + p.counts.promised);
        EXPECT_EQ(p.counts.idle, by_state[state::idle]);
        EXPECT_EQ(p.counts.leased, by_state[state::leased]);
        EXPECT_EQ(p.counts.busy, by_state[state::busy]);
        EXPECT_EQ(p.counts.moving, by_state[state::moving]);
        EXPECT_EQ(p.counts.checking, checking);
        std::size_t queued = 0;
        for (worker_id worker = 0; worker < workers_; worker++) {
            const auto queue = queues_.find({&p, worker});
            const std::size_t expected = queue == queues_.end() ? 0 : queue->second.size();
            EXPECT_EQ(p.sides[worker].waiting.size(), expected);
            EXPECT_GE(p.sides[worker].incoming, 0);
            queued += expected;
        }
        EXPECT_EQ(static_cast<std::size_t>(p.counts.waiting), queued);
    }

    worker_id workers_;
    std::mt19937 random_;
    world w_;
    std::vector<pool*> pools_;
    std::map<std::pair<const pool*, worker_id>, std::deque<waiter*>> queues_;
    std::set<std::uint64_t> leases_;
    int grants_ = 0;
    int closes_ = 0;
};

class PoolCoreModelTest : public testing::TestWithParam<unsigned> {};

TEST_P(PoolCoreModelTest, HoldsItsPromisesInAnyOrderOfEvents) {
    model m(GetParam(), 1 + GetParam() % 4);
    for (int i = 0; i < 3'000 && !testing::Test::HasFailure(); i++) {
        m.step();
        if (i % 100 == 99) {
            m.settle();
        }
    }
    m.run_out();
    EXPECT_GT(m.grants(), 100);
    EXPECT_GT(m.evictions_and_closes(), 20);
}

INSTANTIATE_TEST_SUITE_P(Seeds, PoolCoreModelTest, testing::Range(1U, 13U));

}  // namespace
}  // namespace pgweir::pool
