#pragma once

// A file that holds one password and nothing else: one line, of which the end belongs to the file
// and not to the password. Blocking; any thread. Failures and warnings never show what is in it.

#include "base/result.hpp"
#include "base/secret.hpp"
#include "config/settings.hpp"

#include <string>
#include <vector>

namespace pgweir::config {

struct password_file {
    secret password;
    std::vector<warning> warnings;  // what the operator should know, each with the file's name
};

/// Fails with "path: reason" for what cannot be read, is empty or has more than one line.
result<password_file> load_password_file(const std::string& path);

}  // namespace pgweir::config
