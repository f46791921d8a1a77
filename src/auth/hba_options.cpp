#include "auth/hba_options.hpp"

#include <fmt/format.h>

#include <memory>
#include <string_view>

namespace pgweir::auth::detail {

namespace {

using problem = std::optional<std::string>;

problem apply_ldap(hba_rule& rule) {
    auto read = parse_ldap_options(rule.options);
    if (!read) {
        return read.error().message;
    }
    rule.ldap = std::make_shared<const ldap_options>(*std::move(read));
    return std::nullopt;
}

bool is_map_known(auth_method method) noexcept {
    return method == auth_method::peer || method == auth_method::cert;
}

problem apply_one(hba_rule& rule, std::string_view name, const std::string& value) {
    if (name == "map" && is_map_known(rule.method)) {
        rule.map = value;
        return value.empty() ? problem("map: a name is missing") : std::nullopt;
    }
    if (name == "pamservice" && rule.method == auth_method::pam) {
        rule.pam_service = value;
        return std::nullopt;
    }
    const bool tls = rule.over == hba_rule::transport::host_tls;
    // These two are for whoever checks certificates.
    if (name == "clientcert" && tls) {
        const bool known = value == "verify-ca" || value == "verify-full";
        return known ? std::nullopt : problem("clientcert: expected verify-ca or verify-full");
    }
    if (name == "clientname" && (tls || rule.method == auth_method::cert)) {
        const bool known = value == "CN" || value == "DN";
        return known ? std::nullopt : problem("clientname: expected CN or DN");
    }
    return fmt::format("\"{}\" is no option of {}", name, name_of(rule.method));
}

}  // namespace

std::optional<std::string> apply_options(hba_rule& rule) {
    if (rule.method == auth_method::ldap) {
        return apply_ldap(rule);
    }
    for (const auto& [name, value] : rule.options) {
        if (const problem wrong = apply_one(rule, name, value)) {
            return wrong;
        }
    }
    return std::nullopt;
}

}  // namespace pgweir::auth::detail
