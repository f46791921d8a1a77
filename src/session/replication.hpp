#pragma once

// A client that replicates (pg_basebackup, pg_receivewal, pg_recvlogical, a subscription) and the
// server connection that is made for it alone: opened with what its startup packet says, never
// leased to anybody else, closed with it. Everything behind the log-in goes through as it is, both
// ways at once. PostgreSQL manual, section 55.4, "Streaming Replication Protocol".
//
// It counts in the pool and in the limits of database and user like any other server; while there
// is no room it waits, and an idle server of the pool makes room. On the thread of its client.

#include "net/connector.hpp"
#include "net/stream.hpp"
#include "net/timer_wheel.hpp"
#include "pool/pool_core.hpp"
#include "pool/server_host.hpp"
#include "pool/server_login.hpp"
#include "pool/tls_opening.hpp"
#include "protocol/frame.hpp"
#include "session/client_login.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace pgweir::session {

/// The client's side.
class replicating_client {
public:
    /// The server is ready; `parameters` are its ParameterStatus messages.
    virtual void on_replication(std::string_view parameters) = 0;

    virtual void on_replicated(std::string_view bytes) = 0;

    /// What was sent to the server has gone out.
    virtual void on_replication_drained() = 0;

    /// It is over. With a message nothing was told to the client yet.
    virtual void on_replication_over(std::string_view sqlstate, std::string_view message) = 0;

protected:
    ~replicating_client() = default;
};

class replication final : public pool::server_entry, net::stream_handler, net::deadline {
public:
    /// `wanted`: what is added to the startup packet.
    replication(
        replicating_client& client,
        pool::server_host& host,
        pool::pool& of,
        startup_parameters wanted
    );
    ~replication();
    replication(const replication&) = delete;
    replication& operator=(const replication&) = delete;

    /// Waits for room until then, and connects. May fail at once.
    void open(steady_time give_up_at);

    /// REQUIRES of all of these: on_replication() has come, and on_replication_over() has not.
    void send(std::string_view bytes) { stream_->send(bytes); }

    std::size_t queued() const noexcept { return stream_->queued(); }

    void pause() noexcept { stream_->pause(); }

    void resume() noexcept { stream_->resume(); }

    /// Closes the connection; nothing is called any more.
    void close() noexcept;

    // What the console shows.

    const net::target& address() const noexcept { return address_; }

    /// -1: there is none yet.
    int socket() const noexcept { return socket_; }

    bool ready() const noexcept { return ready_; }

    protocol::backend_key key() const noexcept { return key_; }

    /// What secures it; null if nothing does.
    const std::shared_ptr<net::tls_session>& tls() const noexcept { return tls_; }

private:
    void on_received(std::string_view bytes) override;
    void on_drained() override;
    void on_closed(std::error_code why) override;
    void on_deadline(steady_time now) override;

    void connect();
    void on_connected(int socket, std::error_code why);
    void on_opened(pool::opened_stream opened);
    void on_login(std::string_view bytes);
    void after_login_step(pool::server_login::outcome outcome, std::string& out);
    void over(std::string_view sqlstate, std::string_view message);

    replicating_client& client_;
    pool::server_host& host_;
    pool::pool& pool_;
    startup_parameters wanted_;
    steady_time give_up_at_{};
    int attempts_ = 0;
    bool counted_ = false;
    bool ready_ = false;
    bool over_ = false;
    std::unique_ptr<net::connector> connector_;
    std::unique_ptr<pool::tls_opening> opening_;
    pool::tls_terms terms_;
    net::target address_;
    int socket_ = -1;
    protocol::backend_key key_;
    net::stream_ptr stream_;
    std::shared_ptr<net::tls_session> tls_;
    protocol::frame_scanner scanner_;
    std::shared_ptr<pool::server_login> login_;  // shared: an answer that comes late finds it gone
};

}  // namespace pgweir::session
