#pragma once

// Reads a whole small file: configuration and user list. Blocking; any thread.

#include "base/result.hpp"

#include <string>

namespace pgweir::config {

struct file_text {
    std::string text;
    bool world_readable = false;
};

/// Fails with "path: reason" for what cannot be read and for files over 64 MB.
result<file_text> read_file(const std::string& path);

}  // namespace pgweir::config
