#pragma once

// What the engines share: how a stream ends, and the streams that want something from the loop
// without an event of the kernel's. An engine adds how bytes come and go.
//
// Thread: the loop's. A stream lies in one list at most. One that is closed is freed at the end of
// a turn, when no event of that turn can name it any more.

#include "net/engine.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <chrono>
#include <system_error>

namespace pgweir::net {

class engine_core;

/// A stream as far as it is alike in both engines.
class core_stream : public stream {
public:
    void set_handler(stream_handler& handler) noexcept override { handler_ = &handler; }

    bool paused() const noexcept override { return paused_; }

    void release() noexcept override;
    void close() noexcept override;

protected:
    friend class engine_core;

    using hook_type = boost::intrusive::list_member_hook<
        boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

    core_stream(engine_core& owner, int socket, stream_handler& handler) noexcept
        : core_(owner), handler_(&handler), socket_(socket) {}

    ~core_stream() override;

    /// What can be done without an event. Called from the loop for streams that were made ready.
    virtual void on_ready() = 0;

    /// Nothing will be sent any more: lets go of the socket, then calls finish().
    virtual void let_go() noexcept = 0;

    /// Forgets what was to be sent: it is of no use any more.
    virtual void drop_queue() noexcept = 0;

    /// The connection is of no use any more, which the loop tells the handler.
    void fail(int error) noexcept;

    /// Tells the handler of the end, unless it has heard of it.
    void report_end(std::error_code why);

    /// Closes the socket and leaves the object to be freed. `at_end`: the peer has closed, so there
    /// is nothing unread.
    void finish(bool at_end) noexcept;

    bool closed() const noexcept { return handler_ == nullptr; }

    hook_type hook_;
    std::chrono::steady_clock::time_point linger_until_{};
    engine_core& core_;
    stream_handler* handler_;  // null once closed
    int socket_;
    int error_ = 0;  // reported from the loop
    bool paused_ = false;
    bool ended_ = false;  // the handler has heard on_closed
    bool releasing_ = false;
    bool above_high_ = false;
};

/// Errors that end one connection that was not accepted yet, and say nothing about the next.
bool ends_one_connection(int error) noexcept;

std::unique_ptr<engine> make_epoll_engine(boost::asio::io_context& context);
std::unique_ptr<engine> make_io_uring_engine(boost::asio::io_context& context);

class engine_core : public engine {
public:
    engine_counts counts() const noexcept override { return counts_; }

protected:
    friend class core_stream;

    /// Watches a descriptor that becomes readable when there is something to look at.
    explicit engine_core(boost::asio::io_context& context)
        : descriptor_(context), linger_timer_(context) {}

    ~engine_core() override;

    void watch(int descriptor);

    int descriptor() noexcept { return descriptor_.native_handle(); }

    /// The descriptor has become readable: the turn that follows was due to it.
    virtual void on_descriptor_ready() {}

    /// One look at what has happened. False if nothing has.
    virtual bool look() = 0;

    /// The turn is over and the loop will wait. False if something has happened since.
    virtual bool may_wait() { return true; }

    /// Makes the loop take a turn although the kernel has nothing to say.
    void wake();

    void make_ready(core_stream& s);

    /// The stream lives until its queue is sent, or for a few seconds.
    void linger(core_stream& s);

    /// The stream is closed and waits for the kernel to let go of it.
    void keep_dying(core_stream& s) noexcept;

    void bury(core_stream& s);

    engine_counts counts_;

private:
    using stream_list = boost::intrusive::list<
        core_stream,
        boost::intrusive::member_hook<core_stream, core_stream::hook_type, &core_stream::hook_>,
        boost::intrusive::constant_time_size<false>>;

    void wait();
    void turn();
    void serve_ready();
    void arm_linger_timer();

    /// Of the context's own executor: one whose type is erased would have to be given memory for
    /// each handler.
    boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> descriptor_;
    boost::asio::steady_timer linger_timer_;
    stream_list ready_;
    stream_list lingering_;
    stream_list dying_;
    stream_list dead_;
    bool in_turn_ = false;
    bool woken_ = false;
};

}  // namespace pgweir::net
