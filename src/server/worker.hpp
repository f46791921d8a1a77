#pragma once

// One thread of clients and servers: owns its loop and every connection on it.
//
// From other threads only start(), post(), join(), expect_client() and load() may be called; all
// else runs on the worker's own thread. Objects that end are freed a turn later, so that nobody up
// the stack finds them gone.

#include "net/loop.hpp"
#include "pool/cancel_request.hpp"
#include "pool/server_host.hpp"
#include "router/cluster_view.hpp"
#include "server/peer_cancels.hpp"
#include "server/process.hpp"
#include "session/client.hpp"
#include "session/session_host.hpp"

#include <boost/intrusive/list.hpp>

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace pgweir::server {

class supervisor;

class worker final : public pool::server_host,
                     public session::session_host,
                     public pool::action_target {
public:
    worker(process& shared, supervisor& boss, pool::worker_id id, session::runtime_ptr settings);
    ~worker();

    void start();
    void join();
    void post(std::function<void()> task) override;

    /// Counts a client that is about to be posted here.
    void expect_client() noexcept { load_.fetch_add(1, std::memory_order_relaxed); }

    /// Its clients, with those on their way to it.
    int load() const noexcept { return load_.load(std::memory_order_relaxed); }

    // On the worker's thread.

    /// Takes over a connected client from a listener, which was expected; `route` is the
    /// listener's, if it has one.
    void accept(int socket, const net::address& peer, std::optional<config::routing> route);

    /// The same for a client of another process, as it left it, and for the server that it had.
    void take_client(int socket, int server_socket, const session::carried_client& who);

    /// For a server that nobody had.
    void take_server(const pool::carried_server& what, int socket);

    /// Servers of this host whose addresses its name does not have any more are replaced.
    void leave_old_addresses(const std::string& host);

    /// From now on clients leave for another process as soon as they can; or stay.
    void give_clients(bool now);

    /// Those who can leave do.
    void cross_clients();

    /// From now on these settings hold; clients of databases that are gone end.
    void apply(session::runtime_ptr settings);

    /// What is known now of the servers of a cluster; nullptr: nothing.
    void take_view(std::uint32_t cluster, router::cluster_view_ptr view);

    /// Ends all clients and servers.
    void end_all();

    /// Ends the loop, when what is on its way to it has been done.
    void stop();

    /// A server that another worker has let go.
    void take_over(std::shared_ptr<pool::server_connection> server);

    /// Ends clients for which `fits` holds. False if there are none.
    bool kill_clients(const std::function<bool(const session::client&)>& fits, errc why);

    /// What it has done since the start.
    struct activity {
        std::uint64_t accepted = 0;  // clients
        std::uint64_t migrations_in = 0;
        std::uint64_t migrations_out = 0;  // servers that went to another worker
    };

    /// Cancel requests on their way to other processes.
    const peer_cancels& peers() const noexcept { return peers_; }

    const activity& done() const noexcept { return done_; }

    std::size_t client_total() const noexcept { return clients_.size(); }

    std::size_t server_total() const noexcept { return servers_.size(); }

    template <typename Visit>
    void for_each_client(Visit&& visit) const {
        for (const session::client& c : clients_) {
            visit(c);
        }
    }

    template <typename Visit>
    void for_each_server(Visit&& visit) const {
        for (const auto& [id, server] : servers_) {
            visit(*server);
        }
    }

    // pool::server_host and session::session_host
    net::loop& loop() noexcept override { return loop_; }

    const net::loop& loop() const noexcept { return loop_; }

    pool::pool_directory& pools() noexcept override { return shared_.pools; }

    pool::parameter_store& parameters() noexcept override { return shared_.parameters; }

    pool::worker_id id() const noexcept override { return id_; }

    // pool::server_host and session::session_host
    void ask(auth::slow_question question, std::function<void(const auth::slow_answer&)> done)
        override;

    // pool::server_host
    auth::scram_client_cache& scram_cache() noexcept override { return shared_.scram_keys; }

    const config::settings& settings() const noexcept override {
        return runtime_->configuration->global;
    }

    std::uint64_t new_server_id() noexcept override { return shared_.next_id++; }

    pool::server_address address_of(const pool::pool& p, std::size_t listed) override;
    void grant(pool::waiter& to, pool::server_connection& server) override;
    void hand_over(pool::server_connection& server, pool::worker_id to) override;
    void crossed(pool::carried_server&& what, int socket) override;
    void later(const pool::action& what) override;
    void remove(pool::server_connection& server) noexcept override;
    void send_cancel(pool::server_connection& server) override;

    // session::session_host
    router::judge& judge() noexcept override { return shared_.judge; }

    session::routing_counts& routing() noexcept override { return routing_; }

    const session::routing_counts& routing() const noexcept { return routing_; }

    const router::cluster_view_ptr& view_of(const pool::database_entry& db) const noexcept override;

    pool::server_host& servers() noexcept override { return *this; }

    void request_sample(const pool::database_entry& db, router::awaited what) override;
    void want_names(pool::database_entry& db) override;
    void miss_name(const pool::database_entry& db) override;
    void await_view(session::view_waiter& who) override;

    // session::session_host
    pool::statement_store& statements() noexcept override { return shared_.statements; }

    session::outbox& sending() noexcept override { return sending_; }

    auth::scram_verifier_cache& verifiers() noexcept override { return shared_.verifiers; }

    session::auth_cache& looked_up_users() noexcept override { return shared_.looked_up; }

    const session::runtime_ptr& current_runtime() const noexcept override { return runtime_; }

    bool shutting_down() const noexcept override { return shared_.shutting_down; }

    std::uint64_t new_cancel_key(session::client& owner) override;

    void drop_cancel_key(std::uint64_t key) noexcept override { cancel_keys_.erase(key); }

    bool keep_cancel_key(std::uint64_t key, session::client& owner) override;

    bool gives_clients_away() const noexcept override { return giving_; }

    void let_go_later() override;
    void crossed(session::carried_client&& who, int socket, int server_socket) override;
    pool::server_connection* take_server(
        const pool::carried_server& what, int socket, pool::pool* where
    ) override;
    void cancel(std::uint64_t key, session::client& requester) override;
    std::unique_ptr<session::console_port> open_console(
        session::client& owner, session::console_access access, std::uint64_t cancel_key
    ) override;
    session::client_login::room room() const noexcept override;
    void exempt(session::client& owner) noexcept override;
    void remove(session::client& owner) noexcept override;

    // pool::action_target
    void carry_out(const pool::action& what) override;

private:
    struct cancel_under_way {
        std::uint64_t server;
        std::unique_ptr<pool::cancel_request> request;
    };

    using client_list = boost::intrusive::list<
        session::client,
        boost::intrusive::member_hook<
            session::client,
            boost::intrusive::list_member_hook<>,
            &session::client::hook>>;

    pool::server_connection* find_server(std::uint64_t server_id) noexcept;
    void refuse_waiters(pool::pool& p);
    void cancel_elsewhere(
        std::uint64_t key, std::uint64_t requester_id, const std::function<void()>& answer
    );
    void cancel_over(
        std::uint64_t server_id, std::list<cancel_under_way>::iterator which, bool known
    );
    void bury();
    std::uint64_t random_number();

    process& shared_;
    supervisor& supervisor_;
    const pool::worker_id id_;
    session::runtime_ptr runtime_;
    net::loop loop_;
    std::thread thread_;
    std::atomic<int> load_{0};

    activity done_;
    client_list clients_;  // owned
    std::unordered_map<std::uint64_t, std::shared_ptr<pool::server_connection>> servers_;
    std::unordered_map<std::uint64_t, session::client*> cancel_keys_;
    std::array<std::uint64_t, 64> random_{};  // for the next keys
    std::size_t random_left_ = 0;
    std::unordered_map<std::uint64_t, session::client*> cancel_requesters_;
    std::list<cancel_under_way> cancels_;
    peer_cancels peers_{loop_};

    session::outbox sending_;

    session::routing_counts routing_;
    std::vector<router::cluster_view_ptr> views_;  // by the number of the cluster
    using view_waiters =
        boost::intrusive::list<session::view_waiter, boost::intrusive::constant_time_size<false>>;
    view_waiters waiting_for_views_;
    steady_time names_missed_at_{};

    /// Comes back to clients who had not been sent everything when they were to leave.
    struct last_look final : net::deadline {
        explicit last_look(worker& of) : owner(of) {}

        void on_deadline(steady_time now) override;

        worker& owner;
    };

    bool giving_ = false;  // clients to another process
    last_look last_look_{*this};

    bool granting_ = false;
    std::deque<std::pair<pool::waiter*, pool::server_connection*>> grants_;

    bool burial_posted_ = false;
    std::vector<std::unique_ptr<session::client>> dead_clients_;
    std::vector<std::shared_ptr<pool::server_connection>> dead_servers_;
    std::list<cancel_under_way> dead_cancels_;
};

}  // namespace pgweir::server
