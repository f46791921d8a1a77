#pragma once

// The few primitives of OpenSSL's libcrypto that log-in is made of, as functions over byte strings,
// and the conversions between bytes and the text that goes over the wire. Thread-safe, no state.
// Digests fail only when libcrypto itself is unusable (out of memory, MD5 or SHA switched off by a
// FIPS policy): then they throw std::runtime_error, which ends the process's start or the log-in,
// as there is nothing else to do.

#include <array>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::auth {

/// A SHA-256 digest or a key of that length.
using sha256_digest = std::array<char, 32>;

inline std::string_view view(const sha256_digest& digest) noexcept {
    return {digest.data(), digest.size()};
}

void wipe(sha256_digest& digest) noexcept;

/// The digest whose bytes these are. Nothing if there are not exactly 32.
std::optional<sha256_digest> to_digest(std::string_view bytes) noexcept;

sha256_digest sha256(std::string_view data);

/// Of all pieces, one behind the other.
sha256_digest hmac_sha256(std::string_view key, std::initializer_list<std::string_view> pieces);

/// PBKDF2 with HMAC-SHA-256: the expensive one, about half a microsecond an iteration.
sha256_digest pbkdf2_sha256(std::string_view password, std::string_view salt, int iterations);

/// 32 lower-case hexadecimal digits of the MD5 digest of all pieces, one behind the other.
std::string md5_hex(std::initializer_list<std::string_view> pieces);

/// From OpenSSL's cryptographic generator.
std::string random_bytes(std::size_t count);

std::string to_base64(std::string_view bytes);

/// Strict: padded, no blanks, no bits left over; nothing for any other text.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace pgweir::auth
