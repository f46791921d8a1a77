#pragma once

// The log-in of one client, from its first byte to the end of authentication: bytes in, bytes and
// an outcome out. No I/O and no clock. Everything that comes in is hostile until it is over.
// PostgreSQL's manual: "Message Flow": "Start-up", "SSL Session Encryption", "Canceling Requests".
//
//   startup (SSLRequest and GSSENCRequest answered, once each) -> cancel: over
//                                                              -> authenticating -> admitted
//   startup -> start_tls -> secured: startup again
//   any of them -> refused
//
// Not thread-safe; lives only as long as the log-in.

#include "auth/client_auth.hpp"
#include "net/tls_session.hpp"
#include "pool/parameters.hpp"
#include "protocol/startup.hpp"
#include "session/runtime.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::session {

/// What is known of a connection before it has said anything.
struct connection_facts {
    bool local = false;     ///< a Unix socket
    bool own_user = false;  ///< its peer runs as the user that pgweir runs as
    std::string ip;         ///< 4 or 16 bytes; empty for a Unix socket
    std::string shown;      ///< address and port; only with application_name_add_host
};

/// What TLS has brought to light about a client.
struct tls_facts {
    bool certified = false;  ///< it has shown a certificate that we believe
    net::tls_identity peer;  ///< whom that was issued to
    std::string end_point;   ///< of our certificate, for log-ins that are bound to it
};

/// Values that the client's startup packet asks for, by index of the parameter store.
using wanted_parameters = std::vector<std::pair<std::size_t, std::string>>;

class client_login {
public:
    enum class outcome : std::uint8_t {
        wait,       ///< send what is in `out` (it may be nothing) and feed what comes
        start_tls,  ///< send what is in `out`, then the handshake begins: see starts_directly()
        cancel,     ///< a cancel request: cancel_key()
        admitted,   ///< authenticated: user(), database() and the rest are known
        refused,    ///< send what is in `out` (an ErrorResponse, or nothing) and close
    };

    /// The parameters and verifiers must outlive this object. The settings are those of its
    /// beginning: a reload changes nothing for a log-in under way.
    client_login(
        runtime_ptr settings,
        const pool::parameter_store& parameters,
        auth::scram_verifier_cache& verifiers,
        connection_facts facts
    );

    /// Whether there is room for a client now (max_client_conn).
    enum class room : std::uint8_t { free, full };

    outcome feed(std::string_view bytes, room now, std::string& out);

    /// After start_tls: the handshake has begun without an SSLRequest, and take_rest() is its first
    /// part.
    bool starts_directly() const noexcept { return direct_; }

    /// The context for the handshake.
    const net::tls_context_ptr& tls() const noexcept { return settings_->client_tls; }

    /// The handshake is over. What is fed from now on has come through TLS.
    void secured(tls_facts found);

    bool over_tls() const noexcept { return tls_.has_value(); }

    /// Bytes that came behind the last message of the log-in: the client did not wait.
    std::string take_rest() { return std::move(received_); }

    std::uint64_t cancel_key() const noexcept { return cancel_key_; }

    const std::string& user() const noexcept { return user_; }

    const std::string& database() const noexcept { return database_; }

    bool console() const noexcept { return console_; }

    const wanted_parameters& parameters() const noexcept { return wanted_; }

    /// The same of settings that have no index.
    const pool::extra_values& extras() const noexcept { return extras_; }

    /// Messages to be sent ahead of AuthenticationOk: none, or NegotiateProtocolVersion was sent.
    const auth::client_auth* authentication() const noexcept { return auth_ ? &*auth_ : nullptr; }

    /// For the log: why it was refused.
    const std::string& reason() const noexcept { return reason_; }

private:
    enum class stage : std::uint8_t { startup, authenticating, over };

    outcome on_startup(std::string& out);
    outcome on_tls_hello();
    outcome on_encryption_request(protocol::startup_packet::kind what, std::string& out);
    outcome on_parameters(const protocol::startup_packet& packet, std::string& out);
    bool on_parameter(std::string_view name, std::string_view value, std::string& out);
    bool on_options(std::string_view value, std::string& out);
    bool want(std::string_view name, std::string_view value);
    outcome authenticate(std::string& out);
    std::optional<auth::auth_method> method(std::string& out);
    bool identity_proved(auth::auth_method method) const;
    outcome on_password(std::string& out);
    outcome step(auth::client_auth::step result, std::string& out);
    outcome refuse(errc code, std::string_view addition, std::string& out);
    bool ignored(std::string_view name) const;

    const runtime_ptr settings_;
    const pool::parameter_store& parameters_;
    auth::scram_verifier_cache& verifiers_;
    connection_facts facts_;
    std::optional<tls_facts> tls_;
    stage stage_ = stage::startup;
    room room_ = room::free;
    bool tls_asked_ = false;
    bool gss_asked_ = false;
    bool direct_ = false;
    bool console_ = false;
    std::string received_;
    std::string user_;
    std::string database_;
    wanted_parameters wanted_;
    pool::extra_values extras_;
    std::optional<auth::client_auth> auth_;
    std::uint64_t cancel_key_ = 0;
    std::string reason_;
};

/// The number that a cancel request names a client by: process id and secret key of BackendKeyData.
std::uint64_t cancel_key(std::int32_t process_id, std::int32_t secret_key) noexcept;

}  // namespace pgweir::session
