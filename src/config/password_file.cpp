#include "config/password_file.hpp"

#include "config/file.hpp"

#include <fmt/format.h>

#include <string_view>

namespace pgweir::config {

namespace {

result<secret> password_of(std::string_view text, const std::string& path) {
    for (const std::string_view end : {"\n", "\r"}) {
        if (text.ends_with(end)) {
            text.remove_suffix(1);
        }
    }
    if (text.empty()) {
        return failure{fmt::format("{}: it is empty, expected a password", path)};
    }
    constexpr std::string_view unexpected("\n\r\0", 3);
    if (text.find_first_of(unexpected) != std::string_view::npos) {
        return failure{fmt::format("{}: expected one line, which is the password", path)};
    }
    return secret(text);
}

}  // namespace

result<password_file> load_password_file(const std::string& path) {
    auto file = read_file(path);
    if (!file) {
        return file.error();
    }
    auto password = password_of(file->text, path);
    wipe(file->text);
    if (!password) {
        return password.error();
    }
    password_file made{std::move(*password), {}};
    if (file->world_readable) {
        made.warnings.push_back({fmt::format(
            "{}: every user of this machine can read it, and it is a password: chmod 640 {}",
            path,
            path
        )});
    }
    return made;
}

}  // namespace pgweir::config
