#pragma once

// What a client shows to have its query cancelled: 64 bits that are BackendKeyData's process number
// and secret. Ours say whom they lead to, and the rest of them is random:
//
//   byte 0   bit 7 is 0, so that the process number is positive
//   byte 1   of the number of this process among its peers, the lower byte; else random
//   byte 2   the upper byte
//   byte 3   the worker
//   byte 7   bits 0 and 1: how many peers may pass it on, 3 in a new key; else random
//
// Bytes 1, 2 and 7 are those of PgBouncer 1.21 and later, so that both can be peers of each other.

#include <cstdint>

namespace pgweir::protocol {

inline constexpr int highest_peer_of_keys = 16383;

/// A key of these random bits. `peer`: 0 is none.
constexpr std::uint64_t make_cancel_key(
    std::uint64_t random, std::uint8_t worker, std::uint16_t peer
) noexcept {
    std::uint64_t key = random & ~(std::uint64_t{1} << 63);
    key = (key & ~(std::uint64_t{0xff} << 32)) | std::uint64_t{worker} << 32;
    if (peer != 0) {
        key &= ~(std::uint64_t{0xffff} << 40) & ~std::uint64_t{3};
        const std::uint64_t number = peer;
        key |= (number & 0xff) << 48 | number >> 8 << 40 | 3;
    }
    return key;
}

constexpr std::uint8_t worker_of_key(std::uint64_t key) noexcept {
    return static_cast<std::uint8_t>(key >> 32 & 0xff);
}

/// Of a key that was made by a process with peers.
constexpr std::uint16_t peer_of_key(std::uint64_t key) noexcept {
    return static_cast<std::uint16_t>((key >> 48 & 0xff) | (key >> 40 & 0xff) << 8);
}

/// How many may pass it on from here.
constexpr int passes_left(std::uint64_t key) noexcept {
    return static_cast<int>(key & 3);
}

/// The key as its maker knows it, however often it was passed on.
constexpr std::uint64_t original_key(std::uint64_t key) noexcept {
    return key | 3;
}

/// REQUIRES: passes_left is not 0.
constexpr std::uint64_t passed_on(std::uint64_t key) noexcept {
    return key - 1;
}

}  // namespace pgweir::protocol
