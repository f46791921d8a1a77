#pragma once

// Changes to files that can be undone: whatever is replaced is kept beside it as *.backup, a file
// appears whole or not at all, and modes are exact from the first moment. Blocking; any thread.
// Failures name the path, the reason, and who was refused.

#include "base/result.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::cluster {

/// The content, nullopt when there is no such file.
result<std::optional<std::string>> read_text(const std::filesystem::path& path);

/// Permission bits, 0 when there is nothing at the path.
unsigned mode_of(const std::filesystem::path& path) noexcept;

/// Writes a temporary file beside it, syncs it and renames it into place.
result<void> write_text(const std::filesystem::path& path, std::string_view text, unsigned mode);

result<void> make_directories(const std::filesystem::path& path, unsigned mode);
result<void> set_mode(const std::filesystem::path& path, unsigned mode);

/// The first of `x.backup`, `x.2.backup`, `x.3.backup`… that is free.
std::filesystem::path free_backup_name(const std::filesystem::path& path);

/// Copies a file to its backup name, with its mode; nullopt when there is nothing to copy.
result<std::optional<std::filesystem::path>> back_up(const std::filesystem::path& path);

/// Renames whatever is at the path to its backup name, which is returned.
result<std::filesystem::path> set_aside(const std::filesystem::path& path);

/// True if nothing is there, or a directory without entries.
bool is_vacant(const std::filesystem::path& path) noexcept;

}  // namespace pgweir::cluster
