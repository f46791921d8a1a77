#pragma once

// What the beginning of a text alone says of it. Nearly every text that is no read says so in its
// first word, and costs nothing more. Pure; takes no memory.

#include "router/judge.hpp"

#include <optional>
#include <string_view>

namespace pgweir::router {

/// The verdict, if the first statement is enough for one: an empty text reads nothing, and a text
/// whose first statement must go to the primary goes there whatever follows. None for SELECT, WITH,
/// VALUES, TABLE, EXPLAIN, COPY and DECLARE: there one has to look closer.
std::optional<judgement> judge_by_first_word(
    std::string_view text, sql::backslash strings
) noexcept;

}  // namespace pgweir::router
