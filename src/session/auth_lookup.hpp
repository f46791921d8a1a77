#pragma once

// Carries an auth_query out: waits for a server as a client does, asks, and gives it back. The
// server is used with the parameters that it had when it was opened, never with those that a client
// has asked for: search_path and the like could change what the query means (CVE-2025-12819).
//
// Thread: the worker's. Owned by the client that logs in, and destroyed not before the turn in
// which it has ended is over.

#include "pool/pool_core.hpp"
#include "pool/server_connection.hpp"
#include "session/auth_query.hpp"
#include "session/session_host.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::session {

class auth_lookup final : pool::waiter, pool::lease_holder {
public:
    /// Called once, from the loop, and not after cancel().
    using callback = std::function<void(looked_up)>;

    auth_lookup(session_host& host, auth_query_request what, callback done);
    ~auth_lookup();

    void start();

    /// Nobody wants to know any more.
    void cancel();

    const auth_query_request& what() const noexcept { return what_; }

    /// The pool that is asked; nullptr when it is not any more.
    pool::pool* asks() const noexcept { return done_ ? wanted : nullptr; }

private:
    // From the pool and the server.
    void on_granted(pool::server_connection& server) override;
    void on_refused(std::string_view sqlstate, std::string_view message) override;
    void on_replies(std::string_view bytes) override;
    bool is_done(protocol::transaction_status status) const noexcept override;
    void on_settled(protocol::transaction_status status) override;

    void on_parameter(std::size_t, std::string_view) override {}

    void on_parameters_set(std::optional<std::string> error) override;

    void on_statement(const pool::statement_effect&, std::uint64_t) override {}

    void on_statements_forgotten() override {}

    std::string_view name_of(std::uint64_t) const noexcept override { return {}; }

    void on_progress() override {}

    void on_server_drained() override {}

    void on_server_lost(errc code, bool told) override;

    void ask(pool::server_connection& server);
    void send();
    void refuse(errc code, std::string_view addition, std::string_view detail);
    void finish(looked_up answer);

    session_host& host_;
    const auth_query_request what_;
    callback done_;  // empty once it is over
    pool::server_connection* server_ = nullptr;
    auth_reply reply_;
};

}  // namespace pgweir::session
