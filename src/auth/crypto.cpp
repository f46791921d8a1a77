#include "auth/crypto.hpp"

#include "base/secret.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>

namespace pgweir::auth {

namespace {

unsigned char* raw(char* bytes) noexcept {
    return reinterpret_cast<unsigned char*>(bytes);
}

const unsigned char* raw(const char* bytes) noexcept {
    return reinterpret_cast<const unsigned char*>(bytes);
}

void require(bool worked, const char* what) {
    if (!worked) {
        throw std::runtime_error(std::string("libcrypto: ") + what + " failed");
    }
}

using digest_context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

void digest_of(const EVP_MD* kind, std::initializer_list<std::string_view> pieces, char* out) {
    digest_context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    require(context && EVP_DigestInit_ex(context.get(), kind, nullptr) == 1, "digest");
    for (std::string_view piece : pieces) {
        require(EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1, "digest");
    }
    require(EVP_DigestFinal_ex(context.get(), raw(out), nullptr) == 1, "digest");
}

constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<signed char, 256> base64_values = [] {
    std::array<signed char, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < base64_digits.size(); i++) {
        values[static_cast<unsigned char>(base64_digits[i])] = static_cast<signed char>(i);
    }
    return values;
}();

/// The bytes of one group of four characters, of which `digits` are not padding, or false.
bool decode_group(std::string_view group, std::size_t digits, std::string& out) {
    unsigned bits = 0;
    for (std::size_t i = 0; i < 4; i++) {
        const int value = i < digits ? base64_values[static_cast<unsigned char>(group[i])] : 0;
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | static_cast<unsigned>(value);
    }
    const std::size_t bytes = digits - 1;
    if ((bits & ((1u << (8 * (3 - bytes))) - 1)) != 0) {
        return false;
    }
    for (std::size_t i = 0; i < bytes; i++) {
        out.push_back(static_cast<char>(bits >> (16 - 8 * i) & 0xff));
    }
    return true;
}

}  // namespace

void wipe(sha256_digest& digest) noexcept {
    OPENSSL_cleanse(digest.data(), digest.size());
}

std::optional<sha256_digest> to_digest(std::string_view bytes) noexcept {
    sha256_digest digest;
    if (bytes.size() != digest.size()) {
        return std::nullopt;
    }
    std::copy(bytes.begin(), bytes.end(), digest.begin());
    return digest;
}

sha256_digest sha256(std::string_view data) {
    sha256_digest digest;
    digest_of(EVP_sha256(), {data}, digest.data());
    return digest;
}

sha256_digest hmac_sha256(std::string_view key, std::initializer_list<std::string_view> pieces) {
    std::string data;
    for (std::string_view piece : pieces) {
        data += piece;
    }
    sha256_digest digest;
    require(key.size() <= std::numeric_limits<int>::max(), "HMAC");
    const int key_size = static_cast<int>(key.size());
    // A key of no bytes must still be given as a pointer: nullptr means the key of the last call.
    const char* key_bytes = key.empty() ? "" : key.data();
    const unsigned char* done = HMAC(
        EVP_sha256(),
        key_bytes,
        key_size,
        raw(data.data()),
        data.size(),
        raw(digest.data()),
        nullptr
    );
    require(done != nullptr, "HMAC");
    return digest;
}

sha256_digest pbkdf2_sha256(std::string_view password, std::string_view salt, int iterations) {
    constexpr std::size_t limit = std::numeric_limits<int>::max();
    require(password.size() <= limit && salt.size() <= limit, "PBKDF2");
    sha256_digest digest;
    const int done = PKCS5_PBKDF2_HMAC(
        password.empty() ? "" : password.data(),
        static_cast<int>(password.size()),
        raw(salt.data()),
        static_cast<int>(salt.size()),
        iterations,
        EVP_sha256(),
        static_cast<int>(digest.size()),
        raw(digest.data())
    );
    require(done == 1, "PBKDF2");
    return digest;
}

std::string md5_hex(std::initializer_list<std::string_view> pieces) {
    std::array<char, 16> digest;
    digest_of(EVP_md5(), pieces, digest.data());
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * digest.size());
    for (char byte : digest) {
        text.push_back(digits[static_cast<unsigned char>(byte) >> 4]);
        text.push_back(digits[static_cast<unsigned char>(byte) & 15]);
    }
    return text;
}

std::string random_bytes(std::size_t count) {
    std::string bytes(count, '\0');
    require(RAND_bytes(raw(bytes.data()), static_cast<int>(count)) == 1, "random generator");
    return bytes;
}

std::string to_base64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
        unsigned bits = 0;
        for (std::size_t i = 0; i < 3; i++) {
            bits = bits << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
        }
        for (std::size_t i = 0; i < 4; i++) {
            text.push_back(i <= count ? base64_digits[bits >> (18 - 6 * i) & 63] : '=');
        }
    }
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) {
        return std::nullopt;
    }
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (; !text.empty(); text.remove_prefix(4)) {
        std::size_t digits = 4;
        if (text.size() == 4 && text[3] == '=') {
            digits = text[2] == '=' ? 2 : 3;
        }
        if (!decode_group(text.substr(0, 4), digits, bytes)) {
            return std::nullopt;
        }
    }
    return bytes;
}

}  // namespace pgweir::auth
