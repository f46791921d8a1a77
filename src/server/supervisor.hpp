#pragma once

// The main thread: starts the workers, listens, reads configuration, answers signals and carries
// out what operators ask for. Owns workers and listeners. What changes the whole process happens on
// this thread, one thing after the other; other threads post it here.
//
// Signals are PgBouncer's: HUP reload, INT shut down when servers are free, TERM when clients have
// gone (a second one of either: at once), QUIT at once, USR1 pause, USR2 resume.

#include "admin/command.hpp"
#include "admin/console.hpp"
#include "admin/snapshot.hpp"
#include "admin/stats.hpp"
#include "net/listener.hpp"
#include "net/loop.hpp"
#include "protocol/cancel_key.hpp"
#include "server/handing_over.hpp"
#include "server/logging.hpp"
#include "server/process.hpp"
#include "server/taking_over.hpp"
#include "server/worker.hpp"
#include "session/runtime.hpp"
#include "topology/catalogue_keeper.hpp"
#include "topology/cluster_watch.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgweir::server {

/// Reads configuration, user list and HBA file: all of them or nothing.
result<session::runtime_ptr> load_runtime(const std::string& path);

/// The same for a configuration that is at hand. What is the same as before is taken from there.
result<session::runtime_ptr> load_runtime(
    std::shared_ptr<const config::configuration> all, const session::runtime* before = nullptr
);

/// The same after this one setting was changed: files are read again only for what it is about.
result<session::runtime_ptr> with_setting(
    const session::runtime& before,
    std::shared_ptr<const config::configuration> all,
    std::string_view key
);

/// Fails if the servers of routed databases could not be watched with these settings.
result<void> check_clusters(const session::runtime& settings);

/// The engine that the setting io_engine comes to on this system, with a line in the log if it is
/// not the better one.
result<net::engine_kind> choose_engine(config::io_engine wanted);

/// Of the door at which a process with these settings waits for the one that takes its place.
std::string door_name(const config::settings& global);

class supervisor final : giver, taker {
public:
    supervisor(session::runtime_ptr settings, net::engine_kind engine, logging& log);
    ~supervisor();

    /// Begins to watch the servers of databases whose statements are routed. A failure says what
    /// is missing for it.
    result<void> watch_clusters();

    /// Listens. A failure says on what, and why not. With `before`, on the sockets of that process
    /// as far as they are what the settings ask for, and accepts nothing before run().
    result<void> listen(std::unique_ptr<taking_over> before = nullptr);

    /// Runs until the process is to end. False if it never came to serve, because the process that
    /// it was to take over from went on. `in_charge` is called when it serves, before any other
    /// process may be told so; on any thread.
    bool run(std::function<void()> in_charge);

    /// After run(): somebody's name is still being looked up, and the destructor waits for that.
    bool waits_for_a_name() const { return shared_.names.under_way() != 0; }

    worker& worker_of(pool::worker_id id) noexcept { return *workers_[id]; }

    /// Where the client with this cancel key is. One that was made by a process with more workers
    /// has one here, too.
    pool::worker_id worker_of_key(std::uint64_t key) const noexcept {
        return protocol::worker_of_key(key) % static_cast<pool::worker_id>(workers_.size());
    }

    // From any thread.

    /// A client goes to the process that serves now.
    void send_client(session::carried_client&& who, descriptor socket, descriptor server) {
        handing_over_.send(std::move(who), std::move(socket), std::move(server));
    }

    /// The same of a server that nobody has.
    void send_server(pool::carried_server&& what, descriptor socket) {
        handing_over_.send(std::move(what), std::move(socket));
    }

    /// Whether an operator does, for the end of what it has asked for.
    enum class waiting_for_it : std::uint8_t { yes, canceled, gone };

    /// Carries out what an operator asks for. `done` is called on one of the threads, at once or
    /// when what the operator waits for has happened; `still` is asked before. A PAUSE that is
    /// canceled is resumed.
    using finished = std::function<void(const admin::operation_result&)>;
    void carry_out(
        const admin::operation& what, finished done, std::function<waiting_for_it()> still
    );

    /// Has the servers of a cluster asked where they are; see topology::cluster_watch.
    void sample(std::uint32_t cluster, router::awaited what, microseconds patience) {
        clusters_.sample(cluster, what, patience);
    }

    /// From now on the names in a database are known as well as they can be. `dbname`: as its
    /// servers know it.
    void keep_names(std::uint32_t database, const std::string& name, const std::string& dbname);

    void refresh_names(std::uint32_t database) { names_.refresh(database); }

    /// Gathers what a SHOW needs from all threads. `done` is called on one of them.
    using gathered = std::function<void(std::shared_ptr<admin::snapshot>)>;
    void gather(admin::show_kind what, gathered done);

private:
    struct waiting_operator {
        admin::operation what;
        std::function<waiting_for_it()> still;
        finished done;
    };

    enum class shutdown_stage : std::uint8_t {
        running,
        handed_over,  ///< another process serves; clients that are here finish
        waiting_for_servers,
        waiting_for_clients,
    };

    /// A port to listen on; clients of one with a route are sent there, whatever they say.
    struct entrance {
        int port = 0;
        std::optional<config::routing> route;
    };

    std::vector<entrance> entrances() const;
    net::listener::callback accepting(const entrance& where);
    result<void> listen_on(const entrance& where);
    result<void> listen_tcp(const std::string& address, const entrance& where);
    result<void> listen_local(const entrance& where);
    result<void> add_listener(result<std::unique_ptr<net::listener>> made, const entrance& where);
    result<bool> listen_passed(const entrance& where);
    net::listener::common_options listening();
    void open_door();
    void accepted(int socket, const net::address& peer, std::optional<config::routing> route);
    worker& next_worker() noexcept;
    void watch_signals();
    void on_signal(int number);
    void tick();
    void take_stats();

    admin::operation_result perform(const admin::operation& what);
    admin::operation_result reload();
    admin::operation_result set(const std::string& key, const std::string& value);
    admin::operation_result pause(const std::string& database);
    admin::operation_result resume(const std::string& database);
    admin::operation_result reconnect(const std::string& database);
    admin::operation_result disable(const std::string& database, bool value);
    admin::operation_result kill(const std::string& database);
    void kill_client(std::uint64_t id, const finished& done);
    admin::operation_result shut_down(admin::shutdown_mode mode);
    void when_workers_know(const std::function<void()>& then);
    bool look_after(const waiting_operator& w);
    admin::operation_result with_database(
        const std::string& name,
        const std::function<std::string(pool::pool_core&, pool::database_entry*, pool::actions&)>&
            change
    );
    result<topology::cluster_numbers> watch(const session::runtime& settings);
    void use(session::runtime_ptr settings, topology::cluster_numbers clusters);
    void take_view(topology::cluster_number cluster, const router::cluster_view_ptr& view);
    void follow_primaries(pool::pool_core& core, pool::actions& out);
    void close_fast();
    void take_terms();
    void look_up_names();
    void forget_unused();
    admin::operation_result read_again();
    void stop_listening();
    void stop();
    void stop_worker_by_worker(int round);

    // Online restart: supervisor_restart.cpp.
    std::string refusal() override;
    net::lent_sockets lend() override;
    result<net::target> cancel_entrance() override;
    void stop_accepting() override;
    void accept_again() override;
    void give(int process) override;
    std::vector<carried_credentials> credentials() override;
    void give_connections(bool now) override;
    void get_ready() override;
    void learn(carried_credentials&& known) override;
    void take_client(session::carried_client&& who, descriptor socket, descriptor server) override;
    void take_server(pool::carried_server&& what, descriptor socket) override;
    bool nobody_left() const;
    bool no_clients() const;
    void look_after_clients();
    void begin_accepting() override;

    bool is_to_end() const override { return shared_.shutting_down; }

    void took_over() override;
    void stayed_behind(const std::string& why) override;
    void is_alone() override;
    void on_first_worker(const handover::interrupt& stop, std::function<void()> task);
    void here(const handover::interrupt& stop, std::function<void()> task);

    struct signals;

    session::runtime_ptr runtime_;
    logging& log_;
    net::loop loop_;
    process shared_;
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<std::unique_ptr<net::listener>> listeners_;  // on the first worker's loop
    std::unique_ptr<net::listener> cancel_entrance_;         // the same; once it may be needed
    net::target cancels_at_;
    std::unique_ptr<signals> signals_;
    std::size_t next_worker_ = 0;  // on the first worker's thread
    std::vector<waiting_operator> waiting_;
    shutdown_stage shutdown_ = shutdown_stage::running;
    bool stopping_ = false;
    bool stayed_behind_ = false;
    steady_time may_end_at_{};  // once another process serves
    steady_time clients_seen_at_{};
    steady_time names_looked_up_at_{};
    steady_time unused_looked_at_{};
    std::function<void()> in_charge_;
    std::map<std::string, admin::stats_window> windows_;  // by database
    admin::stats_window overall_;
    steady_time stats_due_{};
    std::string door_name_;
    topology::catalogue_keeper names_;
    topology::cluster_watch clusters_;  // its threads speak to the workers, so it goes first
    handing_over handing_over_{*this};  // and so do these
    std::unique_ptr<taking_over> taking_over_;
};

}  // namespace pgweir::server
