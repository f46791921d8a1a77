// The engine on epoll: one epoll instance of its own, watched by the Asio loop as a single
// descriptor.
//
// Every socket is registered once, edge-triggered for reading and writing, and never touched again:
// a stream remembers whether it is readable and writable. So a message costs one recv and one send,
// a pause costs nothing, and an idle stream has no buffer. (Asio's own reactor would cost an
// allocation and a queue for each operation, and an epoll_ctl for each wait that is not a read:
// docs/decisions/0002.)

#include "net/engine.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

namespace pgweir::net {

namespace {

namespace asio = boost::asio;
namespace intrusive = boost::intrusive;

class epoll_engine;

/// How much one recv takes: large enough that a big result costs few system calls.
constexpr std::size_t receive_size = 64 * 1024;

/// A queue that was larger than this gives its memory back when it is empty.
constexpr std::size_t kept_capacity = 4 * 1024;

/// How long a closed stream may take to send what is queued.
constexpr std::chrono::seconds linger_time{5};

class epoll_stream final : public stream {
public:
    epoll_stream(epoll_engine& owner, int socket, stream_handler& handler) noexcept
        : engine_(owner), handler_(&handler), socket_(socket) {}

    ~epoll_stream() override;

    void set_handler(stream_handler& handler) noexcept override { handler_ = &handler; }

    void send(std::string_view bytes) override;

    std::size_t queued() const noexcept override { return queue_.size() - queue_head_; }

    void pause() noexcept override { paused_ = true; }

    void resume() noexcept override;

    bool paused() const noexcept override { return paused_; }

    void release() noexcept override;
    void close() noexcept override;

    /// What epoll said of the socket.
    void on_events(std::uint32_t events);

    /// Does what is due: reads once, or reports the end. Called by the engine for streams in its
    /// ready list.
    void on_ready();

    void end_linger() noexcept;

    /// The connection is of no use any more, which the loop tells the handler.
    void fail(int error) noexcept;

    intrusive::list_member_hook<intrusive::link_mode<intrusive::auto_unlink>> hook;
    std::chrono::steady_clock::time_point linger_until{};

private:
    void read_once();
    void flush();
    void discard_unread() noexcept;
    void report_end(std::error_code why);

    epoll_engine& engine_;
    stream_handler* handler_;  // null once closed
    int socket_;
    int error_ = 0;  // of a failed send, reported from the loop
    bool readable_ = false;
    bool writable_ = true;
    bool hung_up_ = false;  // the peer's end was announced: read up to it
    bool paused_ = false;
    bool ended_ = false;  // the handler has heard on_closed
    bool releasing_ = false;
    bool above_high_ = false;
    std::size_t queue_head_ = 0;
    std::string queue_;  // bytes not taken by the socket yet, from queue_head_ on
};

using stream_list = intrusive::list<
    epoll_stream,
    intrusive::member_hook<
        epoll_stream,
        intrusive::list_member_hook<intrusive::link_mode<intrusive::auto_unlink>>,
        &epoll_stream::hook>,
    intrusive::constant_time_size<false>>;

class epoll_engine final : public engine {
public:
    explicit epoll_engine(asio::io_context& context)
        : descriptor_(context), linger_timer_(context) {
        const int fd = ::epoll_create1(EPOLL_CLOEXEC);
        if (fd < 0) {
            throw std::system_error(errno, std::generic_category(), "epoll_create1");
        }
        descriptor_.assign(fd);
        watch();
    }

    ~epoll_engine() override {
        for (stream_list* list : {&ready_, &lingering_, &dead_}) {
            list->clear_and_dispose([](epoll_stream* s) { delete s; });
        }
    }

    stream_ptr adopt(int socket, stream_handler& handler) override {
        auto* s = new epoll_stream(*this, socket, handler);
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.ptr = s;
        if (::epoll_ctl(descriptor_.native_handle(), EPOLL_CTL_ADD, socket, &event) != 0) {
            s->fail(errno);
        }
        return stream_ptr(s);
    }

    std::string_view name() const noexcept override { return "epoll"; }

    engine_counts counts() const noexcept override { return counts_; }

    void forget(int socket) noexcept {
        ::epoll_ctl(descriptor_.native_handle(), EPOLL_CTL_DEL, socket, nullptr);
    }

    /// Something is to be done for the stream without an event of the socket.
    void make_ready(epoll_stream& s) {
        if (!s.hook.is_linked()) {
            ready_.push_back(s);
            wake();
        }
    }

    /// The stream is closed: freed at the end of the turn, when no event of this turn can name it.
    void bury(epoll_stream& s) {
        s.hook.unlink();
        dead_.push_back(s);
        wake();
    }

    void linger(epoll_stream& s) {
        s.hook.unlink();
        s.linger_until = std::chrono::steady_clock::now() + linger_time;
        const bool first = lingering_.empty();
        lingering_.push_back(s);
        if (first) {
            arm_linger_timer();
        }
    }

    std::array<char, receive_size>& buffer() noexcept { return buffer_; }

private:
    void watch() {
        descriptor_.async_wait(
            asio::posix::stream_descriptor::wait_read,
            [this](boost::system::error_code ec) {
                if (!ec) {
                    turn();
                    watch();
                }
            }
        );
    }

    /// Makes the loop come here although epoll has nothing to say.
    void wake() {
        if (!in_turn_ && !woken_) {
            woken_ = true;
            asio::post(descriptor_.get_executor(), [this] {
                woken_ = false;
                turn();
            });
        }
    }

    void turn() {
        in_turn_ = true;
        // A few rounds before Asio's own business gets its turn.
        for (int round = 0; round < 8; round++) {
            const int count =
                ::epoll_wait(descriptor_.native_handle(), events_.data(), int(events_.size()), 0);
            counts_.turns++;
            counts_.events += std::uint64_t(std::max(count, 0));
            for (int i = 0; i < count; i++) {
                const epoll_event& event = events_[std::size_t(i)];
                static_cast<epoll_stream*>(event.data.ptr)->on_events(event.events);
            }
            serve_ready();
            dead_.clear_and_dispose([](epoll_stream* s) { delete s; });
            if (count <= 0 && ready_.empty()) {
                break;
            }
        }
        in_turn_ = false;
        if (!ready_.empty()) {
            wake();
        }
    }

    /// One piece of work for each stream that had more to do than its event allowed.
    void serve_ready() {
        stream_list now;
        now.swap(ready_);
        while (!now.empty()) {
            epoll_stream& s = now.front();
            now.pop_front();
            s.on_ready();
        }
    }

    void arm_linger_timer() {
        linger_timer_.expires_at(lingering_.front().linger_until);
        linger_timer_.async_wait([this](boost::system::error_code ec) {
            if (ec) {
                return;
            }
            const auto now = std::chrono::steady_clock::now();
            while (!lingering_.empty() && lingering_.front().linger_until <= now) {
                lingering_.front().end_linger();
            }
            if (!lingering_.empty()) {
                arm_linger_timer();
            }
        });
    }

    asio::posix::stream_descriptor descriptor_;
    asio::steady_timer linger_timer_;
    stream_list ready_;
    stream_list lingering_;
    stream_list dead_;
    bool in_turn_ = false;
    bool woken_ = false;
    engine_counts counts_;
    std::array<epoll_event, 128> events_{};
    std::array<char, receive_size> buffer_{};
};

epoll_stream::~epoll_stream() {
    if (socket_ >= 0) {
        ::close(socket_);
    }
}

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

void epoll_stream::fail(int error) noexcept {
    error_ = error;
    queue_.clear();
    queue_head_ = 0;
    if (handler_ != nullptr) {
        engine_.make_ready(*this);
    }
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
        if (handler_ == nullptr) {
            if (queued() == 0) {
                end_linger();
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
        if (handler_ == nullptr) {
            // Lingering: nobody is left to send to if the peer is gone.
            if ((events & (EPOLLHUP | EPOLLERR)) != 0 && socket_ >= 0) {
                end_linger();
            }
        } else if (!paused_) {
            read_once();
        }
    }
}

void epoll_stream::on_ready() {
    if (handler_ == nullptr || ended_) {
        return;
    }
    if (error_ != 0) {
        return report_end(std::error_code(error_, std::generic_category()));
    }
    if (releasing_) {
        engine_.forget(socket_);
        return handler_->on_released(std::exchange(socket_, -1));
    }
    if (readable_ && !paused_) {
        read_once();
    }
}

void epoll_stream::read_once() {
    auto& buffer = engine_.buffer();
    const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) {
        // Edge-triggered: a short read has emptied the socket, unless its end was announced too.
        readable_ = std::size_t(got) == buffer.size() || hung_up_;
        handler_->on_received(std::string_view(buffer.data(), std::size_t(got)));
        if (handler_ != nullptr && readable_ && !paused_) {
            engine_.make_ready(*this);
        }
    } else if (got == 0) {
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

void epoll_stream::report_end(std::error_code why) {
    ended_ = true;
    readable_ = false;
    error_ = error_ != 0 ? error_ : ECONNRESET;
    hook.unlink();
    handler_->on_closed(why);
}

void epoll_stream::release() noexcept {
    releasing_ = true;
    engine_.make_ready(*this);
}

void epoll_stream::close() noexcept {
    handler_ = nullptr;
    if (socket_ >= 0 && error_ == 0 && queued() != 0) {
        engine_.linger(*this);
        return;
    }
    end_linger();
}

/// Not into the engine's buffer: somebody up the stack may be reading that.
void epoll_stream::discard_unread() noexcept {
    std::array<char, 4096> scrap{};
    for (int i = 0; i < 256; i++) {
        if (::recv(socket_, scrap.data(), scrap.size(), MSG_DONTWAIT) <= 0) {
            return;
        }
    }
}

void epoll_stream::end_linger() noexcept {
    if (socket_ >= 0) {
        // Unread bytes would turn the close into a reset, which can take back what was sent last.
        ::shutdown(socket_, SHUT_WR);
        discard_unread();
        engine_.forget(socket_);
        ::close(socket_);
        socket_ = -1;
    }
    engine_.bury(*this);
}

}  // namespace

std::unique_ptr<engine> make_epoll_engine(asio::io_context& context) {
    return std::make_unique<epoll_engine>(context);
}

}  // namespace pgweir::net
