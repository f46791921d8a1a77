#include "cluster/programs.hpp"

#include "cluster/files.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <system_error>

namespace pgweir::cluster {

namespace {

namespace fs = std::filesystem;

void add_if_complete(std::vector<fs::path>& folders, const fs::path& folder) {
    if (has_programs(folder) &&
        std::find(folders.begin(), folders.end(), folder) == folders.end()) {
        folders.push_back(folder);
    }
}

/// Adds `parent/<entry>/bin` for the entries whose name begins with the prefix.
void add_versions(
    std::vector<fs::path>& folders, const fs::path& parent, const std::string& prefix
) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(parent, error)) {
        if (entry.path().filename().string().rfind(prefix, 0) == 0) {
            add_if_complete(folders, entry.path() / "bin");
        }
    }
}

}  // namespace

bool has_programs(const fs::path& folder) {
    for (const char* name : {"initdb", "pg_ctl", "postgres", "pg_basebackup"}) {
        if (::access((folder / name).c_str(), X_OK) != 0) {
            return false;
        }
    }
    return true;
}

std::vector<fs::path> bin_folders(const std::string& path) {
    std::vector<fs::path> folders;
    std::istringstream words(path);
    for (std::string word; std::getline(words, word, ':');) {
        if (!word.empty()) {
            add_if_complete(folders, word);
        }
    }
    add_versions(folders, "/usr/lib/postgresql", "");
    add_versions(folders, "/usr", "pgsql-");
    for (const char* prefix : {"/opt/homebrew/opt", "/usr/local/opt"}) {
        add_versions(folders, prefix, "postgresql");
    }
    add_if_complete(folders, "/usr/local/pgsql/bin");
    return folders;
}

int major_in(const std::string& version_text) {
    const auto digits = version_text.find_first_of("0123456789");
    int major = 0;
    if (digits != std::string::npos) {
        std::from_chars(
            version_text.data() + digits, version_text.data() + version_text.size(), major
        );
    }
    return major;
}

std::optional<bin_candidate> choose_bin(
    const std::vector<bin_candidate>& candidates, std::optional<int> wanted_major
) {
    std::optional<bin_candidate> best;
    for (const auto& candidate : candidates) {
        const bool fits = !wanted_major || candidate.major == *wanted_major;
        if (fits && (!best || candidate.major > best->major)) {
            best = candidate;
        }
    }
    return best;
}

std::optional<int> major_of_data(const fs::path& data) {
    const auto text = read_text(data / "PG_VERSION");
    if (!text || !*text) {
        return std::nullopt;
    }
    const int major = major_in(**text);
    return major > 0 ? std::optional(major) : std::nullopt;
}

}  // namespace pgweir::cluster
