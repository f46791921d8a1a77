#pragma once

// What a client's certificate proves: whether it is that of the user, and whether it meets what a
// rule of the HBA file demands of it. PostgreSQL's manual: "Certificate Authentication", and
// clientcert and clientname in "The pg_hba.conf File".

#include "auth/hba.hpp"
#include "net/tls_session.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::session {

/// What TLS has brought to light about a client.
struct tls_facts {
    bool certified = false;  ///< it has shown a certificate that we believe
    net::tls_identity peer;  ///< whom that was issued to
    std::string end_point;   ///< of our certificate, for log-ins that are bound to it
};

/// The names that the certificate proves: the common one and the alternative ones, or the whole
/// distinguished name where the rule says clientname=DN. None without a certificate that we
/// believe. `rule` and `tls` may be nullptr.
std::vector<std::string> proved_names(const auth::hba_rule* rule, const tls_facts* tls);

/// Whether clientcert=verify-ca or verify-full of a rule, if it has that, is met. Any other value
/// is not. `tls` may be nullptr: the connection is in clear.
bool meets_clientcert(const auth::hba_rule& rule, const tls_facts* tls, std::string_view user);

}  // namespace pgweir::session
