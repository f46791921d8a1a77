#pragma once

// What the code of a function may call and name, whatever its language makes of it: its words,
// those in its strings also, for they may be SQL that it runs. Found by tokens, not parsed: more
// may be found than is meant, and nothing less, unless the code puts names together from pieces.
// Pure.

#include <string>
#include <string_view>
#include <unordered_set>

namespace pgweir::router {

/// A name that is written with its schema is "schema", a zero byte, "name".
struct code_words {
    using set = std::unordered_set<std::string>;

    set called;     ///< what stands before a parenthesis
    set mentioned;  ///< other names
    set fields;     ///< of them, those behind a point, without what is before it
};

/// The words of a function's definition as pg_get_functiondef() prints it. The function's own name,
/// the first that seems to be called, is left out, and so is current_setting() where it asks for a
/// parameter of the user's own making.
code_words read_definition(std::string_view text);

}  // namespace pgweir::router
