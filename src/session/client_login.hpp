#pragma once

// The log-in of one client, from its first byte to the end of authentication: bytes in, bytes and
// an outcome out. No I/O and no clock. Everything that comes in is hostile until it is over.
// PostgreSQL's manual: "Message Flow": "Start-up", "SSL Session Encryption", "Canceling Requests".
//
//   startup (SSLRequest and GSSENCRequest answered, once each) -> cancel: over
//      -> looking_up (a user that only auth_query may know) -> naming (peer) -> authenticating
//      -> admitted
//   startup -> start_tls -> secured: startup again
//   any of them -> refused
//
// What the log-in must wait for (a query, a slow computation, somebody outside) is an outcome; what
// comes from the client meanwhile is kept, and looked at when the answer has been handed in.
//
// Not thread-safe; lives only as long as the log-in.

#include "auth/client_auth.hpp"
#include "pool/parameters.hpp"
#include "protocol/startup.hpp"
#include "session/auth_query.hpp"
#include "session/client_certificate.hpp"
#include "session/runtime.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::session {

/// What is known of a connection before it has said anything.
struct connection_facts {
    bool local = false;           ///< a Unix socket
    bool own_user = false;        ///< its peer runs as the user that pgweir runs as
    std::optional<unsigned> uid;  ///< of its peer, for a Unix socket, if the system says
    std::string ip;               ///< 4 or 16 bytes; empty for a Unix socket
    std::string host;   ///< the address as text, where PAM may be asked; empty for a Unix socket
    std::string shown;  ///< address and port; only with application_name_add_host
};

/// Values that the client's startup packet asks for, by index of the parameter store.
/// Names and values.
using startup_parameters = std::vector<std::pair<std::string, std::string>>;

/// What kind of connection the startup packet asks for (`replication`).
enum class replication_kind : std::uint8_t {
    none,
    logical,   ///< to one database
    physical,  ///< to the server
};

using wanted_parameters = std::vector<std::pair<std::size_t, std::string>>;

class client_login {
public:
    enum class outcome : std::uint8_t {
        wait,       ///< send what is in `out` (it may be nothing) and feed what comes
        start_tls,  ///< send what is in `out`, then the handshake begins: see starts_directly()
        lookup,     ///< send it, carry out lookup(), and hand the answer in
        ask,        ///< send it, have take_question() answered, and hand the answer in
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

    /// What auth_query is to find out. Valid from the outcome lookup on.
    const auth_query_request& lookup() const noexcept { return *lookup_; }

    outcome on_looked_up(looked_up answer, std::string& out);

    auth::slow_question take_question();
    outcome on_answer(const auth::slow_answer& answer, std::string& out);

    /// How much the client has sent ahead.
    std::size_t buffered() const noexcept { return received_.size(); }

    /// Bytes that came behind the last message of the log-in: the client did not wait.
    std::string take_rest() { return std::move(received_); }

    std::uint64_t cancel_key() const noexcept { return cancel_key_; }

    /// How it was let in. REQUIRES: it was.
    auth::auth_method method() const noexcept { return method_; }

    /// As the client has called itself, or as auth_query says that it is called.
    const std::string& user() const noexcept { return user_; }

    const std::string& database() const noexcept { return database_; }

    bool console() const noexcept { return console_; }

    const wanted_parameters& parameters() const noexcept { return wanted_; }

    /// The same of settings that have no index.
    const pool::extra_values& extras() const noexcept { return extras_; }

    replication_kind replicates() const noexcept { return replicates_; }

    /// Of a client that replicates: all that its startup packet says but user and database.
    startup_parameters take_startup() { return std::move(startup_); }

    // What the client has proved to know, for logging in to servers as this user; nullptr: nothing.

    const auth::scram_keys* server_keys() const noexcept;
    const secret* server_password() const noexcept;

    /// Messages to be sent ahead of AuthenticationOk: none, or NegotiateProtocolVersion was sent.
    const auth::client_auth* authentication() const noexcept { return auth_ ? &*auth_ : nullptr; }

    /// For the log: why it was refused.
    const std::string& reason() const noexcept { return reason_; }

private:
    enum class stage : std::uint8_t { startup, looking_up, naming, authenticating, asking, over };

    outcome proceed(std::string& out);
    outcome after(outcome result, std::string& out);
    outcome on_startup(std::string& out);
    outcome on_tls_hello();
    outcome on_encryption_request(protocol::startup_packet::kind what, std::string& out);
    outcome on_parameters(const protocol::startup_packet& packet, std::string& out);
    bool on_parameter(std::string_view name, std::string_view value, std::string& out);
    bool on_options(std::string_view value, std::string& out);
    bool want(std::string_view name, std::string_view value);
    outcome authenticate(std::string& out);
    bool choose_method(std::string& out);
    bool needs_user() const noexcept;
    bool identity_proved() const;

    const tls_facts* tls_found() const noexcept { return tls_ ? &*tls_ : nullptr; }

    std::string_view map() const noexcept;
    outcome begin_authentication(std::string& out);
    outcome on_password(std::string& out);
    auth::client_auth_request auth_request() const;
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
    std::string claimed_user_;  // as the client calls itself
    const auth::hba_rule* rule_ = nullptr;
    auth::auth_method method_ = auth::auth_method::reject;
    std::optional<auth_query_request> lookup_;
    std::optional<secret> found_secret_;  // by auth_query
    auth::secret_kind unknown_as_ = auth::secret_kind::scram;
    std::string peer_name_;  // of the socket's owner, as the system calls it
    pool::extra_values extras_;
    replication_kind replicates_ = replication_kind::none;
    startup_parameters startup_;
    std::optional<auth::client_auth> auth_;
    std::uint64_t cancel_key_ = 0;
    std::string reason_;
};

/// The number that a cancel request names a client by: process id and secret key of BackendKeyData.
std::uint64_t cancel_key(std::int32_t process_id, std::int32_t secret_key) noexcept;

}  // namespace pgweir::session
