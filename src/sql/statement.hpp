#pragma once

// The statements of a text, as far as a pooler has to know them: what changes the session that
// runs them, what begins and ends transactions, what is prepared by name. PostgreSQL's manual:
// "SQL Commands"; where a statement ends is what psql goes by: a semicolon outside of parentheses
// and of the body of CREATE FUNCTION ... BEGIN ATOMIC ... END.
//
// Recognised by tokens, not parsed: what PostgreSQL would refuse may pass for a statement, and
// then changes nothing, as PostgreSQL says so. Names are tokens, with their places in the text, so
// that they can be replaced there. Takes no memory; linear in the text. Not thread-safe.

#include "sql/lexer.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgweir::sql {

enum class statement_kind : std::uint8_t {
    other,  ///< changes nothing of the session's that is known

    // Transactions.
    begin,                ///< BEGIN, START TRANSACTION
    commit,               ///< COMMIT, END
    rollback,             ///< ROLLBACK, ABORT
    savepoint,            ///< name
    release,              ///< name
    rollback_to,          ///< name
    prepare_transaction,  ///< ends it, too

    // Parameters.
    set,                      ///< parameter, value, local
    set_transaction,          ///< SET TRANSACTION, SET CONSTRAINTS: over with the transaction
    session_characteristics,  ///< value: the modes
    session_authorization,    ///< SET and RESET of it
    reset,                    ///< parameter
    reset_all,
    discard_all,
    discard,  ///< PLANS, SEQUENCES or TEMP

    // Prepared statements.
    prepare,         ///< name
    execute,         ///< name; also EXPLAIN EXECUTE and CREATE TABLE AS EXECUTE
    deallocate,      ///< name
    deallocate_all,  ///< the name is ALL

    // What stays with a session and cannot be asked for again by a pooler.
    listen,    ///< name
    unlisten,  ///< name, or *
    hold,      ///< DECLARE ... WITH HOLD; name
    load,
    code,  ///< DO whose code may do any of these
};

struct statement {
    statement_kind kind = statement_kind::other;
    std::size_t begin = 0;
    std::size_t end = 0;  ///< before the semicolon
    token first;
    token name;
    std::string_view parameter;  ///< as written, or PostgreSQL's name where SET has a form for it
    std::string_view value;      ///< behind TO or =, as written; may be empty
    bool local = false;          ///< SET LOCAL
    bool chain = false;          ///< AND CHAIN
    bool sets_config = false;    ///< calls set_config(), and not for the transaction only
    bool locks_session = false;  ///< calls pg_advisory_lock() or a relative that a session holds
    bool updates_settings = false;  ///< UPDATE pg_settings, which is a set_config()
    bool temporary = false;         ///< makes something temporary that outlives the transaction
};

class statement_reader {
public:
    /// The text must outlive the reader and its statements.
    explicit statement_reader(std::string_view text, backslash meaning = backslash::plain) noexcept;

    /// The next statement that is not empty; false behind the last, and at what is broken.
    bool next(statement& out) noexcept;

    /// The text does not end well: PostgreSQL refuses it as a whole, and runs none of it.
    bool broken() const noexcept { return broken_; }

private:
    void read_body(statement& out) noexcept;

    std::string_view text_;
    lexer tokens_;
    bool broken_ = false;
};

/// True if the text, one statement or several, surely leaves an open transaction open.
bool leaves_transaction_open(std::string_view text, backslash meaning) noexcept;

}  // namespace pgweir::sql
