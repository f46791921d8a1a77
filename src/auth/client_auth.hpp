#pragma once

// The log-in of one client: which authentication messages it gets, and whether it gets in. No I/O;
// the session hands in the bodies of its 'p' messages and sends what is put into `out`.
// PostgreSQL's manual: "Start-up", "SASL Authentication".
//
// A user that does not exist gets the same messages as one with a wrong password, and the same work
// is done for it, so that user names cannot be found by trying. What takes long is not done here
// but put as a question, whose answer the session brings. AuthenticationOk is not put out: the
// session sends it when the rest of the welcome is known. Nor is ErrorResponse: see why().
// Passwords and keys are wiped with the object. Not thread-safe; one object is one log-in.

#include "auth/method.hpp"
#include "auth/scram.hpp"
#include "auth/scram_cache.hpp"
#include "auth/slow_question.hpp"
#include "auth/stored_secret.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"

#include <memory>
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

    // pam and ldap, which know the users themselves.
    std::string pam_service;
    std::string host;  // the client's address
    std::shared_ptr<const ldap_options> ldap;
};

class client_auth {
public:
    enum class step : unsigned char {
        send_and_wait,  ///< send what is in `out`, and hand in the next 'p' message
        ask,            ///< have question() answered, and hand the answer in
        accepted,       ///< send what is in `out`, then AuthenticationOk
        refused,        ///< send an ErrorResponse of why() and close
    };

    /// REQUIRES: request.verifiers is set.
    explicit client_auth(const client_auth_request& request);

    /// Begins. cert and peer are decided by identity_proved.
    step start(std::string& out);

    /// Takes the body of a 'p' message. REQUIRES: the last step was send_and_wait.
    step on_password_message(std::string_view body, std::string& out);

    /// What is to be answered. REQUIRES: the last step was ask, and it was not taken yet.
    slow_question take_question();

    /// REQUIRES: the last step was ask.
    step on_answer(const slow_answer& answer, std::string& out);

    /// Why the client was refused.
    errc why() const noexcept { return why_; }

    /// The same for the log, if there is more to be said.
    const std::string& detail() const noexcept { return detail_; }

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
        asking_plain,    ///< whether the plain password fits
        asking_secret,   ///< for the SCRAM secret of a plain one
        over,
    };

    step start_md5(std::string& out);
    step start_sasl(std::string& out);
    step ask(state during, slow_question question);
    step on_plain(std::string_view body);
    step on_md5(std::string_view body);
    step on_mechanism(std::string_view body, std::string& out);
    step start_scram(scram_secret known, std::string_view client_first, std::string& out);
    step on_proof(std::string_view body, std::string& out);
    step decide_plain(bool fits);
    scram_server::mode scram_mode() const noexcept;
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
    std::string pam_service_;
    std::string host_;
    std::shared_ptr<const ldap_options> ldap_;
    std::string end_point_;  // what SCRAM can be bound to

    state state_ = state::idle;
    errc why_ = errc::wrong_password;
    std::string md5_salt_;
    bool bound_ = false;      // the client has chosen SCRAM bound to the connection
    std::string sasl_first_;  // client-first-message, while the secret is asked for
    std::optional<slow_question> question_;
    std::string detail_;
    std::optional<scram_server> scram_;
    std::optional<scram_keys> keys_;
    std::optional<secret> password_;
};

}  // namespace pgweir::auth
