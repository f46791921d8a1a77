#pragma once

// Settings of PostgreSQL's that a session may change and that no server reports: what a startup
// packet may ask for beside the tracked parameters, and be believed. A name that is not known is
// refused at log-in, not at the first query. Pure.

#include <string_view>

namespace pgweir::session {

/// `name` is in lower case. Names with a dot are an application's or an extension's own, and every
/// such name will do.
bool is_known_setting(std::string_view name) noexcept;

}  // namespace pgweir::session
