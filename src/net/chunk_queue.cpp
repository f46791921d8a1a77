#include "net/chunk_queue.hpp"

#include <algorithm>
#include <utility>

namespace pgweir::net {

void chunk_queue::push(ring_buffers& buffers, std::string_view bytes) {
    size_ += bytes.size();
    if (heap_ != nullptr || buffers.scarce()) {
        return push_heap(bytes);
    }
    buffer_id buffer = buffers.find(bytes);
    if (buffer != no_buffer) {
        buffers.hold(buffer);
    } else if (const std::string_view copied = buffers.copy(bytes, buffer); copied.empty()) {
        return push_heap(bytes);
    } else {
        bytes = copied;
    }
    if (extends_last(bytes)) {
        buffers.let_go(buffer);  // its piece holds it already
    } else if (count_ == pieces) {
        push_heap(bytes);
        buffers.let_go(buffer);
    } else {
        ring_[std::size_t(first_ + count_) % pieces] = {
            bytes.data(), static_cast<std::uint32_t>(bytes.size()), buffer};
        count_++;
    }
}

bool chunk_queue::extends_last(std::string_view bytes) noexcept {
    if (count_ == shown_) {
        return false;
    }
    piece& last = ring_[std::size_t(first_ + count_ - 1) % pieces];
    if (last.data + last.size != bytes.data()) {
        return false;
    }
    last.size += static_cast<std::uint32_t>(bytes.size());
    return true;
}

void chunk_queue::push_heap(std::string_view bytes) {
    if (heap_ == nullptr) {
        heap_ = std::make_unique<heap>();
    }
    heap_->next.append(bytes);
}

std::string_view chunk_queue::heap_piece() noexcept {
    if (heap_->consumed == heap_->shown.size()) {
        heap_->shown = std::exchange(heap_->next, {});
        heap_->consumed = 0;
    }
    return std::string_view(heap_->shown).substr(heap_->consumed);
}

std::string_view chunk_queue::peek() noexcept {
    if (count_ == 0) {
        return heap_piece();
    }
    shown_ = std::max<std::uint8_t>(shown_, 1);
    return {ring_[first_].data, ring_[first_].size};
}

std::size_t chunk_queue::gather(std::array<iovec, gathered>& to) noexcept {
    std::size_t used = 0;
    const auto add = [&](const char* data, std::size_t size) {
        to[used++] = {const_cast<char*>(data), size};
    };
    shown_ = count_;
    for (std::uint8_t i = 0; i < count_; i++) {
        const piece& p = ring_[std::size_t(first_ + i) % pieces];
        add(p.data, p.size);
    }
    if (heap_ != nullptr) {
        const std::string_view rest = heap_piece();
        add(rest.data(), rest.size());
    }
    return used;
}

void chunk_queue::consume(ring_buffers& buffers, std::size_t bytes) noexcept {
    size_ -= bytes;
    while (bytes > 0 && count_ > 0) {
        piece& p = ring_[first_];
        const std::size_t part = std::min<std::size_t>(bytes, p.size);
        bytes -= part;
        p.data += part;
        p.size -= static_cast<std::uint32_t>(part);
        if (p.size == 0) {
            buffers.let_go(p.buffer);
            first_ = static_cast<std::uint8_t>((first_ + 1) % pieces);
            count_--;
            shown_ = static_cast<std::uint8_t>(shown_ - std::min<std::uint8_t>(shown_, 1));
        }
    }
    while (bytes > 0) {
        const std::size_t part = std::min(bytes, heap_piece().size());
        bytes -= part;
        heap_->consumed += part;
    }
    if (heap_ != nullptr && heap_->consumed == heap_->shown.size() && heap_->next.empty()) {
        heap_.reset();
    }
}

}  // namespace pgweir::net
