#include "net/tls_stream.hpp"

#include "net/loop.hpp"

#include <array>
#include <string>
#include <utility>

namespace pgweir::net {

namespace {

/// What one delivery of an engine holds at most becomes one delivery here, and one send there.
constexpr std::size_t plain_size = 96 * 1024;
constexpr std::size_t out_size = 4 * tls_session::record_limit;

/// What OpenSSL answers by itself to what is no data (a renegotiation that is refused, a change of
/// keys): more than anybody honest asks for in the life of a connection, in bytes.
constexpr std::size_t answers_limit = 1024 * 1024;

/// The buffers of a thread. Decrypted bytes may be sent on while they are delivered, so there are
/// two.
struct shared_buffers {
    std::array<char, plain_size> plain;
    std::array<char, out_size> out;
};

shared_buffers& buffers() {
    thread_local const auto made = std::make_unique<shared_buffers>();
    return *made;
}

tls_buffer out_buffer() {
    auto& out = buffers().out;
    return {out.data(), out.size()};
}

class tls_stream final : public stream,
                         public std::enable_shared_from_this<tls_stream>,
                         stream_handler {
public:
    tls_stream(loop& owner, stream_handler& handler, std::shared_ptr<tls_session> session) noexcept
        : loop_(owner), handler_(&handler), session_(std::move(session)) {}

    ~tls_stream() override = default;

    static stream_ptr own(const std::shared_ptr<tls_stream>& made) {
        made->self_ = made;
        return stream_ptr(made.get());
    }

    void wrap(stream_ptr inner) {
        inner_ = std::move(inner);
        inner_->set_handler(*this);
    }

    void adopt(int socket) { inner_ = loop_.streams().adopt(socket, *this); }

    void begin(std::string_view first);

    void set_handler(stream_handler& handler) noexcept override { handler_ = &handler; }

    void send(std::string_view bytes) override;

    std::size_t queued() const noexcept override { return inner_->queued() + early_.size(); }

    void pause() noexcept override { inner_->pause(); }

    void resume() noexcept override { inner_->resume(); }

    bool paused() const noexcept override { return inner_->paused(); }

    void release() noexcept override { inner_->release(); }

    void close() noexcept override;

private:
    /// Inside of a call from the loop the object stays, though the handler may close it.
    class visit {
    public:
        explicit visit(tls_stream& s) noexcept : stream_(s) { s.visited_ = true; }

        ~visit() {
            stream_.visited_ = false;
            if (stream_.closed()) {
                const auto last = std::move(stream_.self_);
            }
        }

        visit(const visit&) = delete;
        visit& operator=(const visit&) = delete;

    private:
        tls_stream& stream_;
    };

    void on_received(std::string_view bytes) override;
    void on_drained() override;
    void on_closed(std::error_code why) override;
    void on_released(int socket) override;

    bool closed() const noexcept { return handler_ == nullptr; }

    void write(std::string_view bytes);
    void send_early();
    void fail_soon();
    void end(std::error_code why);

    loop& loop_;
    stream_handler* handler_;  // null once closed
    stream_ptr inner_;
    std::shared_ptr<tls_session> session_;
    std::shared_ptr<tls_stream> self_;
    std::string early_;  // to be sent when the handshake is over
    bool visited_ = false;
    std::size_t answered_ = 0;  // see answers_limit
    bool ended_ = false;        // the handler has heard the last of it
    bool released_ = false;     // the session is somebody else's
};

/// Of the handshake nothing comes of what is here already but records to be sent, or its failure.
void tls_stream::begin(std::string_view first) {
    tls_buffer plain{buffers().plain.data(), plain_size};
    for (;;) {
        tls_buffer out = out_buffer();
        const auto step = session_->read(first, plain, out);
        inner_->send(out.view());
        if (step == tls_session::step::again && plain.size == 0) {
            continue;
        }
        if (step != tls_session::step::wants_input) {
            fail_soon();
        }
        return;
    }
}

void tls_stream::send(std::string_view bytes) {
    if (ended_) {
        return;
    }
    if (session_->established()) {
        return write(bytes);
    }
    early_.append(bytes);
}

void tls_stream::write(std::string_view bytes) {
    while (!bytes.empty()) {
        tls_buffer out = out_buffer();
        const bool good = session_->write(bytes, out);
        inner_->send(out.view());
        if (!good) {
            return fail_soon();
        }
    }
}

void tls_stream::send_early() {
    std::string bytes = std::exchange(early_, {});
    write(bytes);
    OPENSSL_cleanse(bytes.data(), bytes.size());
}

void tls_stream::on_received(std::string_view bytes) {
    if (ended_) {
        return;
    }
    const visit here(*this);
    for (;;) {
        tls_buffer plain{buffers().plain.data(), plain_size};
        tls_buffer out = out_buffer();
        const auto step = session_->read(bytes, plain, out);
        inner_->send(out.view());
        if (session_->established() && plain.size == 0) {
            answered_ += out.size;
            if (answered_ > answers_limit) {
                return end(std::make_error_code(std::errc::protocol_error));
            }
        }
        if (!early_.empty() && session_->established()) {
            send_early();
        }
        if (plain.size != 0) {
            handler_->on_received(plain.view());
            if (closed()) {
                return;
            }
        }
        switch (step) {
            case tls_session::step::wants_input:
                return;
            case tls_session::step::again:
                continue;
            case tls_session::step::closed:
                return end({});
            case tls_session::step::failed:
                return end(session_->error());
        }
    }
}

void tls_stream::on_drained() {
    const visit here(*this);
    if (!ended_) {
        handler_->on_drained();
    }
}

void tls_stream::on_closed(std::error_code why) {
    const visit here(*this);
    if (!ended_) {
        end(why);
    }
}

void tls_stream::on_released(int socket) {
    const visit here(*this);
    ended_ = true;
    released_ = true;
    handler_->on_released(socket);
}

void tls_stream::end(std::error_code why) {
    ended_ = true;
    handler_->on_closed(why);
}

/// Calls of a stream never call its handler back, so the loop does.
void tls_stream::fail_soon() {
    loop_.post([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self != nullptr && !self->closed() && !self->ended_) {
            const visit here(*self);
            self->end(self->session_->error());
        }
    });
}

void tls_stream::close() noexcept {
    if (!released_) {
        tls_buffer out = out_buffer();
        session_->shut_down(out);
        inner_->send(out.view());
    }
    inner_.reset();
    handler_ = nullptr;
    if (!visited_) {
        const auto last = std::move(self_);
    }
}

}  // namespace

stream_ptr secure(
    loop& owner,
    stream_ptr in_clear,
    stream_handler& handler,
    std::shared_ptr<tls_session> session,
    std::string_view first
) {
    const auto made = std::make_shared<tls_stream>(owner, handler, std::move(session));
    made->wrap(std::move(in_clear));
    made->begin(first);
    return tls_stream::own(made);
}

stream_ptr adopt(
    loop& owner, int socket, stream_handler& handler, std::shared_ptr<tls_session> session
) {
    if (session == nullptr) {
        return owner.streams().adopt(socket, handler);
    }
    const auto made = std::make_shared<tls_stream>(owner, handler, std::move(session));
    made->adopt(socket);
    return tls_stream::own(made);
}

}  // namespace pgweir::net
