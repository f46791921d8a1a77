#include "net/ring_buffers.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace pgweir::net {

namespace {

constexpr std::size_t entries_size = ring_buffers::most * sizeof(io_uring_buf);

void* map(std::size_t bytes) {
    void* made = ::mmap(
        nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    );
    if (made == MAP_FAILED) {
        throw std::system_error(errno, std::generic_category(), "io_uring buffers");
    }
    return made;
}

}  // namespace

ring_buffers::ring_buffers(io_uring& ring)
    : holders_(most, 0), touched_(most, false), recent_(most, false) {
    entries_ = static_cast<io_uring_buf_ring*>(map(entries_size));
    io_uring_buf_ring_init(entries_);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(entries_);
    registration.ring_entries = most;
    registration.bgid = group;
    if (const int error = io_uring_register_buf_ring(&ring, &registration, 0); error < 0) {
        ::munmap(entries_, entries_size);
        throw std::system_error(-error, std::generic_category(), "io_uring_register_buf_ring");
    }
    memory_ = static_cast<char*>(map(most * stride));
    // A huge page would make every buffer resident at the first byte of one.
    ::madvise(memory_, most * stride, MADV_NOHUGEPAGE);
    free_.reserve(most);
    for (unsigned i = most; i-- > 0;) {
        free_.push_back(buffer_id(i));
    }
    publish();
}

ring_buffers::~ring_buffers() {
    ::munmap(entries_, entries_size);
    ::munmap(memory_, most * stride);
}

buffer_id ring_buffers::find(std::string_view bytes) const noexcept {
    const auto offset = std::uintptr_t(bytes.data()) - std::uintptr_t(memory_);
    return offset < most * stride ? buffer_id(offset / stride) : no_buffer;
}

void ring_buffers::taken(buffer_id buffer, std::size_t bytes) noexcept {
    taken_++;
    received_ += bytes;
    deep_ = deep_ || bytes > page;
    touch(buffer);
    provided_--;
    holders_[std::size_t(buffer)] = 1;
    in_use_++;
    peak_ = std::max(peak_, in_use_);
}

void ring_buffers::let_go(buffer_id buffer) noexcept {
    if (--holders_[std::size_t(buffer)] != 0) {
        return;
    }
    in_use_--;
    if (provided_ < wanted_) {
        provide(buffer);
    } else {
        free_.push_back(buffer);
    }
}

void ring_buffers::provide(buffer_id buffer) noexcept {
    io_uring_buf_ring_add(
        entries_,
        begin_of(buffer),
        size,
        static_cast<unsigned short>(buffer),
        io_uring_buf_ring_mask(most),
        int(unpublished_)
    );
    unpublished_++;
    provided_++;
}

void ring_buffers::publish() noexcept {
    const bool small = received_ < taken_ * page;
    if (std::exchange(ran_out_, false) && (small || in_use_ > wanted_ / 2)) {
        wanted_ = std::min(wanted_ * 2, most);
    }
    taken_ = 0;
    received_ = 0;
    while (provided_ < wanted_ && !free_.empty()) {
        provide(free_.back());
        free_.pop_back();
    }
    if (unpublished_ > 0) {
        io_uring_buf_ring_advance(entries_, int(unpublished_));
        unpublished_ = 0;
    }
}

std::string_view ring_buffers::copy(std::string_view bytes, buffer_id& buffer) noexcept {
    if (bytes.size() > size || scarce()) {
        return {};
    }
    if (scratch_ != no_buffer && holders_[std::size_t(scratch_)] == 1) {
        scratch_used_ = 0;  // what was copied before has been sent
    }
    if (scratch_ == no_buffer || bytes.size() > size - scratch_used_) {
        if (free_.empty()) {
            return {};
        }
        if (scratch_ != no_buffer) {
            let_go(scratch_);
        }
        scratch_ = free_.back();
        free_.pop_back();
        holders_[std::size_t(scratch_)] = 1;
        touch(scratch_);
        in_use_++;
        scratch_used_ = 0;
    }
    char* to = begin_of(scratch_) + scratch_used_;
    std::memcpy(to, bytes.data(), bytes.size());
    scratch_used_ += bytes.size();
    deep_ = deep_ || scratch_used_ > page;
    hold(scratch_);
    buffer = scratch_;
    return {to, bytes.size()};
}

void ring_buffers::shrink() noexcept {
    if (peak_ < wanted_ / 4) {
        wanted_ = std::max(wanted_ / 2, least);
    }
    peak_ = in_use_;
    const bool deep = std::exchange(deep_, false);
    for (buffer_id buffer = 0; buffer < buffer_id(most); buffer++) {
        if (recent_[std::size_t(buffer)]) {
            deep_ = deep;  // to be looked at again
        } else if (touched_[std::size_t(buffer)] && !held(buffer)) {
            touched_[std::size_t(buffer)] = false;
            ::madvise(memory_ + std::size_t(buffer) * stride, stride, MADV_DONTNEED);
        }
    }
    recent_.assign(most, false);
}

}  // namespace pgweir::net
