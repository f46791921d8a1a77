#pragma once

// The one question of the router to its classifier: may this text run on a standby? Thread-safe
// where it says so. classifier.hpp answers it; a session knows only this face.

#include "sql/lexer.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgweir::router {

/// Why a text goes where it goes; counted, and shown by SHOW ROUTING.
enum class reason : std::uint8_t {
    read,           ///< proved to only read
    not_judged,     ///< a new shape: the answer is on its way, and the primary takes it meanwhile
    writes,         ///< changes data or schema
    locks,          ///< FOR UPDATE and the like, LOCK, advisory locks
    function,       ///< calls a function that may write or that only makes sense on the primary
    session_state,  ///< SET, LISTEN, temporary tables, cursors: belongs to a session of the primary
    server_state,   ///< reads what is another thing on each server (sequences, statistics)
    not_understood,  ///< the grammar does not know it, or it is too long for it
    unknown_name,    ///< names a table or function that the catalogue does not have
    refused,         ///< a standby has refused it before
    transaction,     ///< BEGIN and its like: where it goes is decided by what comes with it
};

inline constexpr std::size_t reasons = 11;
std::string_view name_of(reason why) noexcept;

struct judgement {
    bool read = false;
    reason why = reason::not_judged;

    /// A read that calls nothing but well-known functions of PostgreSQL's own: on a primary it is
    /// no write, whatever the catalogue says.
    bool harmless = false;
};

/// What the meaning of names depends on.
struct name_scope {
    std::uint32_t catalogue = 0;   ///< its number, by which the classifier was given it; 0: none
    std::string_view role;         ///< who the session is now: "$user" in a search_path
    std::string_view user;         ///< who logged in, if that is not the role: has the defaults
    std::string_view search_path;  ///< as set_config() would take it; empty: the user's default
    bool search_path_known = true;
    sql::backslash strings = sql::backslash::plain;
};

class judge {
public:
    /// Judges one text (of a Query or a Parse), which may hold several statements: the strictest of
    /// them counts. Any thread; takes no lock in the common case; never waits for anything.
    virtual judgement of(std::string_view text, const name_scope& scope) noexcept = 0;

    /// Another number after whatever may have changed a judgement that was more than not_judged.
    /// Any thread.
    virtual std::uint64_t epoch() const noexcept = 0;

    /// A standby has refused the text with this SQLSTATE: its like goes to the primary from now on,
    /// until the catalogue is read anew. Any thread.
    virtual void refused(
        std::string_view text, const name_scope& scope, std::string_view sqlstate
    ) noexcept = 0;

protected:
    ~judge() = default;
};

}  // namespace pgweir::router
