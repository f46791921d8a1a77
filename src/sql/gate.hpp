#pragma once

// The cheap question before the exact one: does this text surely leave the session as it is, so
// that nobody has to read its statements? Asked for every Query and Parse, so that it costs some
// ten nanoseconds: the first word, then one pass over the bytes, sixteen at a time, for the few
// words that would matter anywhere and for a second statement. Pure; takes no memory.

#include <string_view>

namespace pgweir::sql {

/// True for an ordinary single statement: no SET or its like, no set_config(), no advisory lock,
/// nothing temporary. False says nothing: the statements have to be read. The text has no zero
/// byte.
bool leaves_session_alone(std::string_view text) noexcept;

/// What a CommandComplete says: false for SET and its like, which are told by the reply alone.
bool tag_leaves_session_alone(std::string_view tag) noexcept;

/// Of a text that is not at hand as a whole, its beginning, a part behind that, and its end: true
/// if they hold none of those words, and no second statement. Parts are expected to overlap by a
/// word's length; a semicolon that is the last byte of one counts in the next.
bool may_begin_alone(std::string_view begin) noexcept;
bool holds_nothing(std::string_view part) noexcept;
bool ends_alone(std::string_view end) noexcept;

}  // namespace pgweir::sql
