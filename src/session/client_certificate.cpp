#include "session/client_certificate.hpp"

#include <algorithm>

namespace pgweir::session {

namespace {

/// The last value of an option; empty if the rule does not have it.
std::string_view option(const auth::hba_rule& rule, std::string_view name) {
    std::string_view found;
    for (const auto& [known, value] : rule.options) {
        if (known == name) {
            found = value;
        }
    }
    return found;
}

}  // namespace

std::vector<std::string> proved_names(const auth::hba_rule* rule, const tls_facts* tls) {
    if (tls == nullptr || !tls->certified) {
        return {};
    }
    if (rule != nullptr && option(*rule, "clientname") == "DN") {
        return {tls->peer.distinguished_name};
    }
    std::vector<std::string> names = tls->peer.names;
    names.push_back(tls->peer.common_name);
    std::erase(names, "");
    return names;
}

bool meets_clientcert(const auth::hba_rule& rule, const tls_facts* tls, std::string_view user) {
    const std::string_view demanded = option(rule, "clientcert");
    if (demanded.empty()) {
        return true;
    }
    const auto names = proved_names(&rule, tls);
    if (demanded == "verify-ca") {
        return tls != nullptr && tls->certified;
    }
    return demanded == "verify-full" && std::find(names.begin(), names.end(), user) != names.end();
}

}  // namespace pgweir::session
