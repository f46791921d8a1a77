#pragma once

// What the operator's files say right now, as one immutable value: a reload makes a new one, and
// each worker swaps its pointer.

#include "auth/hba.hpp"
#include "auth/ident_map.hpp"
#include "auth/ldap_options.hpp"
#include "auth/stored_secret.hpp"
#include "base/secret.hpp"
#include "config/settings.hpp"
#include "config/userlist.hpp"
#include "net/tls_context.hpp"
#include "pool/server_tls.hpp"

#include <memory>

namespace pgweir::session {

struct runtime {
    std::shared_ptr<const config::configuration> configuration;
    std::shared_ptr<const config::user_list> users;  // never null
    std::shared_ptr<const auth::hba_rules> hba;      // null unless auth_type = hba

    net::tls_context_ptr client_tls;                     // null: clients are served in clear
    std::shared_ptr<const pool::server_tls> server_tls;  // null: so are we by servers
    std::shared_ptr<const auth::ident_map> ident;        // null without auth_ident_file
    std::shared_ptr<const auth::ldap_options> ldap;      // null unless auth_type = ldap

    secret topology_password;  // of topology_user; empty: it has none of its own

    /// The kind of secret that most users have: what a user that does not exist seems to have.
    auth::secret_kind unknown_as = auth::secret_kind::scram;
};

using runtime_ptr = std::shared_ptr<const runtime>;

}  // namespace pgweir::session
