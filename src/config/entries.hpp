#pragma once

// One entry of [databases], [users] or [peers] from its name and connection string. Pure.

#include "base/result.hpp"
#include "config/settings.hpp"

#include <string>
#include <string_view>

namespace pgweir::config {

result<database> parse_database(std::string_view name, std::string_view text);
result<user> parse_user(std::string_view name, std::string_view text);
result<peer> parse_peer(std::string_view name, std::string_view text);

}  // namespace pgweir::config
