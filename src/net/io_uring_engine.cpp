// The engine on io_uring: the kernel receives into buffers of its own choice and tells when it has,
// and what is to be sent is submitted once a turn, for all streams together.
//
// A stream has at most one receive (multishot: it goes on by itself; single where bytes come in
// bulk, which is all the back-pressure that is needed) and one send under way. All
// requests are made in one place, prepare(), for streams that have asked for it since the last
// look, so that the ring is never found full in the middle of something else. A descriptor is
// closed, handed on, or a stream freed, only when every request that names it has come back: a
// receive that is armed stays armed on the file behind a descriptor that is closed, and could take
// bytes that are another worker's.
//
// Large pieces are sent at once, without the ring: their system call costs nothing beside the
// copying, and a burst of them would only pile up until the end of the turn.
//
// The ring belongs to the thread that runs the loop (SINGLE_ISSUER), which enables it in its first
// turn. It wakes the loop through an eventfd: a ring of this kind does not wake a poll on itself.

#include "base/log.hpp"
#include "net/chunk_queue.hpp"
#include "net/engine_core.hpp"
#include "net/ring_buffers.hpp"
#include "net/socket_options.hpp"

#include <boost/asio/steady_timer.hpp>

#include <liburing.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

namespace pgweir::net {

namespace {

namespace asio = boost::asio;

class io_uring_engine;

/// Requests that wait to be submitted, and completions that wait to be reaped. More completions
/// than that are kept by the kernel until there is room.
constexpr unsigned submissions = 1024;
constexpr unsigned completions = 8192;

/// A piece of at least this size is sent without the ring.
constexpr std::size_t large = 16 * 1024;

/// Sends of more than one piece in one submission.
constexpr std::size_t gathers_at_once = 64;

/// How often memory that a peak has left behind is looked at.
constexpr std::chrono::seconds shrink_interval{1};

/// A ring, or why there is none. It is enabled by the thread that will use it.
class ring {
public:
    ring() noexcept {
        io_uring_params parameters{};
        parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                           IORING_SETUP_R_DISABLED | IORING_SETUP_TASKRUN_FLAG |
                           IORING_SETUP_CQSIZE;
        parameters.cq_entries = completions;
        error_ = -io_uring_queue_init_params(submissions, &ring_, &parameters);
    }

    ~ring() { close(); }

    void close() noexcept {
        if (error_ == 0) {
            io_uring_queue_exit(&ring_);
            error_ = EBADF;
        }
    }

    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;

    std::error_code error() const noexcept { return {error_, std::generic_category()}; }

    io_uring& get() noexcept { return ring_; }

private:
    io_uring ring_{};
    int error_ = 0;
};

class uring_stream final : public core_stream {
public:
    uring_stream(io_uring_engine& owner, int socket, stream_handler& handler) noexcept;

    void send(std::string_view bytes) override;

    std::size_t queued() const noexcept override { return queue_.size(); }

    void pause() noexcept override { paused_ = true; }

    void resume() noexcept override;
    void release() noexcept override;

private:
    friend class io_uring_engine;

    void on_ready() override;
    void let_go() noexcept override;
    void drop_queue() noexcept override;

    // What has come back from the kernel.
    void on_receive(int result, unsigned flags);
    void on_received(std::string_view bytes);
    void on_receive_over(int result);
    void on_canceled();
    void on_sent(int result);
    void deliver_held();
    bool read_last_words();

    // What is to be asked for.
    bool wants_receive() const noexcept;
    bool wants_cancel() const noexcept;

    bool wants_send() const noexcept { return !sending_ && !queue_.empty(); }

    bool holding() const noexcept { return held_ != nullptr && !held_->empty(); }

    /// No request names the stream.
    bool idle() const noexcept { return !receiving_ && !canceling_ && !sending_; }

    void finish_if_idle() noexcept;

    io_uring_engine& engine_;
    hook_type asking_;        // in the engine's list of streams that have something to ask for
    bool receiving_ = false;  // a receive is armed
    bool multishot_ = false;  // one that goes on by itself
    bool bulk_ = false;       // what comes fills whole buffers: one receive at a time
    bool canceling_ = false;  // it has been asked to end
    bool sending_ = false;    // a send is under way
    bool dropped_ = false;    // and what is queued with it is of no use any more
    bool letting_go_ = false;
    bool finished_ = false;
    bool last_words_awaited_ = false;    // before the end is told that a failed send has found
    bool at_end_ = false;                // nothing more will be received
    int end_error_ = 0;                  // and this is why, if the peer has not just closed
    chunk_queue queue_;                  // to be sent
    std::unique_ptr<chunk_queue> held_;  // received during a pause
};

/// A listening socket whose connections the ring accepts by itself. It outlives its acceptor until
/// the request has come back.
struct listening {
    int socket = -1;
    std::shared_ptr<accept_handler> handler;
    bool accepting = false;  // a request is armed
    bool closed = false;     // its acceptor has ended
    bool broken = false;     // and the handler knows
};

class uring_acceptor final : public acceptor {
public:
    uring_acceptor(io_uring_engine& owner, listening& what) : engine_(owner), what_(what) {}

    ~uring_acceptor() override;

private:
    io_uring_engine& engine_;
    listening& what_;
};

class io_uring_engine final : public engine_core {
public:
    explicit io_uring_engine(asio::io_context& context)
        : engine_core(context), buffers_(usable(ring_)), shrink_timer_(context) {
        const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (fd < 0) {
            throw std::system_error(errno, std::generic_category(), "eventfd");
        }
        watch(fd);
        if (const int error = io_uring_register_eventfd(&ring_.get(), fd); error < 0) {
            throw std::system_error(-error, std::generic_category(), "io_uring_register_eventfd");
        }
        wake();  // the first turn enables the ring, on the loop's thread
    }

    ~io_uring_engine() override { ring_.close(); }

    stream_ptr adopt(int socket, stream_handler& handler) override {
        auto* s = new uring_stream(*this, socket, handler);
        ask(*s);
        return stream_ptr(s);
    }

    std::unique_ptr<acceptor> accept(int socket, std::shared_ptr<accept_handler> handler) override {
        make_blocking(socket);
        auto& made = *listening_.emplace_back(std::make_unique<listening>());
        made.socket = socket;
        made.handler = std::move(handler);
        changed();
        return std::make_unique<uring_acceptor>(*this, made);
    }

    std::string_view name() const noexcept override { return "io_uring"; }

    /// Throws std::system_error if the kernel takes no requests. Binds the ring to this thread.
    void prove();

private:
    friend class uring_acceptor;
    friend class uring_stream;

    using asking_list = boost::intrusive::list<
        uring_stream,
        boost::intrusive::
            member_hook<uring_stream, uring_stream::hook_type, &uring_stream::asking_>,
        boost::intrusive::constant_time_size<false>>;

    /// The low bits of a completion's data; the rest is the stream, or who listens (for a cancel of
    /// its accept: nobody).
    enum class request : std::uint64_t { receive, send, cancel, accept };
    static constexpr std::uint64_t request_bits = 3;
    static_assert(alignof(uring_stream) > request_bits && alignof(listening) > request_bits);

    static io_uring& usable(ring& made) {
        if (made.error()) {
            throw std::system_error(made.error(), "io_uring_setup");
        }
        return made.get();
    }

    static std::uint64_t data_of(const void* whose, request what) noexcept {
        return reinterpret_cast<std::uintptr_t>(whose) | std::uint64_t(what);
    }

    // The turn.

    void on_descriptor_ready() override {
        std::uint64_t count = 0;
        (void)!::read(descriptor(), &count, sizeof count);
    }

    bool look() override;
    bool may_wait() override;
    void enable();
    void submit();
    unsigned reap();

    bool anything_to_reap() noexcept {
        return io_uring_cq_ready(&ring_.get()) != 0 ||
               (*ring_.get().sq.kflags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
    }

    // Requests.

    /// The stream has something to ask for. Its request is made at the next look.
    void ask(uring_stream& s) {
        s.asking_.unlink();
        asking_.push_back(s);
        wake();
    }

    void prepare();
    void prepare(uring_stream& s);
    void prepare_receive(uring_stream& s);
    void prepare_send(uring_stream& s);

    // Listening.

    /// Who listens has changed, which the next look tells the ring.
    void changed() {
        listening_changed_ = true;
        wake();
    }

    void prepare_accepts();
    void on_accept(listening& where, int result, unsigned flags);

    // Memory.

    void watch_memory();

    ring ring_;
    ring_buffers buffers_;
    bool enabled_ = false;
    bool refusal_told_ = false;
    std::vector<std::unique_ptr<listening>> listening_;
    bool listening_changed_ = false;
    asking_list asking_;
    asking_list starved_;  // would receive, but the kernel has no buffer
    std::size_t gathers_used_ = 0;
    std::array<msghdr, gathers_at_once> gathers_{};
    std::array<std::array<iovec, chunk_queue::gathered>, gathers_at_once> pieces_{};
    asio::steady_timer shrink_timer_;
    bool shrink_pending_ = false;
};

// The turn.

void io_uring_engine::enable() {
    enabled_ = true;
    // By the system call: the library's own io_uring_enable_rings is missing from Debian's build.
    const int error =
        io_uring_register(unsigned(ring_.get().ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    if (error < 0) {
        throw std::system_error(-error, std::generic_category(), "IORING_REGISTER_ENABLE_RINGS");
    }
    io_uring_register_ring_fd(&ring_.get());  // saves the look-up at each submission
}

void io_uring_engine::prove() {
    enable();
    io_uring_prep_nop(io_uring_get_sqe(&ring_.get()));
    if (const int result = io_uring_submit_and_wait(&ring_.get(), 1); result < 0) {
        throw std::system_error(-result, std::generic_category(), "io_uring_enter");
    }
}

bool io_uring_engine::look() {
    if (!enabled_) {
        enable();
    }
    counts_.turns++;
    // Whatever completes from now on is seen before the turn is over.
    io_uring_cq_eventfd_toggle(&ring_.get(), false);
    prepare();
    if (io_uring_sq_ready(&ring_.get()) != 0 || anything_to_reap()) {
        submit();
    }
    const unsigned count = reap();
    counts_.events += count;
    buffers_.publish();
    if (buffers_.worth_shrinking()) {
        watch_memory();
    }
    return count != 0 || !asking_.empty() || listening_changed_;
}

bool io_uring_engine::may_wait() {
    io_uring_cq_eventfd_toggle(&ring_.get(), true);
    std::atomic_thread_fence(std::memory_order_seq_cst);
#if !defined(__x86_64__)
    // Where the kernel's word that there is work may pass its look at the switch above.
    io_uring_get_events(&ring_.get());
#endif
    return !anything_to_reap() && io_uring_sq_ready(&ring_.get()) == 0;
}

/// An error (completions that overflow, no memory) leaves requests in the ring, for the next look.
void io_uring_engine::submit() {
    // The kernel may leave its flag up after the work that it stood for is done, and would not take
    // it down again before there is new work: this loop would never sleep.
    std::atomic_ref(*ring_.get().sq.kflags).fetch_and(~IORING_SQ_TASKRUN);
    const int result = io_uring_submit_and_get_events(&ring_.get());
    if (result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY &&
        !std::exchange(refusal_told_, true)) {
        log::error(
            "io_uring_enter fails: {}; set io_engine = epoll and restart",
            std::error_code(-result, std::generic_category()).message()
        );
    }
    if (io_uring_sq_ready(&ring_.get()) == 0) {
        gathers_used_ = 0;
    }
}

unsigned io_uring_engine::reap() {
    io_uring* r = &ring_.get();
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(r, head, completion) {
        count++;
        const std::uint64_t data = completion->user_data;
        if (request(data & request_bits) == request::accept) {
            if (auto* where = reinterpret_cast<listening*>(data & ~request_bits)) {
                on_accept(*where, completion->res, completion->flags);
            }
            continue;
        }
        auto& s = *reinterpret_cast<uring_stream*>(data & ~request_bits);
        switch (request(data & request_bits)) {
            case request::receive:
                s.on_receive(completion->res, completion->flags);
                break;
            case request::send:
                s.on_sent(completion->res);
                break;
            case request::cancel:
                s.on_canceled();
                break;
            case request::accept:
                break;
        }
    }
    io_uring_cq_advance(r, count);
    return count;
}

// Requests.

void io_uring_engine::prepare() {
    buffers_.publish();
    if (std::exchange(listening_changed_, false)) {
        prepare_accepts();
    }
    for (unsigned i = buffers_.provided(); i > 0 && !starved_.empty(); i--) {
        uring_stream& s = starved_.front();
        starved_.pop_front();
        asking_.push_back(s);
    }
    // At most three requests for a stream.
    const auto full = [this] {
        return io_uring_sq_space_left(&ring_.get()) < 3 || gathers_used_ == gathers_at_once;
    };
    while (!asking_.empty()) {
        if (full()) {
            submit();
            if (full()) {
                return;
            }
        }
        uring_stream& s = asking_.front();
        asking_.pop_front();
        prepare(s);
    }
}

void io_uring_engine::prepare(uring_stream& s) {
    if (s.wants_cancel()) {
        s.canceling_ = true;
        io_uring_sqe* made = io_uring_get_sqe(&ring_.get());
        io_uring_prep_cancel64(made, data_of(&s, request::receive), 0);
        io_uring_sqe_set_data64(made, data_of(&s, request::cancel));
    }
    if (s.wants_send()) {
        prepare_send(s);
    }
    if (s.wants_receive()) {
        if (buffers_.provided() > 0) {
            prepare_receive(s);
        } else {
            starved_.push_back(s);
        }
    }
}

void io_uring_engine::prepare_receive(uring_stream& s) {
    s.receiving_ = true;
    io_uring_sqe* made = io_uring_get_sqe(&ring_.get());
    s.multishot_ = !s.bulk_;
    if (s.multishot_) {
        io_uring_prep_recv_multishot(made, s.socket_, nullptr, 0, 0);
    } else {
        io_uring_prep_recv(made, s.socket_, nullptr, ring_buffers::size, 0);
    }
    made->flags |= IOSQE_BUFFER_SELECT;
    made->buf_group = ring_buffers::group;
    io_uring_sqe_set_data64(made, data_of(&s, request::receive));
}

void io_uring_engine::prepare_send(uring_stream& s) {
    s.sending_ = true;
    io_uring_sqe* made = io_uring_get_sqe(&ring_.get());
    auto& pieces = pieces_[gathers_used_];
    const std::size_t count = s.queue_.gather(pieces);
    constexpr unsigned how = MSG_NOSIGNAL | MSG_WAITALL;
    if (count == 1) {
        io_uring_prep_send(made, s.socket_, pieces[0].iov_base, pieces[0].iov_len, how);
    } else {
        // The kernel reads these when they are submitted, and not later.
        msghdr& message = gathers_[gathers_used_++];
        message = {};
        message.msg_iov = pieces.data();
        message.msg_iovlen = count;
        io_uring_prep_sendmsg(made, s.socket_, &message, how);
    }
    io_uring_sqe_set_data64(made, data_of(&s, request::send));
}

// Listening.

void io_uring_engine::prepare_accepts() {
    std::erase_if(listening_, [](const auto& each) { return each->closed && !each->accepting; });
    for (const auto& each : listening_) {
        if (io_uring_sq_space_left(&ring_.get()) < 1) {
            listening_changed_ = true;  // in the next look
            return;
        }
        if (each->closed) {
            io_uring_sqe* made = io_uring_get_sqe(&ring_.get());
            io_uring_prep_cancel64(made, data_of(each.get(), request::accept), 0);
            io_uring_sqe_set_data64(made, data_of(nullptr, request::accept));
        } else if (!each->accepting && !each->broken) {
            each->accepting = true;
            io_uring_sqe* made = io_uring_get_sqe(&ring_.get());
            io_uring_prep_multishot_accept(made, each->socket, nullptr, nullptr, SOCK_CLOEXEC);
            io_uring_sqe_set_data64(made, data_of(each.get(), request::accept));
        }
    }
}

void io_uring_engine::on_accept(listening& where, int result, unsigned flags) {
    const std::shared_ptr<accept_handler> handler = where.handler;
    if ((flags & IORING_CQE_F_MORE) == 0) {
        where.accepting = false;
        where.broken = result < 0 && result != -ECANCELED && !ends_one_connection(-result);
        changed();
    }
    if (result >= 0) {
        const address peer = address::of_peer(result);
        if (peer.kind == address::family::none) {
            ::close(result);  // it has gone already
            return;
        }
        handler->on_connection(result, peer);
    } else if (where.broken && !where.closed) {
        handler->on_accept_failed(std::error_code(-result, std::generic_category()));
    }
}

uring_acceptor::~uring_acceptor() {
    what_.closed = true;
    engine_.changed();
}

/// Memory that a peak has used is looked at until there is nothing to give back.
void io_uring_engine::watch_memory() {
    if (std::exchange(shrink_pending_, true)) {
        return;
    }
    shrink_timer_.expires_after(shrink_interval);
    shrink_timer_.async_wait([this](boost::system::error_code ec) {
        if (ec) {
            return;
        }
        shrink_pending_ = false;
        if (anything_to_reap()) {
            return watch_memory();
        }
        buffers_.shrink();
        if (buffers_.worth_shrinking()) {
            watch_memory();
        }
    });
}

// Streams.

uring_stream::uring_stream(io_uring_engine& owner, int socket, stream_handler& handler) noexcept
    : core_stream(owner, socket, handler), engine_(owner) {}

bool uring_stream::wants_receive() const noexcept {
    return !receiving_ && !paused_ && !at_end_ && !closed() && !ended_ && !releasing_ &&
           error_ == 0;
}

/// A pause is told to the kernel only when something has come in spite of it: most are short. In
/// bulk, a receive that goes on by itself would fill every buffer before the first has been sent.
bool uring_stream::wants_cancel() const noexcept {
    return receiving_ && !canceling_ &&
           (closed() || ended_ || releasing_ || (bulk_ && multishot_) || (paused_ && holding()));
}

void uring_stream::send(std::string_view bytes) {
    if (bytes.empty() || error_ != 0 || socket_ < 0) {
        return;
    }
    if (bytes.size() >= large && queue_.empty()) {
        const ssize_t sent =
            ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return fail(errno);
        }
        bytes.remove_prefix(std::size_t(std::max<ssize_t>(sent, 0)));
        if (bytes.empty()) {
            return;
        }
    }
    queue_.push(engine_.buffers_, bytes);
    if (queued() > high_watermark) {
        above_high_ = true;
    }
    if (!sending_) {
        engine_.ask(*this);
    }
}

void uring_stream::on_sent(int result) {
    sending_ = false;
    if (dropped_ || letting_go_) {
        dropped_ = false;
        queue_.clear(engine_.buffers_);
    } else if (result >= 0) {
        queue_.consume(engine_.buffers_, std::size_t(result));
    } else if (result != -EINTR && result != -EAGAIN) {
        fail(-result);
    }
    if (closed()) {
        if (letting_go_) {
            return finish_if_idle();
        }
        if (queue_.empty()) {
            return let_go();
        }
    }
    if (wants_send()) {
        engine_.ask(*this);
    } else if (releasing_) {
        engine_.make_ready(*this);
    }
    if (above_high_ && queued() <= low_watermark && !closed() && !ended_ && error_ == 0) {
        above_high_ = false;
        handler_->on_drained();
    }
}

void uring_stream::on_receive(int result, unsigned flags) {
    if ((flags & IORING_CQE_F_MORE) == 0) {
        receiving_ = false;
    }
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        const auto buffer = buffer_id(flags >> IORING_CQE_BUFFER_SHIFT);
        const std::size_t size = std::size_t(std::max(result, 0));
        engine_.buffers_.taken(buffer, size);
        bulk_ = size == ring_buffers::size || (bulk_ && size > ring_buffers::size / 4);
        if (size > 0) {
            on_received({engine_.buffers_.data(buffer), size});
        }
        engine_.buffers_.let_go(buffer);
    }
    if (!receiving_) {
        on_receive_over(result);
    } else if (wants_cancel()) {
        engine_.ask(*this);
    }
}

/// A receive that the cancel request has missed is asked to end again.
void uring_stream::on_canceled() {
    canceling_ = false;
    if (letting_go_ && idle()) {
        return finish_if_idle();
    }
    if (wants_cancel() || wants_receive()) {
        engine_.ask(*this);
    } else if (releasing_) {
        engine_.make_ready(*this);
    }
}

void uring_stream::on_received(std::string_view bytes) {
    if (closed() || ended_) {
        return;
    }
    if (!paused_ && !holding()) {
        return handler_->on_received(bytes);
    }
    if (held_ == nullptr) {
        held_ = std::make_unique<chunk_queue>();
    }
    held_->push(engine_.buffers_, bytes);
}

/// Nothing more comes of the receive: it was canceled, is out of buffers, or the stream has ended.
void uring_stream::on_receive_over(int result) {
    if (letting_go_) {
        at_end_ = at_end_ || result == 0;
        return finish_if_idle();
    }
    if (closed() || ended_) {
        return;
    }
    if (result == -ENOBUFS) {
        engine_.buffers_.ran_out();
    } else if (result == 0 || (result < 0 && result != -ECANCELED && result != -EINTR)) {
        at_end_ = true;
        end_error_ = -result;
    }
    if (at_end_ || releasing_) {
        engine_.make_ready(*this);
    } else if (wants_receive()) {
        engine_.ask(*this);
    }
}

void uring_stream::deliver_held() {
    // Out of reach meanwhile: the handler may close the stream and still look at the bytes.
    std::unique_ptr<chunk_queue> held = std::move(held_);
    const std::string_view bytes = held->peek();
    handler_->on_received(bytes);
    held->consume(engine_.buffers_, bytes.size());
    if (closed()) {
        held->clear(engine_.buffers_);
    } else {
        held_ = std::move(held);
    }
}

void uring_stream::on_ready() {
    if (closed() || ended_) {
        return;
    }
    if (holding()) {
        if (!paused_ || releasing_) {
            deliver_held();
            if (!closed()) {
                engine_.make_ready(*this);
            }
            return;
        }
        if (error_ == 0) {
            return;
        }
    }
    if (error_ != 0) {
        if (receiving_ && !paused_ && !std::exchange(last_words_awaited_, true)) {
            return engine_.make_ready(*this);  // after one more look
        }
        if (!receiving_ && !paused_ && !at_end_ && read_last_words()) {
            return;
        }
        return report_end(std::error_code(error_, std::generic_category()));
    }
    held_.reset();
    if (at_end_ && (!paused_ || releasing_)) {
        return report_end(std::error_code(end_error_, std::generic_category()));
    }
    if (releasing_) {
        if (idle() && queue_.empty()) {
            asking_.unlink();
            handler_->on_released(std::exchange(socket_, -1));
        }
    } else if (wants_receive()) {
        engine_.ask(*this);
    }
}

/// What the receive that is over has left behind. False if it is nothing.
bool uring_stream::read_last_words() {
    std::array<char, 16 * 1024> buffer;
    const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) {
        return false;
    }
    handler_->on_received({buffer.data(), std::size_t(got)});
    if (!closed()) {
        engine_.make_ready(*this);
    }
    return true;
}

void uring_stream::resume() noexcept {
    if (paused_) {
        paused_ = false;
        engine_.make_ready(*this);
    }
}

void uring_stream::release() noexcept {
    core_stream::release();
    engine_.ask(*this);
}

/// Bytes that the kernel is sending stay where they are until it is done.
void uring_stream::drop_queue() noexcept {
    if (sending_) {
        dropped_ = true;
    } else {
        queue_.clear(engine_.buffers_);
    }
}

void uring_stream::let_go() noexcept {
    letting_go_ = true;
    if (sending_) {
        ::shutdown(socket_, SHUT_RDWR);
    }
    if (!idle()) {
        engine_.keep_dying(*this);
        engine_.ask(*this);
    }
    finish_if_idle();
}

void uring_stream::finish_if_idle() noexcept {
    if (!idle() || std::exchange(finished_, true)) {
        return;
    }
    asking_.unlink();
    queue_.clear(engine_.buffers_);
    if (held_ != nullptr) {
        held_->clear(engine_.buffers_);
    }
    finish(at_end_ && end_error_ == 0);
}

}  // namespace

std::unique_ptr<engine> make_io_uring_engine(asio::io_context& context) {
    return std::make_unique<io_uring_engine>(context);
}

std::error_code io_uring_refusal() {
    try {
        asio::io_context unused(1);
        io_uring_engine probe(unused);
        probe.prove();
        return {};
    } catch (const std::system_error& refused) {
        return refused.code();
    }
}

}  // namespace pgweir::net
