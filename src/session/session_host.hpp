#pragma once

// What a client session asks of the worker that it lives on. Implemented by server/worker; on its
// thread.

#include "auth/scram_cache.hpp"
#include "auth/slow_question.hpp"
#include "pool/pool_core.hpp"
#include "router/cluster_view.hpp"
#include "router/judge.hpp"
#include "session/client_login.hpp"
#include "session/routing_counts.hpp"
#include "session/runtime.hpp"

#include <boost/intrusive/list_hook.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace pgweir::net {
class loop;
}

namespace pgweir::pool {
struct carried_server;
class server_connection;
class parameter_store;
class pool_directory;
class server_host;
class statement_store;
}  // namespace pgweir::pool

namespace pgweir::session {

class auth_cache;
class client;
struct carried_client;

/// Bytes that were rewritten and go out in one piece. Empty between two calls of a client.
struct outbox {
    std::string joined;
    std::string rewritten;
};

/// The console's end of a client that speaks to it.
class console_port {
public:
    virtual ~console_port() = default;

    /// A whole message of the client's. What is to be said comes through client::send_console.
    virtual void on_message(char type, std::string_view body) = 0;

    /// A cancel request for what is under way.
    virtual void on_cancel() = 0;
};

/// What a client of the console may do.
enum class console_access : std::uint8_t { stats, admin };

/// Somebody who waits for news of a cluster; it leaves the list by being destroyed or unlinked.
class view_waiter : public boost::intrusive::list_base_hook<
                        boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
public:
    virtual void on_view() = 0;

protected:
    ~view_waiter() = default;
};

class session_host {
public:
    virtual net::loop& loop() noexcept = 0;
    virtual pool::pool_directory& pools() noexcept = 0;
    virtual pool::parameter_store& parameters() noexcept = 0;
    virtual pool::statement_store& statements() noexcept = 0;

    /// Where what goes to a server in one turn is put together.
    virtual outbox& sending() noexcept = 0;
    virtual auth::scram_verifier_cache& verifiers() noexcept = 0;
    virtual auth_cache& looked_up_users() noexcept = 0;
    virtual pool::worker_id id() const noexcept = 0;

    /// Has a question of a log-in answered on a helper thread. `done` is called on this loop,
    /// later.
    virtual void ask(
        auth::slow_question question, std::function<void(const auth::slow_answer&)> done
    ) = 0;
    virtual const runtime_ptr& current_runtime() const noexcept = 0;

    /// For a server connection that belongs to one client.
    virtual pool::server_host& servers() noexcept = 0;

    /// True once no new log-ins are taken, but for the console's.
    virtual bool shutting_down() const noexcept = 0;

    /// A key that no other client has, which leads cancel requests to this worker.
    virtual std::uint64_t new_cancel_key(client& owner) = 0;
    virtual void drop_cancel_key(std::uint64_t key) noexcept = 0;

    /// One that the client has brought from another process. False if another client has it.
    virtual bool keep_cancel_key(std::uint64_t key, client& owner) = 0;

    // Online restart.

    /// True once clients leave this process for another one when they can.
    virtual bool gives_clients_away() const noexcept = 0;

    /// Calls let_go() of clients that are crossing, soon and again until all have.
    virtual void let_go_later() = 0;

    /// The client has left this worker; its socket is the host's, and that of the server that goes
    /// with it (-1: none).
    virtual void crossed(carried_client&& who, int socket, int server_socket) = 0;

    /// The server that a client has brought, for it to lease; the socket is the host's. Null if
    /// there is no pool for it (null).
    virtual pool::server_connection* take_server(
        const pool::carried_server& what, int socket, pool::pool* where
    ) = 0;

    // Routing.

    virtual router::judge& judge() noexcept = 0;
    virtual routing_counts& routing() noexcept = 0;

    /// What is known of the servers of a database; nullptr if nothing is, or if it is not routed.
    virtual const router::cluster_view_ptr& view_of(const pool::database_entry& db
    ) const noexcept = 0;

    /// Asks the servers at once how far they are. The answer is a new view.
    virtual void request_sample(const pool::database_entry& db, router::awaited what) = 0;

    /// Statements of the database are to be judged: its names have to be known.
    virtual void want_names(pool::database_entry& db) = 0;

    /// A statement names something that is not known.
    virtual void miss_name(const pool::database_entry& db) = 0;

    /// Calls on_view() at the next new view of any cluster, once.
    virtual void await_view(view_waiter& who) = 0;

    /// Finds the client with the key, on any worker, and cancels what it is running. The
    /// requester's cancel_done() is called when that has been carried out, or if there is nothing
    /// to do.
    virtual void cancel(std::uint64_t key, client& requester) = 0;

    /// The console's part of a client; it sends the rest of the log-in's answer itself, the key for
    /// its cancel requests with it.
    virtual std::unique_ptr<console_port> open_console(
        client& owner, console_access access, std::uint64_t cancel_key
    ) = 0;

    /// Whether one of the clients that are here now is one too many.
    virtual client_login::room room() const noexcept = 0;

    /// The client does not count towards max_client_conn.
    virtual void exempt(client& owner) noexcept = 0;

    /// The client is through with everything: destroy it, but not before the current call is over.
    virtual void remove(client& owner) noexcept = 0;

protected:
    ~session_host() = default;
};

}  // namespace pgweir::session
