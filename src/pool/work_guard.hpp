#pragma once

// Whether what a server has under way could be cancelled without loss if its client went away now:
// a statement in an open transaction that does not end it, or a proved read. What may commit by
// itself is left to finish, for PostgreSQL would have finished it, too.
//
// Keeps the texts since the server was last settled, up to a limit, and reads them only when it is
// asked; a copy of a text costs less than to read it. Errs on the safe side: a text that is longer
// or was not seen whole, a statement of which nobody knows the text may do anything. Pure; not
// thread-safe.

#include "protocol/pipeline.hpp"
#include "sql/lexer.hpp"

#include <string>
#include <string_view>

namespace pgweir::pool {

class work_guard {
public:
    /// The server has answered everything: what comes is looked at anew.
    void begin(protocol::transaction_status now) noexcept {
        status_ = now;
        texts_.clear();
        unsure_ = false;
    }

    /// A request, with its body as far as it is at hand.
    void sent(protocol::request what, std::string_view body, bool whole);

    /// Instead of sent(), for a Bind of a statement whose text is known elsewhere; empty: it is
    /// not.
    void bound(std::string_view text);

    /// True if nothing of what was sent can commit by itself.
    bool can_be_cancelled(sql::backslash meaning) const noexcept;

private:
    void add(std::string_view text);

    protocol::transaction_status status_ = protocol::transaction_status::idle;
    bool unsure_ = true;
    bool unnamed_known_ = false;
    std::string texts_;    // each with a zero byte behind it
    std::string unnamed_;  // of the unnamed prepared statement
};

}  // namespace pgweir::pool
