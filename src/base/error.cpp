#include "base/error.hpp"

#include <iterator>

namespace pgweir {

namespace {

constexpr error_text table[] = {
    {"08P01", "old V2 protocol not supported"},
    {"0A000", "unsupported frontend protocol"},
    {"08P01", "invalid startup packet layout: expected terminator as last byte"},
    {"28000", "no username supplied"},
    {"08P01", "name in startup packet too long"},
    {"08P01", "unsupported startup parameter: "},
    {"08P01", "unsupported startup parameter in options: "},
    {"08P01",
     "unsupported options startup parameter: only '-c config=val' and '--config=val' are allowed"},
    {"08P01", "received unencrypted data after SSL request"},
    {"08P01", "received unencrypted data after GSSAPI encryption request"},
    {"28000", "SSL required"},
    {"08P01", "client password pkt before startup packet"},
    {"08P01", "client re-sent startup pkt"},
    {"3D000", "no such database: "},
    {"57P03", "database is disabled: "},
    {"28000", "no authentication method is found"},
    {"28000", "login rejected"},
    {"28P01", "password authentication failed"},
    {"28P01", "SASL authentication failed"},
    {"28000", "\"trust\" authentication failed"},
    {"28000", "certificate authentication failed"},
    {"28P01", "empty password returned by client"},
    {"28P01", "PAM authentication failed"},
    {"28P01", "LDAP authentication failed"},
    {"28000", "unix socket login rejected"},
    {"53300", "too many log-ins wait for their authentication"},
    {"F0000", "bouncer config error"},
    {"F0000",
     "bouncer config error: auth_type = any needs a user in the database's entry, for what clients "
     "call themselves means nothing"},
    {"57P03", "authentication database is disabled: "},
    {"53300", "no more connections allowed (max_client_conn)"},
    {"53300", "client connections exceeded (max_db_client_connections)"},
    {"53300", "client connections exceeded (max_user_client_connections)"},
    {"57014", "client_login_timeout"},
    {"08006", "client_login_timeout (server down)"},
    {"57P03", "pooler is shutting down"},
    {"42501", "not allowed"},
    {"53300", "query_wait_timeout"},
    {"08001", "server login has been failing, cached error: "},
    {"08001", "server login failed: "},
    {"57014", "canceling statement due to user request"},
    {"57P03", "no primary server can be reached (failover_wait_timeout)"},
    {"57P03", "no server to read from can be reached (failover_wait_timeout)"},
    {"53300", "too many clients wait for a primary server (failover_wait_clients)"},
    {"57014", "query timeout"},
    {"25P03", "idle transaction timeout"},
    {"25P04", "transaction timeout"},
    {"57P05", "client_idle_timeout"},
    {"08006", "server conn crashed?"},
    {"08P01", "server sent something that is not PostgreSQL's protocol"},
    {"25001", "transaction blocks not allowed in statement pooling mode"},
    {"22023", "invalid server parameter"},
    {"57P01", "server shutting down"},
    {"57P01", "database removed"},
    {"57P01", "admin forced disconnect"},
    {"57P01", "database configuration changed"},
    {"08P01", "failed to parse packet"},
    {"08P01", "packet too large"},
    {"08P01", "unknown pkt"},
    {"08P01", "PQexec disallowed"},
    {"53200", "out of memory"},
};

static_assert(std::size(table) == static_cast<std::size_t>(errc::out_of_memory) + 1);

}  // namespace

const error_text& text_of(errc code) noexcept {
    return table[static_cast<std::size_t>(code)];
}

}  // namespace pgweir
