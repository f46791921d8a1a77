#pragma once

// Whether what a client has under way inside of a transaction could commit by itself if the client
// went away now. What cannot is cancelled then; what may is left to finish, for PostgreSQL would
// have finished it, too.
//
// Looks at the requests since the server was last settled, and errs on the safe side: a text that
// it has not seen whole, a string of several statements, a statement prepared earlier may commit.
// Pure; not thread-safe.

#include "protocol/pipeline.hpp"

#include <string_view>

namespace pgweir::session {

class commit_guard {
public:
    /// The server has answered everything: what comes is looked at anew.
    void begin() noexcept { may_commit_ = false; }

    /// A request, with its body as far as it is at hand.
    void sent(protocol::request what, std::string_view body, bool whole) noexcept;

    bool may_commit() const noexcept { return may_commit_; }

private:
    bool may_commit_ = true;
    bool unnamed_may_commit_ = true;  // the unnamed prepared statement
};

}  // namespace pgweir::session
