#pragma once

// Questions of a log-in that somebody outside of the process answers: PAM, an LDAP server, the
// system's list of users. Each call may block for as long as they like, so it belongs on a helper
// thread. Thread-safe. PostgreSQL's manual: "PAM Authentication", "LDAP Authentication", "Peer
// Authentication".

#include "auth/slow_question.hpp"

namespace pgweir::external {

/// Whatever is asked, of whoever knows.
auth::slow_answer answer(const auth::slow_question& question);

auth::slow_answer answer_pam(const auth::ask_pam& what);
auth::slow_answer answer_ldap(const auth::ask_ldap& what);
auth::slow_answer answer_user_name(const auth::ask_user_name& what);

}  // namespace pgweir::external
