#pragma once

// What SET, RESET and set_config() ask for, as names and values that can be asked for again on
// another server: not as they were written, for what a literal means depends on the session.
// PostgreSQL's manual: "SET", "System Administration Functions". Pure; allocates what it returns.

#include "sql/statement.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::sql {

struct setting {
    std::string name;                  ///< in lower case
    std::optional<std::string> value;  ///< what set_config() would be given; none: the default

    bool operator==(const setting&) const = default;
};

/// Whether a parameter is a list of names, as search_path is: set_config() takes the whole list,
/// SET its elements. `name` is in lower case.
bool is_list_of_names(std::string_view name) noexcept;

/// A parameter's name from how it is written, in lower case. Empty if it is no such name.
std::string parameter_name(std::string_view written);

/// What a `set` or `reset` asks for. None if that is not followed: an INTERVAL, U&'...', a list
/// that is none.
std::optional<setting> read_setting(const statement& from, backslash meaning);

/// What SET SESSION CHARACTERISTICS asks for: the default_transaction_... of its modes.
std::optional<std::vector<setting>> read_characteristics(std::string_view modes);

/// What a statement asks for that is nothing but SELECT set_config('...', '...', false), once or
/// several times. None if it is anything else.
std::optional<std::vector<setting>> read_set_config(std::string_view text, backslash meaning);

}  // namespace pgweir::sql
