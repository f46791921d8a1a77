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
#include "server/logging.hpp"
#include "server/process.hpp"
#include "server/worker.hpp"
#include "session/runtime.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace pgweir::server {

/// Reads configuration, user list and HBA file: all of them or nothing.
result<session::runtime_ptr> load_runtime(const std::string& path);

/// The same for a configuration that is at hand. What is the same as before is taken from there.
result<session::runtime_ptr> load_runtime(
    std::shared_ptr<const config::configuration> all, const session::runtime* before = nullptr
);

/// The engine that the setting io_engine comes to on this system, with a line in the log if it is
/// not the better one.
result<net::engine_kind> choose_engine(config::io_engine wanted);

class supervisor {
public:
    supervisor(session::runtime_ptr settings, net::engine_kind engine, logging& log);
    ~supervisor();

    /// Listens. A failure says on what, and why not.
    result<void> listen();

    /// Runs until the process is to end.
    void run();

    worker& worker_of(pool::worker_id id) noexcept { return *workers_[id]; }

    // From any thread.

    /// Carries out what an operator asks for. `done` is called on the supervisor's thread, at once
    /// or when what the operator waits for has happened; `still_wanted` is asked before.
    using finished = std::function<void(const admin::operation_result&)>;
    void carry_out(const admin::operation& what, finished done, std::function<bool()> still_wanted);

    /// Gathers what a SHOW needs from all threads. `done` is called on one of them.
    using gathered = std::function<void(std::shared_ptr<admin::snapshot>)>;
    void gather(admin::show_kind what, gathered done);

private:
    struct waiting_operator {
        std::function<bool()> reached;
        std::function<bool()> still_wanted;
        finished done;
    };

    enum class shutdown_stage : std::uint8_t { running, waiting_for_servers, waiting_for_clients };

    result<void> listen_tcp(const std::string& address);
    void accepted(int socket, const net::address& peer);
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
    admin::operation_result kill_client(std::uint64_t id);
    admin::operation_result shut_down(admin::shutdown_mode mode);
    std::function<bool()> condition_of(const admin::operation& what);
    admin::operation_result with_database(
        const std::string& name,
        const std::function<std::string(pool::pool_core&, pool::database_entry*, pool::actions&)>&
            change
    );
    void use(session::runtime_ptr settings);
    void limit_statements();
    void stop_listening();
    void stop();
    void stop_worker_by_worker(int round);

    struct signals;

    session::runtime_ptr runtime_;
    logging& log_;
    net::loop loop_;
    process shared_;
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<std::unique_ptr<net::listener>> listeners_;  // on the first worker's loop
    std::unique_ptr<signals> signals_;
    std::size_t next_worker_ = 0;  // on the first worker's thread
    std::vector<waiting_operator> waiting_;
    shutdown_stage shutdown_ = shutdown_stage::running;
    bool stopping_ = false;
    std::map<std::string, admin::stats_window> windows_;  // by database
    admin::stats_window overall_;
    steady_time stats_due_{};
};

}  // namespace pgweir::server
