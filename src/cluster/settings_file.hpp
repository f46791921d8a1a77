#pragma once

// From the bytes of conf/cluster.ini to its entries, each with file and line, over the reader that
// pgweir.ini goes through. Knows no key. Any thread; reads a file.

#include "base/result.hpp"
#include "cluster/settings.hpp"

#include <filesystem>
#include <vector>

namespace pgweir::cluster {

result<std::vector<setting_entry>> read_settings_file(const std::filesystem::path& file);

}  // namespace pgweir::cluster
