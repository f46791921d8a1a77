#include "auth/method.hpp"

#include <array>
#include <utility>

namespace pgweir::auth {

namespace {

constexpr std::array<std::pair<std::string_view, auth_method>, 9> hba_names{{
    {"trust", auth_method::trust},
    {"reject", auth_method::reject},
    {"password", auth_method::plain},
    {"md5", auth_method::md5},
    {"scram-sha-256", auth_method::scram},
    {"cert", auth_method::cert},
    {"peer", auth_method::peer},
    {"ldap", auth_method::ldap},
    {"pam", auth_method::pam},
}};

}  // namespace

std::optional<auth_method> hba_method(std::string_view name) noexcept {
    for (const auto& [known, method] : hba_names) {
        if (known == name) {
            return method;
        }
    }
    return std::nullopt;
}

std::string_view name_of(auth_method method) noexcept {
    for (const auto& [name, known] : hba_names) {
        if (known == method) {
            return name;
        }
    }
    return "any";
}

}  // namespace pgweir::auth
