#pragma once

// The users of auth_file: lines of "user" "secret". A file with an error in it is refused as a
// whole, with its line, so that a reload keeps the list it had. Immutable once loaded; shared
// between threads as shared_ptr<const user_list>. The secrets are wiped when the list goes.

#include "base/result.hpp"
#include "base/secret.hpp"
#include "config/settings.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::config {

/// What is stored for one user: a plain password, "md5" and 32 hex digits, or a SCRAM-SHA-256
/// secret as PostgreSQL keeps it. Empty if the file says "".
struct user_secret {
    secret value;
};

class user_list {
public:
    /// The secret of a user, or nullptr. Valid as long as the list.
    const secret* find(std::string_view name) const noexcept;

    std::size_t size() const noexcept { return users_.size(); }

    const std::map<std::string, user_secret, std::less<>>& users() const noexcept { return users_; }

    /// What the operator should know, each beginning with the file's name.
    const std::vector<warning>& warnings() const noexcept { return warnings_; }

private:
    friend result<user_list> parse_user_list(std::string_view text, const std::string& file);
    friend result<std::shared_ptr<const user_list>> load_user_list(const std::string& path);

    std::map<std::string, user_secret, std::less<>> users_;
    std::vector<warning> warnings_;
};

/// Parses the text of a file; `file` is its name in messages.
result<user_list> parse_user_list(std::string_view text, const std::string& file);

result<std::shared_ptr<const user_list>> load_user_list(const std::string& path);

}  // namespace pgweir::config
