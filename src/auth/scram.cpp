#include "auth/scram.hpp"

#include "auth/scram_message.hpp"

#include <fmt/format.h>

namespace pgweir::auth {

namespace {

constexpr std::size_t salt_size = 16;
constexpr std::size_t nonce_size = 18;

/// Splits at the only place where this character may be: nothing if there is none, or another one
/// behind it.
std::optional<std::pair<std::string_view, std::string_view>> split(
    std::string_view text, char at
) noexcept {
    const std::size_t position = text.find(at);
    if (position == text.npos || text.find(at, position + 1) != text.npos) {
        return std::nullopt;
    }
    return std::pair(text.substr(0, position), text.substr(position + 1));
}

std::optional<sha256_digest> decode_digest(std::string_view text) {
    const auto bytes = from_base64(text);
    return bytes ? to_digest(*bytes) : std::nullopt;
}

}  // namespace

scram_keys::~scram_keys() {
    wipe(client_key);
    wipe(server_key);
}

std::optional<scram_secret> parse_scram_secret(std::string_view text) {
    if (!text.starts_with(scram_mechanism) || text.substr(scram_mechanism.size(), 1) != "$") {
        return std::nullopt;
    }
    const auto halves = split(text.substr(scram_mechanism.size() + 1), '$');
    if (!halves) {
        return std::nullopt;
    }
    const auto parameters = split(halves->first, ':');
    const auto keys = split(halves->second, ':');
    if (!parameters || !keys) {
        return std::nullopt;
    }
    const auto iterations = detail::read_iterations(parameters->first);
    auto salt = from_base64(parameters->second);
    const auto stored_key = decode_digest(keys->first);
    const auto server_key = decode_digest(keys->second);
    if (!iterations || !salt || !stored_key || !server_key) {
        return std::nullopt;
    }
    return scram_secret{*iterations, *std::move(salt), *stored_key, *server_key};
}

std::string format_scram_secret(const scram_secret& stored) {
    return fmt::format(
        "{}${}:{}${}:{}",
        scram_mechanism,
        stored.iterations,
        to_base64(stored.salt),
        to_base64(view(stored.stored_key)),
        to_base64(view(stored.server_key))
    );
}

scram_keys derive_scram_keys(std::string_view password, std::string_view salt, int iterations) {
    sha256_digest salted = pbkdf2_sha256(password, salt, iterations);
    scram_keys keys;
    keys.client_key = hmac_sha256(view(salted), {"Client Key"});
    keys.server_key = hmac_sha256(view(salted), {"Server Key"});
    wipe(salted);
    return keys;
}

scram_secret make_scram_secret(std::string_view password, int iterations, std::string_view salt) {
    const scram_keys keys = derive_scram_keys(password, salt, iterations);
    return {iterations, std::string(salt), sha256(view(keys.client_key)), keys.server_key};
}

scram_secret make_scram_secret(std::string_view password, int iterations) {
    return make_scram_secret(password, iterations, random_bytes(salt_size));
}

bool password_matches(const scram_secret& stored, std::string_view password) {
    const scram_keys keys = derive_scram_keys(password, stored.salt, stored.iterations);
    return equal_in_constant_time(view(keys.server_key), view(stored.server_key));
}

std::string mock_salt(std::string_view user, std::string_view process_key) {
    const sha256_digest digest = hmac_sha256(process_key, {"salt", user});
    return std::string(view(digest).substr(0, salt_size));
}

scram_secret mock_secret(std::string_view user, std::string_view process_key, int iterations) {
    return {
        iterations,
        mock_salt(user, process_key),
        hmac_sha256(process_key, {"stored key", user}),
        hmac_sha256(process_key, {"server key", user}),
    };
}

std::string make_scram_nonce() {
    return to_base64(random_bytes(nonce_size));
}

}  // namespace pgweir::auth
