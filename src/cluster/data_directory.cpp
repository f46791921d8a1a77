#include "cluster/data_directory.hpp"

#include "cluster/files.hpp"

#include <fmt/format.h>

#include <signal.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

namespace pgweir::cluster {

namespace {

namespace fs = std::filesystem;

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

/// A server works in its data directory. After a crash or a restart of a container, another program
/// may have got the number that postmaster.pid still names. What cannot be seen counts as a server.
bool works_elsewhere(pid_t process, const fs::path& data) {
    std::error_code error;
    const auto folder = fs::read_symlink(fmt::format("/proc/{}/cwd", process), error);
    if (error) {
        return false;
    }
    const auto canonical = fs::canonical(data, error);
    return !error && folder != canonical;
}

bool is_bad(std::string_view line) {
    if (contains(line, "PANIC:  ")) {
        return true;
    }
    if (!contains(line, "FATAL:  ") || contains(line, "] client backend ")) {
        return false;
    }
    // Before log-in is through, a backend has no database or user yet: "not initialized" is still a
    // client's doing. The walsender's FATALs are those of a standby that goes away.
    static constexpr std::array<std::string_view, 7> expected{
        "] not initialized ",
        "] walsender ",
        "terminating walreceiver process due to administrator command",
        "could not receive data from WAL stream",
        "could not connect to the primary server",
        "streaming replication receiver",
        "terminating background worker",
    };
    for (const auto each : expected) {
        if (contains(line, each)) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool server_runs(const fs::path& data) {
    const auto text = read_text(data / "postmaster.pid");
    if (!text || !*text) {
        return false;
    }
    pid_t process = 0;
    const std::string& content = **text;
    std::from_chars(content.data(), content.data() + content.size(), process);
    // kill() refuses with EPERM when the process is somebody else's: then it lives.
    return process > 0 && (::kill(process, 0) == 0 || errno == EPERM) &&
           !works_elsewhere(process, data);
}

bool is_data_directory(const fs::path& data) {
    std::error_code error;
    return fs::exists(data / "PG_VERSION", error);
}

bool is_standby_data(const fs::path& data) {
    std::error_code error;
    return is_data_directory(data) && fs::exists(data / "standby.signal", error);
}

std::optional<std::uint64_t> system_identifier(const fs::path& data) {
    std::ifstream file(data / "global" / "pg_control", std::ios::binary);
    std::array<char, sizeof(std::uint64_t)> bytes{};
    if (!file.read(bytes.data(), bytes.size())) {
        return std::nullopt;
    }
    std::uint64_t identifier = 0;
    std::memcpy(&identifier, bytes.data(), sizeof(identifier));
    return identifier;
}

std::string application_name_in(std::string_view auto_conf) {
    std::istringstream lines{std::string(auto_conf)};
    std::string found;
    for (std::string line; std::getline(lines, line);) {
        static constexpr std::string_view key = "application_name=";
        const auto at = line.find(key);
        if (line.rfind("primary_conninfo", 0) != 0 || at == line.npos) {
            continue;
        }
        found.clear();
        // Names are lower-case words, so that quoting of any kind ends them.
        for (auto i = at + key.size(); i < line.size(); ++i) {
            const char c = line[i];
            const bool in_name = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
            if (in_name) {
                found.push_back(c);
            } else if (c != '\'' || !found.empty()) {
                break;
            }
        }
    }
    return found;
}

std::string log_since_start(std::string_view log) {
    const auto start = log.rfind("starting PostgreSQL");
    return std::string(start == log.npos ? log : log.substr(start));
}

std::string bad_log_lines(std::string_view log) {
    std::istringstream lines{std::string(log)};
    std::string bad;
    for (std::string line; std::getline(lines, line);) {
        if (is_bad(line)) {
            bad += line + "\n";
        }
    }
    return bad;
}

}  // namespace pgweir::cluster
