#pragma once

// TLS towards clients, as the settings client_tls_* say. Reads files, so not on a worker's thread.

#include "base/result.hpp"
#include "config/settings.hpp"
#include "net/tls_context.hpp"

namespace pgweir::server {

/// nullptr if clients are served in clear. The context from before, if there is one, is kept if
/// nothing has changed, so that clients can resume their sessions. A failure says which setting it
/// is about.
result<net::tls_context_ptr> make_client_tls(
    const config::settings& global, const net::tls_context_ptr& before
);

}  // namespace pgweir::server
