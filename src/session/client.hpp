#pragma once

// One client: its log-in, its requests and the server that it has leased.
//
//   login -> greeting (waits for a first server, to know its parameters) -> idle
//   login -> console                                                        |
//   login -> canceling (a cancel request)          request, server at once  v
//                                    idle <------- transaction over ----- active
//                                     \-- request, none free --> waiting --/ ^
//                                      \-- parameters differ --> preparing --/
//   idle or waiting -> crossing (to another process) -> ended
//   any of them -> ended
//
// Requests go from the receive buffer straight to the server, and replies back (lease_holder).
// What arrives before there is a server is kept in pending_, bounded; nothing is kept otherwise.
//
// Thread: the worker on whose loop it is, all its life. end() is the one way out: afterwards the
// object only waits to be destroyed, and the caller returns.

#include "net/address.hpp"
#include "net/stream.hpp"
#include "net/timer_wheel.hpp"
#include "pool/pool_core.hpp"
#include "pool/server_connection.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"
#include "session/auth_lookup.hpp"
#include "session/carried_client.hpp"
#include "session/client_login.hpp"
#include "session/extended_query.hpp"
#include "session/repair.hpp"
#include "session/replication.hpp"
#include "session/routed_session.hpp"
#include "session/session_host.hpp"
#include "session/session_watch.hpp"

#include <boost/intrusive/list.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::session {

enum class view_wait : std::uint8_t;
struct routing_state;
struct segment_court;

class client final : public pool::waiter,
                     net::stream_handler,
                     net::deadline,
                     pool::lease_holder,
                     replicating_client {
public:
    enum class state : std::uint8_t {
        login,
        greeting,
        canceling,
        console,
        idle,
        waiting,
        preparing,
        active,
        replicating,
        crossing,
        ended,
    };

    /// Takes over a connected socket. `listener_route`: where everything goes that comes in by its
    /// port.
    client(
        session_host& host,
        int socket,
        const net::address& peer,
        std::uint64_t id,
        std::optional<config::routing> listener_route = std::nullopt
    );

    /// One that comes from another process, as it left it; to be followed by arrive().
    client(
        session_host& host,
        int socket,
        const net::address& peer,
        std::uint64_t id,
        const carried_client& before
    );
    ~client();

    // For the worker.

    /// Goes on where it was, as soon as it is in the worker's list. The socket is that of the
    /// server that comes with it, if one does.
    void arrive(const carried_client& before, int server_socket);

    /// Leaves for another process, if it can now.
    bool cross();

    /// On its way there: leaves, once it has been sent all that it is owed.
    void let_go();

    /// Ends the client with an error.
    void kill(errc code);

    /// It sits idle on a server that is to be closed, and may not (server_fast_close).
    bool must_leave_server() const;

    /// A cancel request for what it is running has come; `done` when it has been carried out.
    void cancel_running(std::function<void()> done);

    /// The cancel request that this connection brought has been carried out.
    void cancel_done() { end("cancel request carried out"); }

    /// There is news of the cluster that it waits for.
    void on_view();

    /// The pool it belongs to, or that its log-in asks; nullptr before, and for the console.
    pool::pool* pool_of() const noexcept {
        return wanted == nullptr && lookup_ ? lookup_->asks() : wanted;
    }

    // For the console.

    void send_console(std::string_view bytes);

    // What the console shows.

    state current() const noexcept { return state_; }

    std::uint64_t id() const noexcept { return id_; }

    const std::string& user() const noexcept;
    const std::string& database() const noexcept;

    const net::address& peer() const noexcept { return peer_; }

    net::address local() const noexcept { return net::address::of_socket(socket_); }

    const pool::server_connection* server() const noexcept { return server_; }

    const pool::parameter_set_ptr& parameters() const noexcept { return parameters_; }

    /// How many names it has for prepared statements.
    std::size_t statements() const noexcept { return statements_ ? statements_->size() : 0; }

    steady_time connected_at() const noexcept { return connected_at_; }

    steady_time request_at() const noexcept { return request_at_; }

    /// What kind of replication its connection is for.
    replication_kind replicates() const noexcept { return replicates_; }

    /// Its server; null if it does not replicate.
    const replication* replicates_with() const noexcept { return replication_.get(); }

    /// What secures its connection; nullptr if nothing does, or not yet.
    const net::tls_session* tls() const noexcept { return tls_; }

    // The worker's own.
    boost::intrusive::list_member_hook<> hook;  // in its list of clients
    bool exempt = false;                        // from max_client_conn

private:
    /// Who the client is, once that is known.
    struct identity {
        std::string user;
        std::string database;
        pool::database_entry* entry = nullptr;  // null for the console
        pool::user_entry* account = nullptr;
        pool::parameter_set_ptr defaults;  // of the session: what its startup packet asked for
    };

    static protocol::frame_scanner request_scanner(const session_host& host);

    /// Of requests, no message is read whole in general: bodies pass by.
    static constexpr protocol::type_set no_types{""};

    /// Pieces up to this size are joined instead of being sent alone.
    static constexpr std::size_t join_limit = 4 * 1024;

    /// What a client may send ahead while it waits for a server.
    static constexpr std::size_t pending_limit = 64 * 1024;

    static constexpr std::size_t nowhere = std::string::npos;

    // From the client's connection.
    void on_received(std::string_view bytes) override;
    void on_drained() override;
    void on_closed(std::error_code why) override;
    void on_released(int socket) override;
    void on_deadline(steady_time now) override;

    // From the pool and the server.
    void on_granted(pool::server_connection& server) override;
    void on_refused(std::string_view sqlstate, std::string_view message) override;
    void on_replies(std::string_view bytes) override;
    bool is_done(protocol::transaction_status status) const noexcept override;
    void on_settled(protocol::transaction_status status) override;
    void on_parameter(std::size_t index, std::string_view value) override;
    void on_tag(std::string_view tag, std::uint64_t number) override;
    void on_ready(protocol::transaction_status status, bool failed) override;
    void on_parameters_set(std::optional<std::string> error) override;
    void on_statement(const pool::statement_effect& effect, std::uint64_t rows) override;
    void on_statement_failed(const pool::statement_effect& effect) override;
    void on_statements_forgotten() override;
    std::string_view name_of(std::uint64_t statement_number) const noexcept override;
    void on_progress() override;
    void on_server_drained() override;
    void on_server_left(bool left) override;
    void on_server_lost(errc code, bool told) override;

    // From the server of a client that replicates: client_replication.cpp.
    void on_replication(std::string_view parameters) override;
    void on_replicated(std::string_view bytes) override;
    void on_replication_drained() override;
    void on_replication_over(std::string_view sqlstate, std::string_view message) override;
    void begin_replication();
    void replicate(std::string_view bytes);

    // Log-in.
    void on_login(std::string_view bytes);
    void start_tls();
    void after_login_step(client_login::outcome outcome, std::string& out);
    void on_login_refused();
    void look_up();
    void ask();
    void on_cancel_request();
    void admitted();
    void enter_console();
    void enter_pool();
    void greet(const pool::welcome& greeting);
    void put_greeting(std::string& out);

    // Console.
    void on_console(std::string_view bytes);

    // Requests.
    void relay(std::string_view bytes);
    void relay_requests(std::string_view bytes);
    bool on_request(std::string_view bytes, std::size_t& run);
    bool no_simple_queries() const;
    void note(protocol::request what, std::string_view bytes);
    void request_sent(
        protocol::request what, std::string_view bytes, std::string_view body, std::uint64_t number
    );
    bool note_begins();
    void look_at_mode() noexcept;
    bool share(protocol::request what, std::string_view bytes, std::size_t& run);
    bool concerns_statements(protocol::request what) noexcept;
    void note_parsed(protocol::request what) noexcept;
    void note_unnamed(protocol::request what, std::string_view body) noexcept;
    extended_query::server target();
    extended_query::step step_of(
        protocol::request what, std::string& out, std::string_view& bound_text
    );
    bool hold(std::string_view bytes, std::size_t& run);
    bool hold_segment(std::string_view bytes, std::size_t& run);
    bool hold_rest(std::string_view bytes, std::size_t& run);
    void forward_before(std::string_view bytes, std::size_t run);
    void keep_from(std::string_view bytes, std::size_t& run);

    // Requests that may be sent again.
    void segment_begins() noexcept;
    bool guarding() const noexcept;
    void begin_guard();
    void guard_raw();
    void guard_chunk(std::string_view bytes);
    void give_up_guard();
    bool passes_guard(std::string_view bytes);
    bool can_send_again() const noexcept;
    void send_again();
    void release(std::string held, std::string_view bytes);
    void give(std::string_view replies);
    void join(std::string_view bytes);
    std::string_view body_at_hand(std::string_view bytes) const noexcept;
    bool need_server(std::string_view bytes, std::size_t& run);
    void put_back(std::string_view bytes);
    void leave_queue() noexcept;
    void keep(std::string_view bytes);
    bool acquire();
    bool begin_lease(pool::server_connection& server);
    void send_pending();
    void forward(std::string_view bytes);
    void request_begins();

    // Where requests go: client_routing.cpp.
    void enter_routing();
    void take_routing_options();
    routing_terms terms_of_routing() const;
    config::read_consistency consistency() const noexcept;
    router::read_marks marks_of_read(config::read_consistency asked) const;
    /// For requests of this length.
    segment_court court_of(router::judge& judge, std::size_t length);
    void route(std::string_view bytes);
    void answered_here(std::string_view out);
    void go_home(std::string_view bytes, bool read);
    bool go_read(std::string_view bytes, const routed_session::plan& to);
    bool go_fixed(std::string_view bytes, const routed_session::plan& to);
    void take_host(std::size_t host, pool::pool& of);
    void wait_for_view_too();
    microseconds read_patience() const;
    bool await_primary(std::string_view bytes);
    bool prefer_home() noexcept;
    bool has_other_standby() const;
    bool await_sample(std::string_view bytes);
    steady_time end_of_patience(steady_time now) const;
    void put_no_position(std::string& out) const;
    void await_view(std::string_view bytes, steady_time until, view_wait what);
    bool waits_for_view() const noexcept;
    bool without_primary() const noexcept;
    void on_no_view();
    bool is_too_young(const pool::server_connection& server) const;
    void await_older_server(pool::server_connection& server);
    bool has_to_be_routed(protocol::request what) const noexcept;
    bool begun_here() const noexcept;
    void begin_transaction();
    void note_use();
    void on_guarded(std::string_view bytes);
    void take_back(std::string_view sqlstate);
    void ask_primary(protocol::transaction_status status);
    bool lost_unseen();
    void forget_route() noexcept;
    bool is_shown_by_standby(const router::cluster_view& view) const;
    void route_again();

    // To and from another process: client_crossing.cpp.
    bool may_cross() const noexcept;
    std::optional<carried_client> carry() const;
    void take_statements(const std::vector<carried_statement>& all);

    // What the client's SQL does to the session.
    void follow(const session_watch::finding& found, std::optional<std::uint64_t> number);
    void leaves(leak why);
    void watch_session(
        protocol::request what, std::string_view bytes, std::string_view body, std::uint64_t number
    );
    void note_rest(std::string_view bytes);
    sql::backslash backslashes() const noexcept;
    void take_committed();
    void take_own_settings(const std::vector<effect>& steps);
    void ignore_value(std::string_view name, std::string_view value) const;
    void read_on();
    void give_back();
    void cancel_waiting();
    void leave_pool() noexcept;

    // Time.
    void watch();
    steady_time next_timeout() const noexcept;
    microseconds wait_limit() const noexcept;
    void tell_of_wait();

    // The end.
    void refuse(errc code, std::string_view addition = {});
    void refuse(std::string_view sqlstate, std::string_view message);
    void end(std::string_view why);

    pool::pool_stats& stats() noexcept { return wanted->stats[wait_worker]; }

    session_host& host_;
    const std::uint64_t id_;
    const int socket_;  // for its addresses; the stream owns it
    const std::optional<config::routing> listener_route_;
    state state_ = state::login;
    config::pool_mode mode_ = config::pool_mode::session;
    bool counted_ = false;             // by the pool directory
    bool parameters_reported_ = true;  // parameters_ holds values that a server has reported
    bool in_transaction_ = false;
    bool told_of_wait_ = false;
    bool cancel_due_ = false;  // of the query that waits, when it has come to its end
    bool shares_statements_ = false;
    bool keeps_unnamed_ = false;   // unnamed statements may be shared, too
    bool unnamed_is_own_ = false;  // the server's unnamed statement cannot be another client's
    bool pinned_ = false;          // to its server, which has names that are only its own
    bool guard_wanted_ = false;    // what is sent depends on what the server is believed to have
    bool at_risk_ = false;         // and that may be outdated
    bool pipelines_ = false;       // sends the next segment before the answer to one at risk
    bool sent_again_ = false;      // the segment under way
    bool replicates_now_ = false;  // its server is ready
    bool letting_go_ = false;      // its stream has been told to
    replication_kind replicates_ = replication_kind::none;
    net::address peer_;
    net::stream_ptr stream_;
    const net::tls_session* tls_ = nullptr;  // the stream's, if it has TLS
    protocol::frame_scanner scanner_;
    session_watch session_;
    pool::server_connection* server_ = nullptr;
    pool::parameter_set_ptr parameters_;
    std::string pending_;  // requests that no server has got yet
    std::uint64_t cancel_key_ = 0;
    bool parsed_only_ = false;        // its unnamed statement, which it is about to use
    std::uint64_t unnamed_turn_ = 0;  // by which a server's unnamed statement is known as its own
    steady_time connected_at_;
    steady_time request_at_{};  // of the request under way, or the last one
    steady_time transaction_at_{};
    std::shared_ptr<client_login>
        login_;  // shared: so that an answer that comes late finds it gone
    std::unique_ptr<auth_lookup> lookup_;
    std::unique_ptr<identity> identity_;
    std::unique_ptr<console_port> console_;
    std::unique_ptr<extended_query> statements_;  // once it has named one
    std::unique_ptr<routing_state> routing_;      // if its database is routed
    std::unique_ptr<replication> replication_;    // if it replicates
    std::unique_ptr<reply_guard> guard_;          // once it has used one
    std::unique_ptr<carried_client> crossing_;    // what goes over with it
    std::size_t guard_from_ =
        nowhere;  // of the chunk, where the segment begins that may be sent again
};

}  // namespace pgweir::session
