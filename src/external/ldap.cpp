#include "external/outside.hpp"

#include <fmt/format.h>

#include <ldap.h>
#include <sys/time.h>

#include <memory>
#include <string>
#include <string_view>

namespace pgweir::external {

namespace {

/// How long a server may take for each step.
constexpr ::timeval patience{10, 0};

/// One connection, opened by its first request.
class connection {
public:
    connection() = default;
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    ~connection() {
        if (ldap_ != nullptr) {
            ::ldap_unbind_ext_s(ldap_, nullptr, nullptr);
        }
    }

    /// What these say is empty if all went well.
    std::string open(const auth::ldap_options& options) {
        const int version = LDAP_VERSION3;
        int error = ::ldap_initialize(&ldap_, options.uris.c_str());
        if (error != LDAP_SUCCESS) {
            return told("cannot begin", error);
        }
        ::ldap_set_option(ldap_, LDAP_OPT_PROTOCOL_VERSION, &version);
        ::ldap_set_option(ldap_, LDAP_OPT_NETWORK_TIMEOUT, &patience);
        ::ldap_set_option(ldap_, LDAP_OPT_TIMEOUT, &patience);
        // A server that refers to others must not be able to choose whom the password goes to.
        ::ldap_set_option(ldap_, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
        if (options.start_tls) {
            error = ::ldap_start_tls_s(ldap_, nullptr, nullptr);
        }
        return told("StartTLS", error);
    }

    std::string bind(const std::string& dn, const secret& password) {
        std::string text(password.view());
        ::berval credentials{text.size(), text.data()};
        const int error = ::ldap_sasl_bind_s(
            ldap_, dn.c_str(), LDAP_SASL_SIMPLE, &credentials, nullptr, nullptr, nullptr
        );
        wipe(text);
        return told("bind", error);
    }

    /// The DN of the one entry that fits.
    std::string search(const auth::ldap_options& options, std::string_view user, std::string& dn) {
        constexpr int one_is_too_many = 2;
        char no_attributes[] = LDAP_NO_ATTRS;
        char* attributes[] = {no_attributes, nullptr};
        ::timeval limit = patience;
        LDAPMessage* found = nullptr;
        const int error = ::ldap_search_ext_s(
            ldap_,
            options.base_dn.c_str(),
            scope_of(options.scope),
            options.filter_for(user).c_str(),
            attributes,
            0,
            nullptr,
            nullptr,
            &limit,
            one_is_too_many,
            &found
        );
        const std::unique_ptr<LDAPMessage, int (*)(LDAPMessage*)> owner(found, &::ldap_msgfree);
        if (error != LDAP_SUCCESS && error != LDAP_SIZELIMIT_EXCEEDED) {
            return told("search", error);
        }
        if (::ldap_count_entries(ldap_, found) != 1) {
            return ::ldap_count_entries(ldap_, found) == 0
                       ? "LDAP search: no such user"
                       : "LDAP search: more than one entry fits the user";
        }
        char* name = ::ldap_get_dn(ldap_, ::ldap_first_entry(ldap_, found));
        if (name == nullptr) {
            return "LDAP search: an entry without a name";
        }
        dn = name;
        ::ldap_memfree(name);
        return {};
    }

private:
    static int scope_of(auth::ldap_scope scope) noexcept {
        switch (scope) {
            case auth::ldap_scope::base:
                return LDAP_SCOPE_BASE;
            case auth::ldap_scope::one:
                return LDAP_SCOPE_ONELEVEL;
            case auth::ldap_scope::sub:
                break;
        }
        return LDAP_SCOPE_SUBTREE;
    }

    static std::string told(std::string_view step, int error) {
        return error == LDAP_SUCCESS ? std::string()
                                     : fmt::format("LDAP {}: {}", step, ::ldap_err2string(error));
    }

    ::LDAP* ldap_ = nullptr;
};

std::string find_dn(const auth::ask_ldap& what, std::string& dn) {
    const auth::ldap_options& options = *what.options;
    if (!options.searches()) {
        dn = options.dn_of(what.user);
        return {};
    }
    connection to;
    std::string why = to.open(options);
    if (why.empty()) {
        why = to.bind(options.bind_dn, options.bind_password);
    }
    return why.empty() ? to.search(options, what.user, dn) : why;
}

}  // namespace

auth::slow_answer answer_ldap(const auth::ask_ldap& what) {
    auth::slow_answer done;
    if (what.options == nullptr || what.password.empty()) {
        // A bind without a password succeeds as nobody, and proves nothing.
        done.why = "LDAP: nothing to ask with";
        return done;
    }
    std::string dn;
    done.why = find_dn(what, dn);
    if (done.why.empty() && dn.empty()) {
        done.why = "LDAP: an empty name, which anybody may bind as";
    }
    if (done.why.empty()) {
        // A connection of its own: as the search's user, the server might refuse to bind again.
        connection to;
        done.why = to.open(*what.options);
        if (done.why.empty()) {
            done.why = to.bind(dn, what.password);
        }
    }
    done.fits = done.why.empty();
    return done;
}

}  // namespace pgweir::external
