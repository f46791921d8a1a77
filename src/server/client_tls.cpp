#include "server/client_tls.hpp"

#include <fmt/format.h>

namespace pgweir::server {

namespace {

using config::tls_mode;

constexpr net::tls_setting_names names{
    "client_tls_key_file",
    "client_tls_cert_file",
    "client_tls_ca_file",
    "client_tls_protocols",
    "client_tls_ciphers",
    "client_tls13_ciphers",
    "client_tls_ecdhcurve",
    "client_tls_dheparams",
};

/// Clients have no host name to be checked for, so verify-full is verify-ca. In the other modes a
/// client is asked for a certificate only where there is something to check it against: libpq shows
/// the one that it has to whoever asks.
net::tls_check check_of(const config::settings& global) {
    if (global.client_tls_sslmode >= tls_mode::verify_ca) {
        return net::tls_check::chain;
    }
    return global.client_tls_ca_file.empty() ? net::tls_check::none : net::tls_check::if_presented;
}

}  // namespace

result<net::tls_context_ptr> make_client_tls(
    const config::settings& global, const net::tls_context_ptr& before
) {
    if (global.auth_type == config::auth_type::cert &&
        global.client_tls_sslmode < tls_mode::verify_ca) {
        return failure{fmt::format(
            "auth_type = cert needs client_tls_sslmode = verify-full, and it is {}",
            config::name_of(global.client_tls_sslmode)
        )};
    }
    if (global.client_tls_sslmode == tls_mode::disable) {
        return net::tls_context_ptr();
    }
    net::tls_settings from;
    from.key_file = global.client_tls_key_file;
    from.cert_file = global.client_tls_cert_file;
    from.ca_file = global.client_tls_ca_file;
    from.protocols = global.client_tls_protocols;
    from.ciphers = global.client_tls_ciphers;
    from.tls13_ciphers = global.client_tls13_ciphers;
    from.ecdhcurve = global.client_tls_ecdhcurve;
    from.dheparams = global.client_tls_dheparams;
    from.check = check_of(global);
    auto made = net::tls_context::for_clients(from, names);
    if (made && before != nullptr && before->same_as(**made)) {
        return before;
    }
    return made;
}

}  // namespace pgweir::server
