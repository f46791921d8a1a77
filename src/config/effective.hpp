#pragma once

// What is in force, and where it was said: each setting, and for each database and user what holds
// for it. For an operator who wonders (`pgweir --show-effective`). No secret is in it. Pure.

#include "config/settings.hpp"

#include <string>

namespace pgweir::config {

/// In the form of the file, with where it comes from behind each line: file and line, "default", or
/// the section whose word it is.
std::string effective_text(const configuration& all);

}  // namespace pgweir::config
