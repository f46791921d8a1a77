#pragma once

// auth_query: a user that auth_file does not list is looked up in PostgreSQL. What is asked where,
// the messages for it, and what the answer means. No I/O; session/auth_lookup asks. PostgreSQL's
// manual: "Extended Query".
//
// The user's name is hostile: it travels as a parameter of Bind, never in the text of the query.
// The answer comes from the operator's own server, but is held to its form all the same.

#include "base/error.hpp"
#include "base/secret.hpp"
#include "protocol/frame.hpp"
#include "session/runtime.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::session {

/// One lookup.
struct auth_query_request {
    std::string database;   // an entry of [databases]: whose servers are asked
    std::string auth_user;  // as whom
    std::string query;
    std::string user;  // $1

    friend bool operator==(const auth_query_request&, const auth_query_request&) = default;
};

/// What is to be asked for this user of this database; nothing if nobody is to be asked.
std::optional<auth_query_request> auth_query_for(
    const config::configuration& all, std::string_view database, std::string_view user
);

/// What came of it.
struct looked_up {
    enum class kind : std::uint8_t {
        found,    ///< name and password (which may be "": the user has none)
        nobody,   ///< no row, or a NULL for a password: nobody gets in, whatever he says
        refused,  ///< it could not be asked, or the answer is none: see code and detail
    };
    kind what = kind::nobody;
    std::string name;  // the first column: as whom the client goes on
    secret password;
    auth::secret_kind unknown_as = auth::secret_kind::scram;  // nobody: what most secrets are
    errc code = errc::auth_query_failed;
    std::string addition;  // to the code's text
    std::string detail;    // for the log
};

/// Parse, Bind, Describe, Execute and Sync.
void put_auth_query(std::string& out, const auth_query_request& what);

/// The answer to put_auth_query, in whatever pieces it comes. Not thread-safe; one object is one
/// lookup.
class auth_reply {
public:
    auth_reply();

    /// The server's messages. Anything may be in them; errors are kept for result().
    void feed(std::string_view bytes);

    /// What they come to, when all have come.
    looked_up result() &&;

private:
    void on_message(char type, std::string_view body);
    void on_description(std::string_view body);
    void on_row(std::string_view body);
    void fail(std::string detail);

    protocol::frame_scanner scanner_;
    bool described_ = false;
    bool row_seen_ = false;
    bool complete_ = false;
    looked_up found_;
};

}  // namespace pgweir::session
