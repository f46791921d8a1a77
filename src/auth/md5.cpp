#include "auth/md5.hpp"

#include "auth/crypto.hpp"
#include "auth/stored_secret.hpp"
#include "base/secret.hpp"

namespace pgweir::auth {

namespace {

constexpr std::string_view prefix = "md5";

}  // namespace

std::string md5_secret(std::string_view user, std::string_view password) {
    return std::string(prefix) + md5_hex({password, user});
}

std::string md5_response(std::string_view stored, std::string_view user, std::string_view salt) {
    const bool hashed = classify(stored) == secret_kind::md5;
    std::string digest = hashed ? std::string(stored) : md5_secret(user, stored);
    std::string response =
        std::string(prefix) + md5_hex({std::string_view(digest).substr(prefix.size()), salt});
    pgweir::wipe(digest);
    return response;
}

bool md5_matches(
    std::string_view response, std::string_view stored, std::string_view user, std::string_view salt
) {
    return equal_in_constant_time(response, md5_response(stored, user, salt));
}

std::string make_md5_salt() {
    return random_bytes(md5_salt_size);
}

}  // namespace pgweir::auth
