#pragma once

// Bytes of one stream that wait, in order: to be sent, or to be delivered after a pause. Mostly
// pieces of the ring's buffers, which are held and not copied. A queue holds few of them, and none
// that are new while the pool is scarce; what comes beyond is copied to the heap, so that a slow
// receiver keeps no buffers from the others.
//
// Bytes that peek() or gather() has shown stay where they are until consume() or clear().
//
// Thread: the loop's.

#include "net/ring_buffers.hpp"

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace pgweir::net {

class chunk_queue {
public:
    /// Pieces that lie in buffers of the ring, at most.
    static constexpr std::size_t pieces = 4;

    /// And with those on the heap.
    static constexpr std::size_t gathered = pieces + 1;

    std::size_t size() const noexcept { return size_; }

    bool empty() const noexcept { return size_ == 0; }

    /// Adds bytes; those that lie in a buffer of the ring are held there.
    void push(ring_buffers& buffers, std::string_view bytes);

    /// The first piece. REQUIRES: not empty.
    std::string_view peek() noexcept;

    /// All pieces, up to the bound: how many.
    std::size_t gather(std::array<iovec, gathered>& to) noexcept;

    /// The first bytes are done with.
    void consume(ring_buffers& buffers, std::size_t bytes) noexcept;

    void clear(ring_buffers& buffers) noexcept { consume(buffers, size_); }

private:
    struct piece {
        const char* data = nullptr;
        std::uint32_t size = 0;
        buffer_id buffer = no_buffer;
    };

    /// What is on the heap: shown bytes do not move, and new ones come to the others.
    struct heap {
        std::string shown;
        std::size_t consumed = 0;
        std::string next;
    };

    /// True if the bytes follow the last piece in memory, which then has them too.
    bool extends_last(std::string_view bytes) noexcept;
    void push_heap(std::string_view bytes);
    std::string_view heap_piece() noexcept;

    std::array<piece, pieces> ring_{};
    std::uint8_t first_ = 0;
    std::uint8_t count_ = 0;
    std::uint8_t shown_ = 0;  // of these, pieces that must not grow
    std::size_t size_ = 0;
    std::unique_ptr<heap> heap_;
};

}  // namespace pgweir::net
