#pragma once

// The log-in of one client: which authentication messages it gets, and whether it gets in. No I/O;
// the session hands in the bodies of its 'p' messages and sends what is put into `out`.
// PostgreSQL's manual: "Start-up", "SASL Authentication".
//
// A user that does not exist gets the same messages as one with a wrong password, and the same work
// is done for it, so that user names cannot be found by trying. AuthenticationOk is not put out:
// the session sends it when the rest of the welcome is known. Nor is ErrorResponse: see why().
// Passwords and keys are wiped with the object. Not thread-safe; one object is one log-in.

#include "auth/method.hpp"
#include "auth/scram.hpp"
#include "auth/scram_cache.hpp"
#include "auth/stored_secret.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace pgweir::auth {

struct client_auth_request {
    auth_method method = auth_method::reject;
    std::string user;

    /// The stored secret: plain, md5 or SCRAM. nullptr: no such user. An empty one: the user
    /// exists, but has no password, and so gets in only by methods that do not ask for one. Read by
    /// the constructor only.
    const secret* stored = nullptr;

    /// For plain secrets and for users that do not exist. Outlives the log-in.
    scram_verifier_cache* verifiers = nullptr;
    int scram_iterations = scram_iterations_default;

    /// A user that does not exist is treated as if its secret were of this kind: the kind that most
    /// users have, so that it stands out the least (it decides between MD5 and SCRAM, and the work
    /// done for a plain password).
    secret_kind unknown_as = secret_kind::scram;

    /// Over TLS: what a log-in with SCRAM can be bound to. Empty: nothing.
    std::string end_point;

    /// cert and peer: the caller has checked the certificate, or the socket's owner, and it fits
    /// the user.
    bool identity_proved = false;
};

class client_auth {
public:
    enum class step : unsigned char {
        send_and_wait,  ///< send what is in `out`, and hand in the next 'p' message
        accepted,       ///< send what is in `out`, then AuthenticationOk
        refused,        ///< send an ErrorResponse of why() and close
    };

    /// REQUIRES: request.verifiers is set.
    explicit client_auth(const client_auth_request& request);

    /// Begins. cert and peer are decided by identity_proved; ldap and pam, which ask somebody else,
    /// are refused here.
    step start(std::string& out);

    /// Takes the body of a 'p' message. REQUIRES: the last step was send_and_wait.
    step on_password_message(std::string_view body, std::string& out);

    /// Why the client was refused.
    errc why() const noexcept { return why_; }

    /// For logging in to a server on the client's behalf: the keys that it proved to have with
    /// SCRAM, if its stored secret is SCRAM, or the plain password that it sent. Only when
    /// accepted.
    const std::optional<scram_keys>& keys() const noexcept { return keys_; }

    const secret* password() const noexcept { return password_ ? &*password_ : nullptr; }

private:
    enum class state : unsigned char {
        idle,            ///< not begun
        plain,           ///< AuthenticationCleartextPassword sent
        md5,             ///< AuthenticationMD5Password sent
        sasl_mechanism,  ///< AuthenticationSASL sent
        sasl_proof,      ///< AuthenticationSASLContinue sent
        over,
    };

    step start_md5(std::string& out);
    step start_sasl(std::string& out);
    step on_plain(std::string_view body);
    step on_md5(std::string_view body);
    step on_mechanism(std::string_view body, std::string& out);
    step on_proof(std::string_view body, std::string& out);
    bool plain_password_fits(std::string_view password);
    step accept() noexcept;
    step refuse(errc code) noexcept;

    auth_method method_;
    std::string user_;
    bool user_exists_;
    bool identity_proved_;
    secret stored_;     // empty: nothing fits
    secret_kind kind_;  // of stored_, or what is pretended
    scram_verifier_cache* verifiers_;
    int scram_iterations_;

    state state_ = state::idle;
    errc why_ = errc::wrong_password;
    std::string end_point_;
    std::string md5_salt_;
    std::optional<scram_server> scram_;
    std::optional<scram_keys> keys_;
    std::optional<secret> password_;
};

}  // namespace pgweir::auth
