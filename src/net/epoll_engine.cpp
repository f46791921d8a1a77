// The engine on epoll: one epoll instance of its own, watched by the Asio loop as a single
// descriptor.
//
// Every socket is registered once, edge-triggered for reading and writing, and never touched again:
// a stream remembers whether it is readable and writable. So a message costs one recv and one send,
// a pause costs nothing, and an idle stream has no buffer. (Asio's own reactor would cost an
// allocation and a queue for each operation, and an epoll_ctl for each wait that is not a read:
// docs/decisions/0002.)

#include "net/engine_core.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

namespace pgweir::net {

namespace {

namespace asio = boost::asio;

class epoll_engine;

/// How much one recv takes: large enough that a big result costs few system calls.
constexpr std::size_t receive_size = 64 * 1024;

/// A queue that was larger than this gives its memory back when it is empty.
constexpr std::size_t kept_capacity = 4 * 1024;

class epoll_stream final : public core_stream {
public:
    epoll_stream(epoll_engine& owner, int socket, stream_handler& handler) noexcept;

    void send(std::string_view bytes) override;

    std::size_t queued() const noexcept override { return queue_.size() - queue_head_; }

    void pause() noexcept override { paused_ = true; }

    void resume() noexcept override;

    /// What epoll said of the socket.
    void on_events(std::uint32_t events);

private:
    friend class epoll_engine;

    void on_ready() override;
    void let_go() noexcept override;
    void drop_queue() noexcept override;

    void read_once();
    void read_last_words();
    void flush();

    epoll_engine& engine_;
    bool readable_ = false;
    bool writable_ = true;
    bool hung_up_ = false;  // the peer's end was announced: read up to it
    bool at_end_ = false;   // and was reached
    std::size_t queue_head_ = 0;
    std::string queue_;  // bytes not taken by the socket yet, from queue_head_ on
};

/// Connections that are taken before others get their turn.
constexpr int most_at_once = 16;

/// A listening socket, watched level-triggered.
class epoll_acceptor final : public acceptor {
public:
    epoll_acceptor(epoll_engine& owner, int listening, std::shared_ptr<accept_handler> handler)
        : engine_(owner), listening_(listening), handler_(std::move(handler)) {}

    ~epoll_acceptor() override;

    bool accept_one();

    /// How many to accept in this turn. The next one comes at once if there are more, so a
    /// connection that comes alone costs no second look; who finds more looks further.
    int turn() noexcept { return std::exchange(at_once_, std::min(2 * at_once_, most_at_once)); }

private:
    epoll_engine& engine_;
    int listening_;
    std::shared_ptr<accept_handler> handler_;
    int at_once_ = 1;
};

class epoll_engine final : public engine_core {
public:
    explicit epoll_engine(asio::io_context& context) : engine_core(context) {
        const int fd = ::epoll_create1(EPOLL_CLOEXEC);
        if (fd < 0) {
            throw std::system_error(errno, std::generic_category(), "epoll_create1");
        }
        watch(fd);
    }

    stream_ptr adopt(int socket, stream_handler& handler) override {
        auto* s = new epoll_stream(*this, socket, handler);
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.ptr = s;
        if (::epoll_ctl(descriptor(), EPOLL_CTL_ADD, socket, &event) != 0) {
            s->fail(errno);
        }
        return stream_ptr(s);
    }

    std::unique_ptr<acceptor> accept(int listening, std::shared_ptr<accept_handler> handler)
        override {
        ::fcntl(listening, F_SETFL, ::fcntl(listening, F_GETFL) | O_NONBLOCK);
        auto made = std::make_unique<epoll_acceptor>(*this, listening, std::move(handler));
        acceptors_.push_back(made.get());
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = reinterpret_cast<std::uintptr_t>(made.get()) | accepting_bit;
        if (::epoll_ctl(descriptor(), EPOLL_CTL_ADD, listening, &event) != 0) {
            throw std::system_error(errno, std::generic_category(), "epoll_ctl");
        }
        return made;
    }

    std::string_view name() const noexcept override { return "epoll"; }

private:
    friend class epoll_acceptor;
    friend class epoll_stream;

    /// Of the data of an event that is an acceptor's.
    static constexpr std::uint64_t accepting_bit = 1;
    static_assert(alignof(epoll_stream) > accepting_bit && alignof(epoll_acceptor) > accepting_bit);

    bool look() override {
        const int count = ::epoll_wait(descriptor(), events_.data(), int(events_.size()), 0);
        counts_.turns++;
        for (int i = 0; i < count; i++) {
            const epoll_event& event = events_[std::size_t(i)];
            counts_.events++;
            if ((event.data.u64 & accepting_bit) == 0) {
                static_cast<epoll_stream*>(event.data.ptr)->on_events(event.events);
            } else {
                serve(reinterpret_cast<epoll_acceptor*>(event.data.u64 & ~accepting_bit));
            }
        }
        return count > 0;
    }

    bool accepts(const epoll_acceptor* who) const noexcept {
        return std::find(acceptors_.begin(), acceptors_.end(), who) != acceptors_.end();
    }

    /// It may have ended in this turn, or end with a connection that it accepts.
    void serve(epoll_acceptor* who) {
        int left = accepts(who) ? who->turn() : 0;
        while (left > 0 && accepts(who) && who->accept_one()) {
            left--;
        }
    }

    void forget(int socket) noexcept { ::epoll_ctl(descriptor(), EPOLL_CTL_DEL, socket, nullptr); }

    using engine_core::make_ready;

    std::vector<epoll_acceptor*> acceptors_;
    std::array<epoll_event, 128> events_{};
    std::array<char, receive_size> buffer_{};
};

epoll_acceptor::~epoll_acceptor() {
    engine_.forget(listening_);
    std::erase(engine_.acceptors_, this);
}

/// False if there is no more to accept. The acceptor may end in this.
bool epoll_acceptor::accept_one() {
    const std::shared_ptr<accept_handler> handler = handler_;
    sockaddr_storage raw{};
    socklen_t size = sizeof raw;
    auto* peer = reinterpret_cast<::sockaddr*>(&raw);
    const int connection = ::accept4(listening_, peer, &size, SOCK_CLOEXEC);
    if (connection >= 0) {
        handler->on_connection(connection, address::from(*peer));
    } else if (errno == EAGAIN) {
        at_once_ = 1;
        return false;
    } else if (!ends_one_connection(errno)) {
        handler->on_accept_failed(std::error_code(errno, std::generic_category()));
        return false;
    }
    return true;
}

epoll_stream::epoll_stream(epoll_engine& owner, int socket, stream_handler& handler) noexcept
    : core_stream(owner, socket, handler), engine_(owner) {}

void epoll_stream::send(std::string_view bytes) {
    if (bytes.empty() || error_ != 0 || socket_ < 0) {
        return;
    }
    if (writable_ && queued() == 0) {
        const ssize_t sent =
            ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(std::size_t(sent));
            if (bytes.empty()) {
                return;
            }
        } else if (errno != EAGAIN && errno != EINTR) {
            return fail(errno);
        }
        // What the socket does not take now it announces when it does.
        writable_ = false;
    }
    queue_.append(bytes);
    if (queued() > high_watermark) {
        above_high_ = true;
    }
}

void epoll_stream::flush() {
    while (writable_ && queued() != 0) {
        const ssize_t sent =
            ::send(socket_, queue_.data() + queue_head_, queued(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (errno == EINTR) {
                continue;
            }
            writable_ = false;
            if (errno != EAGAIN) {
                fail(errno);
            }
            return;
        }
        writable_ = std::size_t(sent) == queued();
        queue_head_ += std::size_t(sent);
    }
    if (queued() == 0) {
        queue_head_ = 0;
        queue_.clear();
        if (queue_.capacity() > kept_capacity) {
            queue_ = std::string();
        }
    } else if (queue_head_ > high_watermark) {
        queue_.erase(0, queue_head_);
        queue_head_ = 0;
    }
}

void epoll_stream::drop_queue() noexcept {
    queue_.clear();
    queue_head_ = 0;
}

void epoll_stream::resume() noexcept {
    if (paused_) {
        paused_ = false;
        if (readable_) {
            engine_.make_ready(*this);
        }
    }
}

void epoll_stream::on_events(std::uint32_t events) {
    if (socket_ < 0 || ended_) {
        return;
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        hung_up_ = true;
    }
    if ((events & EPOLLOUT) != 0) {
        writable_ = true;
        if (queued() != 0) {
            flush();
        }
        if (closed()) {
            if (queued() == 0) {
                let_go();
            }
            return;
        }
        if (above_high_ && queued() <= low_watermark) {
            above_high_ = false;
            handler_->on_drained();
        }
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        readable_ = true;
        if (closed()) {
            // Lingering: nobody is left to send to if the peer is gone.
            if ((events & (EPOLLHUP | EPOLLERR)) != 0 && socket_ >= 0) {
                let_go();
            }
        } else if (!paused_) {
            read_once();
        }
    }
}

void epoll_stream::on_ready() {
    if (closed() || ended_) {
        return;
    }
    if (error_ != 0) {
        return read_last_words();
    }
    if (releasing_) {
        engine_.forget(socket_);
        return handler_->on_released(std::exchange(socket_, -1));
    }
    if (readable_ && !paused_) {
        read_once();
    }
}

/// A send has failed: what the peer said before it went away comes before the end.
void epoll_stream::read_last_words() {
    auto& buffer = engine_.buffer_;
    const ssize_t got = paused_ ? 0 : ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) {
        return report_end(std::error_code(error_, std::generic_category()));
    }
    handler_->on_received(std::string_view(buffer.data(), std::size_t(got)));
    if (!closed()) {
        engine_.make_ready(*this);
    }
}

void epoll_stream::read_once() {
    auto& buffer = engine_.buffer_;
    const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) {
        // Edge-triggered: a short read has emptied the socket, unless its end was announced too.
        readable_ = std::size_t(got) == buffer.size() || hung_up_;
        handler_->on_received(std::string_view(buffer.data(), std::size_t(got)));
        if (!closed() && readable_ && !paused_) {
            engine_.make_ready(*this);
        }
    } else if (got == 0) {
        at_end_ = true;
        report_end({});
    } else if (errno == EAGAIN || errno == EINTR) {
        readable_ = errno == EINTR;
        if (readable_) {
            engine_.make_ready(*this);
        }
    } else {
        report_end(std::error_code(errno, std::generic_category()));
    }
}

/// The kernel forgets a descriptor that is closed.
/// Closing is not enough: a process that somebody is just starting (a module of PAM, say) may have
/// the socket, too, for a moment, and epoll would tell of a stream that is no more.
void epoll_stream::let_go() noexcept {
    if (socket_ >= 0) {
        engine_.forget(socket_);
    }
    finish(at_end_);
}

}  // namespace

std::unique_ptr<engine> make_epoll_engine(asio::io_context& context) {
    return std::make_unique<epoll_engine>(context);
}

}  // namespace pgweir::net
