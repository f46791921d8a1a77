#pragma once

// What a text does with prepared statements by their names: PREPARE, EXECUTE, DEALLOCATE, EXPLAIN
// EXECUTE, CREATE TABLE AS EXECUTE. PostgreSQL's manual: "PREPARE", "EXECUTE", "DEALLOCATE".
// Pure; what is returned are views into the text.

#include "pool/server_statements.hpp"
#include "sql/lexer.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgweir::session {

struct named_sql {
    enum class kind : std::uint8_t {
        none,
        prepare,
        execute,
        deallocate,
        several,  ///< one of these among other statements, or with a name that is not understood
    };

    kind what = kind::none;
    bool forgets_all = false;    ///< DEALLOCATE ALL or DISCARD ALL is in it
    std::string name{};          ///< what the name means
    std::size_t name_begin = 0;  ///< where it is in the text
    std::size_t name_end = 0;
    std::string_view behind{};  ///< of a PREPARE, what follows the name
};

/// A whole text.
named_sql read_named_sql(std::string_view text, sql::backslash meaning);

/// The text up to its name, with another name.
std::string with_name(std::string_view text, const named_sql& found, std::string_view name);

/// Where positions in errors have moved to, in characters, if what follows the name stands behind
/// `before` instead.
pool::moved_text movement(
    std::string_view text, const named_sql& found, std::string_view before
) noexcept;

}  // namespace pgweir::session
