#pragma once

// The options behind the method of a rule: which method takes which, and what they come to. For
// hba_parse.cpp only. PostgreSQL's manual: "The pg_hba.conf File", "Authentication Methods".

#include "auth/hba.hpp"

#include <optional>
#include <string>

namespace pgweir::auth::detail {

/// Fills in what the rule's options mean; says which of them the method does not take, or why not.
std::optional<std::string> apply_options(hba_rule& rule);

}  // namespace pgweir::auth::detail
