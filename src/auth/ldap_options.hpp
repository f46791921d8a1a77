#pragma once

// How users are looked for and bound at an LDAP server: the options of a line of the HBA file, or
// of `auth_ldap_options`. PostgreSQL's manual: "LDAP Authentication". Values only: asking is
// external/ldap's. Immutable once parsed, so any thread may read.
//
// What a user sends gets into a DN or a filter only through escape_dn() and escape_filter(), so
// that no name can mean anything but itself.

#include "base/result.hpp"
#include "base/secret.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::auth {

enum class ldap_scope : unsigned char { base, one, sub };

struct ldap_options {
    std::string uris;  // for ldap_initialize: one for each server, with blanks between them
    bool start_tls = false;

    // Simple bind: the DN is the prefix, the user, the suffix.
    std::string prefix;
    std::string suffix;

    // Search, then bind: as soon as there is a base.
    std::string base_dn;
    ldap_scope scope = ldap_scope::sub;
    std::string bind_dn;  // of the search; empty: anonymous
    secret bind_password;
    std::string search_attribute;  // empty: uid
    std::string search_filter;     // instead of the attribute; $username stands for the user

    bool searches() const noexcept { return !base_dn.empty(); }

    /// The DN to bind as. REQUIRES: not searches().
    std::string dn_of(std::string_view user) const;

    /// The filter that finds the user. REQUIRES: searches().
    std::string filter_for(std::string_view user) const;
};

using ldap_option_list = std::vector<std::pair<std::string, std::string>>;

/// From the words behind the method. A failure says which one is wrong, and never a password.
result<ldap_options> parse_ldap_options(const ldap_option_list& words);

/// From `auth_ldap_options`: name=value with blanks between them, a value with blanks in double
/// quotes (of which two are one).
result<ldap_options> parse_ldap_options(std::string_view text);

/// The text as it may stand as a value in a DN (RFC 4514).
std::string escape_dn(std::string_view text);

/// The text as it may stand as a value in a filter (RFC 4515).
std::string escape_filter(std::string_view text);

}  // namespace pgweir::auth
