#pragma once

// What pgweir itself says to a client when it ends or refuses something: one code for each reason,
// which maps once to a SQLSTATE of PostgreSQL's, and to the text. The texts are those that
// PgBouncer's users and monitors know; the SQLSTATEs are the ones that a driver understands.
// PostgreSQL's manual: "PostgreSQL Error Codes" (Appendix A).

#include <cstdint>
#include <string_view>

namespace pgweir {

enum class errc : std::uint8_t {
    // Log-in of a client.
    old_protocol,
    unsupported_protocol,
    malformed_startup,
    no_user_name,
    name_too_long,
    unsupported_startup_parameter,
    unsupported_parameter_in_options,
    unsupported_startup_options,
    data_before_tls,
    data_before_gssenc,
    tls_required,
    password_before_startup,
    startup_again,
    no_such_database,
    database_disabled,
    no_hba_entry,
    hba_reject,
    wrong_password,
    wrong_scram,
    trust_failed,
    certificate_failed,
    empty_password,
    pam_failed,
    ldap_failed,
    peer_failed,
    too_many_logins,
    auth_query_failed,
    forced_user_needed,
    auth_database_disabled,
    too_many_clients,
    too_many_database_clients,
    too_many_user_clients,
    client_login_timeout,
    client_login_timeout_server_down,
    shutting_down,
    console_not_allowed,
    // Waiting for a server.
    query_wait_timeout,
    server_login_failing,
    server_login_failed,
    canceled_while_waiting,
    no_primary,
    no_standby,
    too_many_without_primary,
    // Running.
    query_timeout,
    idle_transaction_timeout,
    transaction_timeout,
    client_idle_timeout,
    server_lost,
    server_protocol,
    transaction_in_statement_mode,
    invalid_server_parameter,
    // By the operator.
    server_shutting_down,
    database_removed,
    admin_disconnect,
    database_changed,
    // Bytes that are no protocol.
    malformed_message,
    message_too_large,
    unknown_message,
    query_disallowed,
    out_of_memory,
};

struct error_text {
    std::string_view sqlstate;
    std::string_view message;
};

/// The SQLSTATE and text of a code. The text of some codes ends where a name is to be added.
const error_text& text_of(errc code) noexcept;

}  // namespace pgweir
