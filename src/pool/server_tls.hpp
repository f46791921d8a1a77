#pragma once

// How connections to PostgreSQL are secured: by server_tls_* for all, and by what an entry of
// [databases] says otherwise (sslmode, sslrootcert, sslcert, sslkey). Made whole from the settings
// and never changed; any thread may ask.
// PostgreSQL's manual: "SSL Support" (libpq).

#include "base/result.hpp"
#include "config/settings.hpp"
#include "net/tls_context.hpp"

#include <map>
#include <memory>
#include <string>
#include <tuple>

namespace pgweir::pool {

/// What a connection to a server asks for.
struct tls_terms {
    net::tls_context_ptr context;  // null: nothing, it goes on in clear
    bool required = false;         // a server without TLS will not do
    std::string host;              // whose certificate it has to be

    friend bool operator==(const tls_terms&, const tls_terms&) = default;
};

class server_tls {
public:
    /// Reads the files that the configuration names. What is the same as before is taken from
    /// there, so that sessions are resumed.
    static result<std::shared_ptr<const server_tls>> make(
        const config::configuration& all, const server_tls* before
    );

    /// The host's name is for the caller to fill in.
    tls_terms terms_of(const config::settings& global, const config::database& db) const;

private:
    /// sslmode's check, sslrootcert, sslcert, sslkey
    using key = std::tuple<net::tls_check, std::string, std::string, std::string>;

    static key key_of(const config::settings& global, const config::database& db);

    result<void> add(
        const config::settings& global, const config::database& db, const server_tls* before
    );

    std::map<key, net::tls_context_ptr> contexts_;
};

}  // namespace pgweir::pool
