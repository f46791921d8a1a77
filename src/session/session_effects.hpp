#pragma once

// What a client's SQL does to the session that runs it, statement by statement: settings that can
// be made again on another server, steps of transactions that undo or keep them, and what a pooler
// cannot take along. Pure. PostgreSQL's manual: "SET", "SAVEPOINT", "DISCARD".

#include "sql/lexer.hpp"
#include "sql/setting.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::session {

/// Why a session is of no use to the next client before all of it is discarded.
enum class leak : std::uint8_t {
    listen,
    lock,
    hold,
    temporary,
    load,
    authorization,
    code,
    setting,
    too_many,
    call,
    unread,
};

/// For the log: what it is, and what to do instead.
struct leak_text {
    std::string_view what;
    std::string_view hint;
};

leak_text text_of(leak why) noexcept;

/// One thing that a statement does, when it has worked.
struct effect {
    enum class kind : std::uint8_t {
        set,          ///< a parameter, to a value or to its default
        reset_all,    ///< all parameters but the role, to their defaults
        discard_all,  ///< the role, too
        savepoint,    ///< to.name
        release,
        rollback_to,
        commit,
        rollback,
        leaves,  ///< something that only discarding removes: why
    };
    kind what = kind::set;
    sql::setting to;
    leak why = leak::setting;
};

struct statement_effects {
    std::string_view tag;  ///< of its CommandComplete; empty: whatever it is
    std::string prepares;  ///< PREPARE, under this name, of something with these effects
    std::vector<effect> effects;
};

/// Of all statements of a text, in order; nullptr if there is nothing to follow.
using text_effects = std::vector<statement_effects>;
using effects_ptr = std::shared_ptr<const text_effects>;

/// Whether the client has prepared what would stay in the session: EXECUTE may run it.
enum class prepared : std::uint8_t {
    nothing,
    what_stays,
    what_survives,  ///< and does so though the statement fails
};

effects_ptr read_effects(
    std::string_view text, sql::backslash meaning, prepared before = prepared::nothing
);

/// What surely stays, though the statement fails or is rolled back; none if nothing does.
std::optional<leak> what_survives(const text_effects& of) noexcept;

}  // namespace pgweir::session
