#pragma once

// Our log-in at a server, from the startup message to the first ReadyForQuery: messages in, bytes
// and an outcome out. No I/O. PostgreSQL's manual: "Message Flow", "Start-up".

#include "auth/server_auth.hpp"
#include "pool/parameters.hpp"
#include "protocol/message.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::pool {

/// What a log-in needs to know. Startup parameters in order, user and database among them.
struct login_request {
    std::vector<std::pair<std::string, std::string>> startup;
    auth::server_credentials credentials;
};

class server_login {
public:
    enum class outcome : unsigned char {
        wait,    ///< send what is in `out` (it may be nothing) and hand in the next message
        ask,     ///< have take_question() answered, and hand the answer in
        ready,   ///< logged in: key, parameters and welcome are known
        failed,  ///< close the connection; see why() and sqlstate()
    };

    /// Both outlive this object; the cache may be nullptr.
    server_login(login_request request, parameter_store& store, auth::scram_client_cache* cache);

    /// Over TLS: what of the server's certificate the log-in is bound to. Before its first message.
    void set_end_point(std::string end_point) { auth_.set_end_point(std::move(end_point)); }

    /// The startup message.
    void start(std::string& out) const;

    /// Takes a whole message of the server's.
    outcome on_message(char type, std::string_view body, std::string& out);

    auth::slow_question take_question() { return auth_.take_question(); }

    /// Nothing comes of an answer that is not waited for any more.
    outcome on_answer(const auth::slow_answer& answer, std::string& out);

    /// What failed, and the server's SQLSTATE if it was the server that said so.
    const std::string& why() const noexcept { return why_; }

    const std::string& sqlstate() const noexcept { return sqlstate_; }

    protocol::backend_key key() const noexcept { return key_; }

    const parameter_set_ptr& parameters() const noexcept { return parameters_; }

    /// The ParameterStatus messages of the server, as they came: what a client is greeted with.
    const std::string& welcome() const noexcept { return welcome_; }

private:
    outcome on_authentication(std::string_view body, std::string& out);
    outcome take(auth::server_auth::step next);
    outcome on_parameter(std::string_view body);
    outcome on_error(std::string_view body);
    outcome fail(std::string why);

    login_request request_;
    parameter_store& store_;
    auth::server_auth auth_;
    bool authenticated_ = false;
    protocol::backend_key key_;
    parameter_values values_;
    parameter_set_ptr parameters_;
    std::string welcome_;
    std::string why_;
    std::string sqlstate_;
};

}  // namespace pgweir::pool
