#pragma once

// Our log-in at a server: answers its authentication requests from what is known of the user. No
// I/O. PostgreSQL's manual: "Start-up", "SASL Authentication".
//
// Once SASL has begun, AuthenticationOk is believed only after the server has proved with its
// signature that it knows the secret, too: one that leaves this out is not the server. Requests out
// of order, and a second one after the first was answered, fail. The password and keys are wiped
// with the object. Not thread-safe; one object is one log-in.

#include "auth/scram.hpp"
#include "auth/slow_question.hpp"
#include "base/secret.hpp"
#include "protocol/message.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace pgweir::auth {

struct server_credentials {
    std::string user;
    secret password;  // plain or md5; a SCRAM secret cannot log in; empty: none known
    std::optional<scram_keys> keys;  // of a client that logged in with SCRAM
};

class server_auth {
public:
    enum class step : unsigned char {
        send_and_wait,  ///< send what is in `out` (it may be nothing) and hand in the next 'R'
                        ///< message
        ask,            ///< have question() answered, and hand the answer in
        done,           ///< authenticated: parameters and ReadyForQuery follow
        failed,         ///< close the connection; see why()
    };

    /// The cache may be nullptr, and otherwise outlives this object.
    server_auth(
        server_credentials credentials,
        scram_client_cache* cache,
        std::string nonce = make_scram_nonce()
    );

    /// Over TLS: the server's certificate, which a log-in with SCRAM is bound to if the server
    /// offers that. Before the first request.
    void set_end_point(std::string end_point) { end_point_ = std::move(end_point); }

    /// Takes an 'R' message of the server's.
    step on_request(const protocol::authentication_request& request, std::string& out);

    /// What is to be answered. REQUIRES: the last step was ask, and it was not taken yet.
    slow_question take_question();

    /// False unless the last step was ask and nothing has failed since.
    bool asking() const noexcept { return state_ == state::asking; }

    /// REQUIRES: asking().
    step on_answer(const slow_answer& answer, std::string& out);

    /// What failed, for the log and for the clients that wait, without any secret.
    const std::string& why() const noexcept { return why_; }

private:
    enum class state : unsigned char {
        begun,          ///< nothing asked yet
        answered,       ///< password sent
        sasl_first,     ///< client-first-message sent
        asking,         ///< for the keys of the password
        sasl_final,     ///< client-final-message sent
        sasl_verified,  ///< the server has proved itself
        over,
    };

    step on_ok();
    step on_cleartext(std::string& out);
    step on_md5(const protocol::authentication_request& request, std::string& out);
    step on_sasl(const protocol::authentication_request& request, std::string& out);
    step on_sasl_continue(const protocol::authentication_request& request, std::string& out);
    step answer_challenge(std::string_view server_first, std::string& out);
    step on_sasl_final(const protocol::authentication_request& request);
    step out_of_order();
    step no_password();
    step hashed_password(std::string_view asked);
    step fail(std::string why);

    server_credentials credentials_;
    scram_client_cache* cache_;
    std::string nonce_;
    std::string end_point_;
    std::optional<scram_client> scram_;
    std::string server_first_;  // while its keys are asked for
    std::optional<slow_question> question_;
    std::string why_;
    state state_ = state::begun;
};

}  // namespace pgweir::auth
