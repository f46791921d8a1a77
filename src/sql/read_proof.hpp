#pragma once

// Whether a statement surely only reads, by its tokens: a single SELECT, VALUES or TABLE (or WITH
// that leads to one) without a change inside, without a row lock, without INTO, that calls none
// but well-known functions of PostgreSQL's that change nothing. What such a statement was asked
// for and nobody waits for any more can be cancelled without loss. Pure; takes no memory.

#include "sql/lexer.hpp"

#include <string_view>

namespace pgweir::sql {

bool is_proved_read(std::string_view text, backslash meaning) noexcept;

}  // namespace pgweir::sql
