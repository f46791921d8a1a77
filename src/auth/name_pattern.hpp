#pragma once

// A regular expression for names, as the HBA and ident files have them behind a slash. PostgreSQL's
// manual: "The pg_hba.conf File", "User Name Maps". Names come from strangers, so it is one of RE2,
// which takes time in proportion to the name whatever the expression. Like PostgreSQL's it fits if
// it is found anywhere in the name. Copies share it; any thread may match.

#include "base/result.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace pgweir::auth {

class name_pattern {
public:
    /// The text behind the slash. A failure says what is wrong with it.
    static result<name_pattern> make(std::string_view expression);

    bool fits(std::string_view name) const;

    /// What the first parentheses have found, "" if they took no part; nothing if the name does not
    /// fit. REQUIRES: has_group().
    std::optional<std::string> first_group(std::string_view name) const;

    bool has_group() const noexcept;

private:
    explicit name_pattern(std::shared_ptr<const re2::RE2> compiled);

    std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace pgweir::auth
