// The relay on io_uring: one multishot receive for each socket, into buffers that the kernel takes
// from a ring; one send in flight for each socket, straight from those buffers; everything that a
// turn brings about is submitted with the wait for the next.
//
// A socket that takes nothing for long holds at most `held_high` buffers: the receive of its peer
// is cancelled then, and armed again when the queue is short. If all buffers are under way
// nevertheless, the kernel ends a receive with ENOBUFS, and it is armed again when one comes back.

#include "relay.hpp"
#include "sockets.hpp"

#include <liburing.h>

#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace relay {

namespace {

constexpr unsigned ring_entries = 4096;
constexpr unsigned buffer_count = 1024;  // a power of two
constexpr unsigned buffer_group = 0;

/// Bytes that wait for a socket, above which its peer is no longer read, and below which it is
/// again.
constexpr std::size_t held_high = 256 * 1024;
constexpr std::size_t held_low = 64 * 1024;

/// What a completion is of: in the low bits of its user data, below the pointer to the side.
enum class request : std::uint64_t { accept, receive, send, cancel };
constexpr std::uint64_t request_bits = 7;

struct piece {
    unsigned buffer;
    std::size_t from;
    std::size_t bytes;
};

/// One end of a pair of connections.
struct alignas(8) side {
    descriptor socket;
    side* peer = nullptr;     // null once the peer is freed
    int under_way = 0;        // requests that the kernel has; freed when there are none
    bool receiving = false;   // the multishot receive is armed
    bool cancelling = false;  // and a cancel of it is under way
    bool starved = false;     // it ended for want of buffers
    bool at_end = false;      // the partner has closed: nothing more to receive
    bool closed = false;
    std::size_t bytes_queued = 0;
    std::deque<piece> queue;  // to be sent; the first is in flight
};

/// The ring of buffers that the kernel receives into.
class buffer_ring {
public:
    buffer_ring(io_uring& ring, std::size_t buffer_bytes)
        : buffer_bytes_(buffer_bytes), memory_(new char[buffer_bytes * buffer_count]) {
        void* at = ::mmap(
            nullptr,
            buffer_count * sizeof(io_uring_buf),
            PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS,
            -1,
            0
        );
        if (at == MAP_FAILED) {
            throw_error(errno, "mmap");
        }
        ring_ = static_cast<io_uring_buf_ring*>(at);
        io_uring_buf_ring_init(ring_);
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(at);
        registration.ring_entries = buffer_count;
        registration.bgid = buffer_group;
        if (const int error = io_uring_register_buf_ring(&ring, &registration, 0)) {
            throw_error(-error, "io_uring_register_buf_ring");
        }
        for (unsigned i = 0; i < buffer_count; ++i) {
            give_back(i);
        }
    }

    const char* data(unsigned buffer) const noexcept {
        return memory_.get() + std::size_t{buffer} * buffer_bytes_;
    }

    /// The kernel has filled one.
    void took() noexcept { --free_; }

    bool any_free() const noexcept { return free_ != 0; }

    void give_back(unsigned buffer) noexcept {
        ++free_;
        io_uring_buf_ring_add(
            ring_,
            memory_.get() + std::size_t{buffer} * buffer_bytes_,
            static_cast<unsigned>(buffer_bytes_),
            static_cast<unsigned short>(buffer),
            io_uring_buf_ring_mask(buffer_count),
            0
        );
        io_uring_buf_ring_advance(ring_, 1);
    }

private:
    std::size_t buffer_bytes_;
    unsigned free_ = 0;
    std::unique_ptr<char[]> memory_;  // not touched before the kernel fills it
    io_uring_buf_ring* ring_;         // for the life of the process
};

/// The instance itself: made first, gone last.
class instance {
public:
    instance() {
        io_uring_params wanted{};
        wanted.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
        if (const int error = io_uring_queue_init_params(ring_entries, &ring, &wanted)) {
            throw_error(-error, "io_uring_queue_init");
        }
    }

    instance(const instance&) = delete;
    instance& operator=(const instance&) = delete;

    ~instance() { io_uring_queue_exit(&ring); }

    io_uring ring{};
};

class io_uring_relay {
public:
    explicit io_uring_relay(const options& wanted)
        : server_port_(wanted.server_port), buffers_(instance_.ring, wanted.buffer_bytes) {
        if (!wanted.check) {
            listener_ = listen_on(wanted.listen_port);
            accept();
        }
    }

    void run() {
        for (;;) {
            const int submitted = io_uring_submit_and_wait(&instance_.ring, 1);
            if (submitted < 0 && submitted != -EINTR && submitted != -EBUSY) {
                throw_error(-submitted, "io_uring_submit_and_wait");
            }
            unsigned head = 0;
            unsigned count = 0;
            io_uring_cqe* completion = nullptr;
            io_uring_for_each_cqe(&instance_.ring, head, completion) {
                ++count;
                on_completion(*completion);
            }
            io_uring_cq_advance(&instance_.ring, count);
            feed_starved();
        }
    }

private:
    io_uring_sqe& prepare() {
        io_uring_sqe* entry = io_uring_get_sqe(&instance_.ring);
        while (entry == nullptr) {
            io_uring_submit(&instance_.ring);
            entry = io_uring_get_sqe(&instance_.ring);
        }
        return *entry;
    }

    static void mark(io_uring_sqe& entry, side* whose, request what) {
        io_uring_sqe_set_data64(&entry, tag(whose, what));
    }

    static std::uint64_t tag(side* whose, request what) {
        return reinterpret_cast<std::uintptr_t>(whose) | static_cast<std::uint64_t>(what);
    }

    void accept() {
        io_uring_sqe& entry = prepare();
        io_uring_prep_multishot_accept(&entry, listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        mark(entry, nullptr, request::accept);
    }

    void receive(side& s) {
        io_uring_sqe& entry = prepare();
        io_uring_prep_recv_multishot(&entry, s.socket.get(), nullptr, 0, 0);
        entry.flags |= IOSQE_BUFFER_SELECT;
        entry.buf_group = buffer_group;
        mark(entry, &s, request::receive);
        ++s.under_way;
        s.receiving = true;
    }

    void cancel_receive(side& s) {
        io_uring_sqe& entry = prepare();
        io_uring_prep_cancel64(&entry, tag(&s, request::receive), 0);
        mark(entry, &s, request::cancel);
        ++s.under_way;
        s.cancelling = true;
    }

    void send_first(side& s) {
        const piece& first = s.queue.front();
        io_uring_sqe& entry = prepare();
        io_uring_prep_send(
            &entry,
            s.socket.get(),
            buffers_.data(first.buffer) + first.from,
            first.bytes,
            MSG_NOSIGNAL | MSG_WAITALL
        );
        mark(entry, &s, request::send);
        ++s.under_way;
    }

    void on_completion(const io_uring_cqe& completion) {
        const std::uint64_t data = io_uring_cqe_get_data64(&completion);
        const auto what = static_cast<request>(data & request_bits);
        const bool more = (completion.flags & IORING_CQE_F_MORE) != 0;
        if (what == request::accept) {
            return on_accepted(completion.res, more);
        }
        side& s = *reinterpret_cast<side*>(data & ~request_bits);
        if (!more) {
            --s.under_way;
        }
        switch (what) {
            case request::accept:
                break;
            case request::receive:
                on_received(s, completion, more);
                break;
            case request::send:
                on_sent(s, completion.res);
                break;
            case request::cancel:
                on_cancelled(s);
                break;
        }
        if (s.closed && s.under_way == 0) {
            free(s);
        }
    }

    void on_accepted(int result, bool more) {
        if (result >= 0) {
            descriptor client(result);
            descriptor server = connect_to(server_port_);
            if (server) {
                join(std::move(client), std::move(server));
            }
        }
        if (!more) {
            accept();
        }
    }

    void join(descriptor client, descriptor server) {
        auto* near = new side;  // freed when they are closed and the kernel has let go of them
        auto* far = new side;
        near->socket = std::move(client);
        far->socket = std::move(server);
        near->peer = far;
        far->peer = near;
        for (side* each : {near, far}) {
            set_no_delay(each->socket.get());
            receive(*each);
        }
    }

    void on_received(side& s, const io_uring_cqe& completion, bool more) {
        s.receiving = more;
        if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
            const unsigned buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
            buffers_.took();
            if (s.closed || completion.res <= 0) {
                buffers_.give_back(buffer);
            } else {
                enqueue(*s.peer, {buffer, 0, static_cast<std::size_t>(completion.res)});
            }
        }
        if (s.closed) {
            return;
        }
        const int result = completion.res;
        if (result == -ENOBUFS) {
            s.starved = true;
            starved_.push_back(&s);
        } else if (result == 0 || (result < 0 && result != -ECANCELED && result != -EINTR)) {
            s.at_end = true;
            if (s.peer->queue.empty()) {
                end(s);
            }
        } else {
            regulate(s);
        }
    }

    void enqueue(side& to, piece what) {
        to.queue.push_back(what);
        to.bytes_queued += what.bytes;
        if (to.queue.size() == 1) {
            send_first(to);
        }
    }

    /// Receives or not, by what waits for the peer.
    void regulate(side& from) {
        const std::size_t waiting = from.peer->bytes_queued;
        if (from.receiving && !from.cancelling && waiting > held_high) {
            cancel_receive(from);
        } else if (!from.receiving && !from.starved && !from.at_end && waiting <= held_low) {
            receive(from);
        }
    }

    void on_sent(side& s, int result) {
        piece& first = s.queue.front();
        if (result < 0 && result != -EINTR && result != -EAGAIN) {
            return end(s);
        }
        const auto taken = static_cast<std::size_t>(result < 0 ? 0 : result);
        s.bytes_queued -= taken;
        if (taken < first.bytes) {
            first.from += taken;
            first.bytes -= taken;
        } else {
            buffers_.give_back(first.buffer);
            s.queue.pop_front();
        }
        if (s.closed) {
            return;
        }
        if (!s.queue.empty()) {
            send_first(s);
        } else if (s.peer->at_end) {
            return end(s);
        }
        regulate(*s.peer);
    }

    void on_cancelled(side& s) {
        s.cancelling = false;
        if (!s.closed) {
            regulate(s);
        }
    }

    /// Receives that ended for want of buffers begin again when there are some.
    void feed_starved() {
        if (starved_.empty() || !buffers_.any_free()) {
            return;
        }
        std::vector<side*> now;
        now.swap(starved_);
        for (side* each : now) {
            each->starved = false;
            regulate(*each);
        }
    }

    /// Both stop: what the kernel has of theirs comes back, then they are freed.
    void end(side& s) {
        for (side* each : {&s, s.peer}) {
            if (each != nullptr && !each->closed) {
                each->closed = true;
                std::erase(starved_, each);
                ::shutdown(each->socket.get(), SHUT_RDWR);
            }
        }
        if (s.peer != nullptr && s.peer->under_way == 0) {
            free(*s.peer);
        }
    }

    void free(side& s) {
        for (const piece& each : s.queue) {
            buffers_.give_back(each.buffer);
        }
        if (s.peer != nullptr) {
            s.peer->peer = nullptr;
        }
        delete &s;
    }

    std::uint16_t server_port_;
    descriptor listener_;
    instance instance_;
    buffer_ring buffers_;
    std::vector<side*> starved_;
};

}  // namespace

void run_on_io_uring(const options& wanted) {
    io_uring_relay all(wanted);
    if (!wanted.check) {
        all.run();
    }
}

}  // namespace relay
