#pragma once

// pg_ident.conf: which database users somebody may be whose name has been proved outside of
// PostgreSQL: the owner of a Unix socket's other end, the name in a certificate. PostgreSQL's
// manual: "User Name Maps".
//
// Lines are "map system-name database-user". A system name behind a slash is a regular expression,
// and \1 in the user then stands for what its first parentheses found; `all` as user is every user.
// As in the HBA file a line that is not understood refuses the file, with file:line. Immutable once
// parsed, so any thread may ask.

#include "auth/name_pattern.hpp"
#include "base/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::auth {

class ident_map {
public:
    static result<ident_map> parse(std::string_view text, const std::string& file_name);

    /// Whether the map lets this outside name in as this user.
    bool allows(std::string_view map, std::string_view name, std::string_view user) const;

    std::size_t size() const noexcept { return lines_.size(); }

private:
    struct line {
        std::string map;
        std::string name;
        std::optional<name_pattern> name_fits;  // instead of the name
        std::string user;
        std::optional<name_pattern> user_fits;  // instead of the user
        bool any_user = false;
    };

    static bool fits(const line& at, std::string_view name, std::string_view user);

    std::vector<line> lines_;
};

/// Reads and parses a file.
result<ident_map> load_ident(const std::string& path);

/// Whether somebody with this outside name may be this user: through the map that the rule names,
/// or by being called the same if it names none. `maps` may be nullptr.
bool is_allowed(
    const ident_map* maps, std::string_view map, std::string_view name, std::string_view user
);

}  // namespace pgweir::auth
