#pragma once

// What a log-in needs that takes too long for a thread which serves others: thousands of rounds of
// PBKDF2, or an answer from outside (PAM, LDAP, the system's list of users). The log-in classes put
// a question, as a value that owns all that it needs; the driver has it answered on a helper thread
// and hands the answer back. Secrets in both are wiped with them.

#include "auth/ldap_options.hpp"
#include "auth/scram.hpp"
#include "base/secret.hpp"

#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace pgweir::auth {

class scram_client_cache;
class scram_verifier_cache;

/// The SCRAM secret of a plain password, for a client; with no password: what takes as long, for a
/// user that does not exist.
struct derive_verifier {
    scram_verifier_cache* cache = nullptr;
    std::string user;
    secret password;
    int iterations = 0;
};

/// Whether a plain password is that of a stored secret.
struct check_password {
    scram_secret stored;
    secret password;
};

/// The keys of a plain password, for a server.
struct derive_keys {
    scram_client_cache* cache = nullptr;
    std::string user;
    secret password;
    std::string salt;
    int iterations = 0;
};

struct ask_pam {
    std::string service;
    std::string user;
    secret password;
    std::string host;  // the client's address; empty for a Unix socket
};

struct ask_ldap {
    std::shared_ptr<const ldap_options> options;
    std::string user;
    secret password;
};

/// The name of the system's user with this number.
struct ask_user_name {
    unsigned uid = 0;
};

using slow_question =
    std::variant<derive_verifier, check_password, derive_keys, ask_pam, ask_ldap, ask_user_name>;

/// What came of it: whichever member belongs to the question.
struct slow_answer {
    bool fits = false;  // check_password, ask_pam, ask_ldap
    bool full = false;  // nobody was asked: too many log-ins wait already
    std::optional<scram_secret> verifier;
    std::optional<scram_keys> keys;
    std::string name;  // ask_user_name; empty: there is none
    std::string why;   // for the log: why it does not fit, without any secret
};

/// Whether the answer is computed here; else somebody outside is asked, who may take their time.
bool is_computed(const slow_question& question) noexcept;

/// Computes the answer, on whatever thread. REQUIRES: is_computed(question).
slow_answer compute(const slow_question& question);

}  // namespace pgweir::auth
