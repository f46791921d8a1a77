#include "net/engine_core.hpp"

#include <boost/asio/post.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace pgweir::net {

namespace asio = boost::asio;

namespace {

/// How long a closed stream may take to send what is queued.
constexpr std::chrono::seconds linger_time{5};

/// Looks that a turn takes before Asio's own business gets its turn.
constexpr int looks_in_a_turn = 8;

/// Unread bytes would turn the close into a reset, which can take back what was sent last.
void discard_unread(int socket) noexcept {
    std::array<char, 4096> scrap;
    for (int i = 0; i < 256; i++) {
        if (::recv(socket, scrap.data(), scrap.size(), MSG_DONTWAIT) < ssize_t(scrap.size())) {
            return;
        }
    }
}

}  // namespace

// Streams.

core_stream::~core_stream() {
    if (socket_ >= 0) {
        ::close(socket_);
    }
}

void core_stream::release() noexcept {
    releasing_ = true;
    core_.make_ready(*this);
}

void core_stream::close() noexcept {
    handler_ = nullptr;
    if (socket_ >= 0 && error_ == 0 && queued() != 0) {
        return core_.linger(*this);
    }
    let_go();
}

void core_stream::fail(int error) noexcept {
    error_ = error;
    drop_queue();
    if (!closed()) {
        core_.make_ready(*this);
    }
}

void core_stream::report_end(std::error_code why) {
    ended_ = true;
    error_ = error_ != 0 ? error_ : ECONNRESET;
    drop_queue();
    hook_.unlink();
    handler_->on_closed(why);
}

void core_stream::finish(bool at_end) noexcept {
    if (socket_ >= 0) {
        if (!at_end) {
            discard_unread(socket_);
        }
        ::close(std::exchange(socket_, -1));
    }
    core_.bury(*this);
}

bool ends_one_connection(int error) noexcept {
    return error == EINTR || error == ECONNABORTED || error == EPROTO;
}

// The turn.

engine_core::~engine_core() {
    for (stream_list* list : {&lingering_, &dying_, &dead_}) {
        list->clear_and_dispose([](core_stream* s) { delete s; });
    }
}

void engine_core::watch(int descriptor) {
    descriptor_.assign(descriptor);
    wait();
}

void engine_core::wait() {
    descriptor_.async_wait(
        asio::posix::descriptor_base::wait_read,
        [this](boost::system::error_code ec) {
            if (!ec) {
                on_descriptor_ready();
                turn();
                wait();
            }
        }
    );
}

void engine_core::wake() {
    if (!in_turn_ && !woken_) {
        woken_ = true;
        asio::post(descriptor_.get_executor(), [this] {
            woken_ = false;
            turn();
        });
    }
}

void engine_core::turn() {
    in_turn_ = true;
    bool more = true;
    for (int i = 0; more && i < looks_in_a_turn; i++) {
        more = look();
        if (!ready_.empty()) {
            serve_ready();
            more = true;
        }
        dead_.clear_and_dispose([](core_stream* s) { delete s; });
        more = more || !may_wait();
    }
    in_turn_ = false;
    if (more) {
        wake();
    }
}

void engine_core::serve_ready() {
    stream_list now;
    now.swap(ready_);
    while (!now.empty()) {
        core_stream& s = now.front();
        now.pop_front();
        s.on_ready();
    }
}

void engine_core::make_ready(core_stream& s) {
    if (!s.hook_.is_linked()) {
        ready_.push_back(s);
        wake();
    }
}

// The end of streams.

void engine_core::bury(core_stream& s) {
    s.hook_.unlink();
    dead_.push_back(s);
    wake();
}

void engine_core::keep_dying(core_stream& s) noexcept {
    s.hook_.unlink();
    dying_.push_back(s);
}

void engine_core::linger(core_stream& s) {
    s.hook_.unlink();
    s.linger_until_ = std::chrono::steady_clock::now() + linger_time;
    const bool first = lingering_.empty();
    lingering_.push_back(s);
    if (first) {
        arm_linger_timer();
    }
}

void engine_core::arm_linger_timer() {
    linger_timer_.expires_at(lingering_.front().linger_until_);
    linger_timer_.async_wait([this](boost::system::error_code ec) {
        if (ec) {
            return;
        }
        const auto now = std::chrono::steady_clock::now();
        while (!lingering_.empty() && lingering_.front().linger_until_ <= now) {
            core_stream& late = lingering_.front();
            late.drop_queue();
            late.let_go();
        }
        if (!lingering_.empty()) {
            arm_linger_timer();
        }
    });
}

std::unique_ptr<engine> make_engine(engine_kind kind, asio::io_context& context) {
    return kind == engine_kind::epoll ? make_epoll_engine(context) : make_io_uring_engine(context);
}

}  // namespace pgweir::net
