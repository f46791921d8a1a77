#pragma once

// One connection to PostgreSQL: opened and logged in, leased to one client after another, and
// proved clean between them.
//
// While it is leased, replies to the client's requests go straight from the receive buffer to the
// holder; replies to requests of our own (parameters that are put right, checks, resets) are
// swallowed. The pipeline says when nothing is owed. When a client is done, or has gone away, the
// connection is reset, drained or rolled back as needed and goes back to the pool only when that is
// proved to have worked; else it is closed.
//
//   connecting -> login -> setup (connect_query) -> ready <-> task (own request, no client)
//                                                   ready: idle in the pool, or leased
//   ready -> draining (client gone, replies owed) -> task (rollback, reset) -> ready
//   ready -> holding (a cancel request is under way) -> task (check) -> ready
//
// Thread: the worker on whose loop it is; it is moved by release from one loop and adoption by
// another. Any member function that may end the connection says so; the object stays until the turn
// is over.

#include "base/descriptor.hpp"
#include "net/connector.hpp"
#include "net/stream.hpp"
#include "net/timer_wheel.hpp"
#include "pool/carried_server.hpp"
#include "pool/parameters.hpp"
#include "pool/pool_core.hpp"
#include "pool/server_login.hpp"
#include "pool/server_statements.hpp"
#include "pool/tls_opening.hpp"
#include "pool/work_guard.hpp"
#include "protocol/frame.hpp"
#include "protocol/pipeline.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::pool {

class server_host;

/// The client that has a server.
class lease_holder {
public:
    /// Replies for the client, to be sent on before the call returns.
    virtual void on_replies(std::string_view bytes) = 0;

    /// Whether the holder gives the server back when all is answered with this status.
    virtual bool is_done(protocol::transaction_status status) const noexcept = 0;

    /// All requests that were sent are answered. Gives the server back if it is done.
    virtual void on_settled(protocol::transaction_status status) = 0;

    /// The server reports a changed parameter; the message itself comes with on_replies.
    virtual void on_parameter(std::size_t index, std::string_view value) = 0;

    /// Of a request that has this number in the pipeline (see watch_tags).
    virtual void on_tag(std::string_view /*tag*/, std::uint64_t /*number*/) {}

    /// A ReadyForQuery has come; `failed`: an error since the one before it (see watch_tags).
    virtual void on_ready(protocol::transaction_status /*status*/, bool /*failed*/) {}

    /// The parameters asked for by set_parameters are in force; `error` says why not.
    virtual void on_parameters_set(std::optional<std::string> error) = 0;

    /// A request had an effect on prepared statements; for a description, `rows` is what it said.
    virtual void on_statement(const statement_effect& effect, std::uint64_t rows) = 0;

    /// It has failed, and was not merely skipped.
    virtual void on_statement_failed(const statement_effect& /*effect*/) {}

    /// The session's prepared statements are gone.
    virtual void on_statements_forgotten() = 0;

    /// What the client calls a statement of ours.
    virtual std::string_view name_of(std::uint64_t statement_number) const noexcept = 0;

    /// Something has come since await_progress().
    virtual void on_progress() = 0;

    /// What was queued for the server is sent: the client may be read again.
    virtual void on_server_drained() = 0;

    /// The connection is out of its loop (see leave); or it stays, and the lease goes on.
    virtual void on_server_left(bool /*left*/) {}

    /// The connection is lost; the lease is over. `told`: the server's last message was an error
    /// that the client has got.
    virtual void on_server_lost(errc code, bool told) = 0;

protected:
    ~lease_holder() = default;
};

/// How a lease ends.
enum class lease_end : std::uint8_t {
    done,       ///< settled and idle
    abandoned,  ///< the client has gone, whatever is under way
    useless,    ///< the same, and what is under way cannot commit: it is canceled
    broken,     ///< the client's requests were cut in the middle: the connection cannot be used any
                ///< more
};

/// Whether a session's state is wiped (server_reset_query) before the next client.
enum class reset_policy : std::uint8_t { keep, reset };

/// Tells PostgreSQL that a connection that nobody uses ends.
void terminate(const descriptor& socket) noexcept;

class server_connection final : public server_entry, net::stream_handler, net::deadline {
public:
    /// REQUIRES: an action::connect for this pool and the host's worker.
    server_connection(server_host& host, pool& for_pool, std::uint64_t server_id);
    ~server_connection();

    /// Begins to connect. May fail at once, which ends the connection.
    void connect();

    // For the holder of the lease.

    void lease_to(lease_holder& holder, reset_policy after) noexcept;

    /// Ends the lease; the holder must forget this object. May end the connection.
    void end_lease(lease_end how);

    /// Notes a request, then sends its bytes; in this order.
    protocol::pipeline& requests() noexcept { return requests_; }

    /// What was asked for since it was settled, for the case that the holder leaves.
    work_guard& work() noexcept { return work_; }

    void send(std::string_view bytes) { stream_->send(bytes); }

    /// What comes behind statements that are sent ahead of it.
    enum class follower : std::uint8_t { query, segment };

    /// Sends a statement that returns nothing and that the client believes to have been answered: a
    /// BEGIN. By extended query without a Sync, so that what comes behind is skipped if it fails;
    /// the client gets the error in place of its answer.
    void send_ahead(std::string_view sql, follower behind);

    /// Which statements it has, and what the requests under way do to them.
    server_statements& statements() noexcept { return statements_; }

    const server_statements& statements() const noexcept { return statements_; }

    /// Answers requests that are for the pooler to answer and whose turn has come.
    void answer_locals();

    /// Reads row descriptions whole, if one is awaited.
    void look_for_rows() noexcept;

    /// The holder has more to send that depends on replies: calls on_progress() after the next
    /// ones.
    void await_progress() noexcept { progress_awaited_ = true; }

    bool progress_awaited() const noexcept { return progress_awaited_; }

    std::size_t queued() const noexcept { return stream_->queued(); }

    /// It takes less than it is sent.
    bool is_clogged() const noexcept {
        return stream_ != nullptr && stream_->queued() > net::high_watermark;
    }

    /// A message has been forwarded in part: nothing else may be told to the client now.
    bool mid_reply() const noexcept { return scanner_.in_body(); }

    void pause_replies() noexcept { stream_->pause(); }

    void resume_replies() noexcept { stream_->resume(); }

    const parameter_set_ptr& parameters() const noexcept { return parameters_; }

    /// Sends the statements that bring the server's parameters to `wanted`, ahead of what the
    /// client sends next. `reported` promises that a server has reported exactly these values, so
    /// that they cannot fail. REQUIRES: settled and idle. Nothing is sent, and false returned, if
    /// there is nothing to change.
    bool set_parameters(const parameter_set_ptr& wanted, bool reported);

    /// Whether the holder hears of each CommandComplete and ReadyForQuery. If it does not, the tag
    /// of something that changes the session soils the server.
    enum class tags : std::uint8_t { ignored, watched };

    void watch_tags(tags how) noexcept { tags_ = how; }

    /// Something of this lease may stay in the session that no other client may meet: everything is
    /// discarded before the next lease.
    void soil() noexcept { soiled_ = true; }

    /// The parameters that the server reports by itself, with the values they had at log-in.
    const parameter_set& reported() const noexcept { return *reported_; }

    /// What the holder has seen its client set. REQUIRES: what is reported is as it was reported.
    void note_parameters(const parameter_set_ptr& now) noexcept { parameters_ = now; }

    // For the worker.

    /// action::check: proves that the server is alive, then releases it.
    void check();

    /// Closes it, whatever it does. Ends the connection.
    void close(std::string_view why);

    /// action::move: leaves this loop, and goes to its destination when that is done.
    void detach();

    /// Joins the loop of another worker. May end the connection.
    void attach(server_host& host);

    /// Sends a cancel request for what is running now. The server is held until its end is known,
    /// and never reused if that is not to be known; `done` is called then, or when the server is
    /// gone; at once if several are under way already.
    void cancel(std::function<void()> done);
    void cancel_over(bool known);

    // What the console shows.

    protocol::backend_key key() const noexcept { return key_; }

    const net::target& address() const noexcept { return address_; }

    int socket() const noexcept { return socket_; }

    /// True if the name of its host does not mean where it is any more.
    bool at_old_address() const;

    /// What secures it; null if nothing does.
    const std::shared_ptr<net::tls_session>& tls() const noexcept { return tls_; }

    bool ready() const noexcept { return phase_ != phase::connecting && phase_ != phase::login; }

    const lease_holder* holder() const noexcept { return holder_; }

    // Online restart.

    /// One that another process had; enter() is next.
    server_connection(
        server_host& host, const carried_server& before, int socket, std::uint64_t server_id
    );

    /// Its place in the pools. False if there is none for it, and then its socket is the caller's
    /// to close. One that is leased always has one; it is to be leased next.
    bool enter(pool& of, const carried_server& before, bool leased);

    /// It is in its worker's list, and free. May end it.
    void arrive(const carried_server& before);

    /// Nothing is owed, and all that there is of it can be told to another process.
    bool may_leave() const noexcept;

    /// Leaves this loop for another process, with its holder if it has one: on_server_left() tells
    /// it. Else it goes to server_host::crossed(), or ends. REQUIRES: may_leave().
    void leave();

    bool has_left() const noexcept { return leaving_ && stream_ == nullptr; }

    /// What there is to tell of it. Its socket is the caller's, and it ends here. REQUIRES:
    /// has_left().
    carried_server tell_and_end(int& socket);

    bool being_canceled() const noexcept { return !cancels_.empty(); }

private:
    enum class phase : std::uint8_t {
        connecting,
        login,
        setup,
        ready,
        draining,
        holding,
        task,
        gone
    };
    enum class task_kind : std::uint8_t {
        none,
        connect_query,
        parameters,
        check,
        reset,
        forget,
        rollback
    };

    static protocol::frame_scanner fresh_scanner();

    void on_received(std::string_view bytes) override;
    void on_drained() override;
    void on_closed(std::error_code why) override;
    void on_released(int socket) override;
    void on_deadline(steady_time now) override;

    void on_connected(int socket, std::error_code why);
    void on_opened(opened_stream opened);
    void on_login_bytes(std::string_view bytes);
    void ask();
    void logged_in();
    void login_failed(std::string_view why, std::string_view sqlstate);
    void stop_opening();

    void relay(std::string_view bytes, std::size_t run);
    bool on_reply(std::string_view bytes, std::size_t& run);
    bool is_the_hosts(std::string_view parameter_status) const noexcept;
    void on_tag(std::string_view body);
    void on_parameter(std::string_view body);
    void look_at_statements(char type);
    std::string error_instead();
    std::string with_names_of_client(std::string_view raw);
    void settle_statements();
    void answer();
    const protocol::type_set& reply_types() const noexcept;
    void forward(std::string_view bytes);
    void after_replies();
    bool nobodys_now() const noexcept;
    void poison();
    void make_no_sense(std::string_view what);

    void start_task(task_kind what, std::string_view sql);
    void on_task_error(std::string_view body);
    void take_parameters();
    void on_task_done();
    void on_reset_done();
    void drain();
    void occupy();
    void clean_up();
    void put_back();
    void left(int socket);
    void come_back();
    void lose(errc code, std::string_view why);
    void end(std::string_view why);

    server_host* host_;
    phase phase_ = phase::connecting;
    task_kind task_ = task_kind::none;
    bool reset_due_ = false;         // before the next lease
    bool task_over_ = false;         // in the chunk that is being read
    bool claimed_ = false;           // the pool counts it as busy, not leased
    bool check_before_use_ = false;  // a cancel may have hit late
    bool error_last_ = false;        // the last reply to the client was an error
    bool failed_ = false;            // an error came since the last ReadyForQuery
    bool soiled_ = false;            // by the lease that is or was
    bool setup_due_ = false;         // connect_query, for all was discarded
    bool leaving_ = false;           // for another process
    bool sync_if_skipped_ = false;   // a Query came behind something that was sent ahead
    tags tags_ = tags::ignored;
    std::vector<std::function<void()>> cancels_;  // under way, each with whom to tell
    int socket_ = -1;
    lease_holder* holder_ = nullptr;
    net::stream_ptr stream_;
    std::shared_ptr<net::tls_session> tls_;  // goes with it from loop to loop
    protocol::frame_scanner scanner_;
    protocol::pipeline requests_;
    server_statements statements_;
    bool progress_awaited_ = false;
    work_guard work_;
    parameter_set_ptr parameters_;
    parameter_set_ptr reported_;  // what it reports, with the values of its log-in
    parameter_set_ptr wanted_;    // by the parameters task
    bool wanted_reported_ = false;
    bool settled_now_ = false;  // by a reply in the chunk that is being read
    bool swallowing_ = false;   // the body that is being read
    bool lease_over_ = false;   // and with it the holder is done
    std::string task_error_;
    protocol::backend_key key_;
    net::target address_;
    std::string connect_query_;

    // While connecting.
    std::unique_ptr<net::connector> connector_;
    tls_terms terms_;
    std::unique_ptr<tls_opening> opening_;
    // Shared, so that an answer that comes late finds it gone.
    std::shared_ptr<server_login> login_;
};

}  // namespace pgweir::pool
