#pragma once

// What is known of PostgreSQL's own functions and relations by their names, beyond what its
// catalogues say of them: which of the volatile ones do nothing but answer, and which of the others
// answer something else on each server. From 9.6 to 18. Pure.

#include "router/judge.hpp"

#include <string_view>

namespace pgweir::router {

enum class volatility : char { immutable = 'i', stable = 's', is_volatile = 'v' };

/// A function of pg_catalog or information_schema that came with PostgreSQL.
judgement builtin_function(std::string_view name, volatility declared) noexcept;

/// A function of an extension in C that runs the SQL that its arguments are, though it is declared
/// to be no volatile one.
bool runs_its_arguments(std::string_view name) noexcept;

/// A relation of pg_catalog or information_schema that came with PostgreSQL.
judgement builtin_relation(std::string_view name) noexcept;

}  // namespace pgweir::router
