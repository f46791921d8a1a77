#pragma once

// The engine's face: established connections as streams of bytes, completion style.
//
// A stream delivers what has arrived as a view into a buffer that all streams of the loop share,
// and takes what is to be sent, in order; what the socket does not take yet is queued. An idle
// stream holds no buffer. Which engine stands behind (epoll, io_uring, a
// simulated network) is not seen from here.
//
// Thread: everything belongs to the loop's thread. Calls of a stream never call its handler back:
// what they bring about (a failed send, say) is reported from the loop.

#include <cstddef>
#include <memory>
#include <string_view>
#include <system_error>

namespace pgweir::net {

/// Whoever a stream tells. May close any stream, its own too, inside of a call.
class stream_handler {
public:
    /// Bytes have arrived. The view is valid until the call returns, but sending it, or a part of
    /// it, on another stream of the same loop meanwhile is always right and copies nothing that the
    /// socket takes.
    virtual void on_received(std::string_view bytes) = 0;

    /// What was queued above the high watermark has gone down to the low one.
    virtual void on_drained() = 0;

    /// The peer has closed (no error) or the connection has failed. The last call of this stream.
    virtual void on_closed(std::error_code why) = 0;

    /// The answer to release(): the descriptor, which is the handler's now. The last call of this
    /// stream. Of no interest to those who never release.
    virtual void on_released(int /*socket*/) {}

protected:
    ~stream_handler() = default;
};

/// Queued bytes at which a sender should be stopped, and at which it may go on.
inline constexpr std::size_t high_watermark = 256 * 1024;
inline constexpr std::size_t low_watermark = 64 * 1024;

class stream {
public:
    /// From now on this handler is told. Used when a connection changes its role; bytes are never
    /// lost between.
    virtual void set_handler(stream_handler& handler) noexcept = 0;

    /// Sends, in order: now, or at the end of this turn of the loop. Never fails at once: a failure
    /// comes as on_closed.
    virtual void send(std::string_view bytes) = 0;

    /// Bytes that the socket has not taken yet.
    virtual std::size_t queued() const noexcept = 0;

    /// Stops and restarts the reading: at most what is being delivered still comes after a pause.
    virtual void pause() noexcept = 0;
    virtual void resume() noexcept = 0;
    virtual bool paused() const noexcept = 0;

    /// Takes the connection out of this loop, to be adopted by another. What the kernel has handed
    /// to this loop already is still delivered, then comes on_released (or on_closed, if the
    /// connection ends meanwhile). The stream is dead afterwards and only to be closed; closing it
    /// before ends the connection. REQUIRES: nothing queued, and nothing sent from now on.
    virtual void release() noexcept = 0;

    /// Sends what is queued (bounded by a few seconds) and closes; the handler hears nothing any
    /// more.
    virtual void close() noexcept = 0;

    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

protected:
    stream() = default;
    virtual ~stream() = default;
};

/// Closes a stream instead of deleting it: the engine frees it when the kernel has let go of it.
struct stream_closer {
    void operator()(stream* s) const noexcept { s->close(); }
};

using stream_ptr = std::unique_ptr<stream, stream_closer>;

}  // namespace pgweir::net
