#pragma once

// What a server connection asks of the worker that it lives on. Implemented by server/worker; on
// its thread.

#include "auth/scram_cache.hpp"
#include "auth/slow_question.hpp"
#include "net/connector.hpp"
#include "pool/parameters.hpp"
#include "pool/pool_core.hpp"
#include "pool/server_login.hpp"
#include "pool/server_tls.hpp"

#include <functional>
#include <memory>

namespace pgweir::net {
class loop;
}

namespace pgweir::pool {

class pool_directory;
class server_connection;
struct carried_server;

/// Where a pool's servers are and how to log in there, as the configuration says now.
struct server_address {
    net::target where;
    net::socket_options options;
    microseconds connect_timeout{0};
    std::string connect_query;
    login_request login;
    tls_terms tls;

    /// All that a connection in clear is made by, but for secrets.
    std::string origin() const;
};

class server_host {
public:
    virtual net::loop& loop() noexcept = 0;
    virtual pool_directory& pools() noexcept = 0;
    virtual parameter_store& parameters() noexcept = 0;
    virtual auth::scram_client_cache& scram_cache() noexcept = 0;
    virtual worker_id id() const noexcept = 0;

    /// For a server that is not opened by an action.
    virtual std::uint64_t new_server_id() noexcept = 0;

    /// Has a question of a log-in answered on a helper thread. `done` is called on this loop,
    /// later.
    virtual void ask(
        auth::slow_question question, std::function<void(const auth::slow_answer&)> done
    ) = 0;
    virtual const config::settings& settings() const noexcept = 0;

    /// `listed`: which host of a list.
    virtual server_address address_of(const pool& p, std::size_t listed) = 0;

    /// Tells a waiter that the server is leased to it. A grant that comes of a grant (a client that
    /// is done at once) is carried out after it, not inside of it, so that a long queue makes no
    /// deep stack.
    virtual void grant(waiter& to, server_connection& server) = 0;

    /// To be handed to another worker: the connection is out of this loop already.
    virtual void hand_over(server_connection& server, worker_id to) = 0;

    /// Goes to the process that serves now; the connection is destroyed, but not before the current
    /// call is over. The socket is the callee's.
    virtual void crossed(carried_server&& what, int socket) = 0;

    /// Does this on the loop soon, if the server is still there then.
    virtual void later(const action& what) = 0;

    /// The connection is closed and its accounts are settled: destroy it, but not before the
    /// current call is over.
    virtual void remove(server_connection& server) noexcept = 0;

    /// Sends a cancel request for what a server is running, on a connection of its own, and calls
    /// `server.cancel_over()` when the server's host has closed it or has not for too long, unless
    /// the server is gone by then.
    virtual void send_cancel(server_connection& server) = 0;

protected:
    ~server_host() = default;
};

}  // namespace pgweir::pool
