#pragma once

// The buffers into which the kernel receives for one io_uring: a bounded pool, of which a part is
// provided to the kernel at a time. A buffer is counted by whoever reads from it (the delivery that
// is going on, sends under way, bytes held for a paused stream) and goes back to the kernel when
// nobody does.
//
// Part of the pool is also the place for small copies that wait to be sent (copy()).
//
// Memory is touched only by what has been received: an idle pool costs a page for each provided
// buffer, and shrink() gives back what a peak has left behind.
//
// Thread: the loop's.

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pgweir::net {

/// The number of a buffer of the pool.
using buffer_id = std::int32_t;
inline constexpr buffer_id no_buffer = -1;

class ring_buffers {
public:
    /// What one receive takes at most.
    static constexpr std::size_t size = 64 * 1024;

    /// Provided to the kernel at first, and at most.
    static constexpr unsigned least = 32;
    static constexpr unsigned most = 1024;

    /// The group that receives name in their requests.
    static constexpr int group = 0;

    /// Throws std::system_error if the kernel refuses. The ring takes its hold on the pool with it
    /// when it is closed, which comes first.
    explicit ring_buffers(io_uring& ring);
    ~ring_buffers();
    ring_buffers(const ring_buffers&) = delete;
    ring_buffers& operator=(const ring_buffers&) = delete;

    const char* data(buffer_id buffer) const noexcept { return begin_of(buffer); }

    /// The buffer that a view lies in; no_buffer if it lies elsewhere.
    buffer_id find(std::string_view bytes) const noexcept;

    /// The kernel has filled this buffer with so many bytes; the caller holds it now.
    void taken(buffer_id buffer, std::size_t bytes) noexcept;

    void hold(buffer_id buffer) noexcept { holders_[std::size_t(buffer)]++; }

    bool held(buffer_id buffer) const noexcept { return holders_[std::size_t(buffer)] != 0; }

    void let_go(buffer_id buffer) noexcept;

    /// Copies bytes into a buffer and holds it for the caller. An empty view if there is no room:
    /// the bytes are too many, or the pool is scarce.
    std::string_view copy(std::string_view bytes, buffer_id& buffer) noexcept;

    /// So much of the pool is held that no more of it should be, or receives would starve.
    bool scarce() const noexcept { return in_use_ > most * 3 / 4; }

    /// Buffers that the kernel has left to receive into.
    unsigned provided() const noexcept { return provided_; }

    /// The kernel ran out of buffers. More are provided if those that it had hold little, or are
    /// still held when all that has come is seen to; a burst of one stream alone needs no more.
    void ran_out() noexcept { ran_out_ = true; }

    /// Hands what has been let go to the kernel. Once a look.
    void publish() noexcept;

    /// True if a peak may have left memory behind.
    bool worth_shrinking() const noexcept { return wanted_ > least || deep_; }

    /// Gives memory back to the system that was not used since the last call, and provides less
    /// from now on if that period did not need it. Call it about once a second while
    /// worth_shrinking(). REQUIRES: every completion has been reaped, so that no buffer has bytes
    /// and yet no holder.
    void shrink() noexcept;

private:
    /// Buffers begin a page and a few cache lines apart, or all would share the same few sets of
    /// the caches.
    static constexpr std::size_t page = 4096;
    static constexpr std::size_t stride = size + page;
    static constexpr std::size_t shift = 192;

    char* begin_of(buffer_id buffer) const noexcept {
        return memory_ + std::size_t(buffer) * stride + std::size_t(buffer) % 16 * shift;
    }

    void touch(buffer_id buffer) noexcept {
        touched_[std::size_t(buffer)] = true;
        recent_[std::size_t(buffer)] = true;
    }

    void provide(buffer_id buffer) noexcept;

    char* memory_ = nullptr;
    io_uring_buf_ring* entries_ = nullptr;
    unsigned wanted_ = least;   // to be provided
    unsigned provided_ = 0;     // the kernel has them
    unsigned unpublished_ = 0;  // of these, not told to it yet
    unsigned in_use_ = 0;       // held by somebody
    unsigned taken_ = 0;        // since the last publish
    std::size_t received_ = 0;  // bytes in these
    unsigned peak_ = 0;         // the most that were, since the last shrink
    bool ran_out_ = false;      // since the last publish
    bool deep_ = false;         // more than the first page of some was used since then
    buffer_id scratch_ = no_buffer;
    std::size_t scratch_used_ = 0;
    std::vector<std::uint32_t> holders_;
    std::vector<bool> touched_;    // used since their memory was given back
    std::vector<bool> recent_;     // used since the last shrink
    std::vector<buffer_id> free_;  // neither held nor provided
};

}  // namespace pgweir::net
