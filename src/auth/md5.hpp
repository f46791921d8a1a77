#pragma once

// PostgreSQL's MD5 password authentication, kept for old clients and servers.
// PostgreSQL's manual: "Password Authentication", "Start-up" (AuthenticationMD5Password).

#include <string>
#include <string_view>

namespace pgweir::auth {

inline constexpr std::size_t md5_salt_size = 4;

/// What PostgreSQL stores: "md5" and the digest of password and user name.
std::string md5_secret(std::string_view user, std::string_view password);

/// The answer to AuthenticationMD5Password. `stored` is a plain password or an md5 secret (see
/// classify).
std::string md5_response(std::string_view stored, std::string_view user, std::string_view salt);

/// True if a client's answer is the right one. The time tells nothing about the secret.
bool md5_matches(
    std::string_view response, std::string_view stored, std::string_view user, std::string_view salt
);

std::string make_md5_salt();

}  // namespace pgweir::auth
