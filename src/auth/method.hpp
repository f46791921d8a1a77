#pragma once

// How a client is asked to prove who it is: `auth_type` and the methods of the HBA file.

#include <cstdint>
#include <optional>
#include <string_view>

namespace pgweir::auth {

enum class auth_method : std::uint8_t {
    any,     ///< nothing is asked, and the user needs not exist (only as auth_type)
    trust,   ///< nothing is asked
    reject,  ///< nobody (only in the HBA file)
    plain,   ///< the password in clear ("password" in the HBA file)
    md5,     ///< MD5, or SCRAM for users whose secret is SCRAM
    scram,
    cert,  ///< the TLS certificate's name
    peer,  ///< the Unix socket's user (only in the HBA file)
    ldap,
    pam,
};

/// The method of this name in the HBA file.
std::optional<auth_method> hba_method(std::string_view name) noexcept;

std::string_view name_of(auth_method method) noexcept;

}  // namespace pgweir::auth
