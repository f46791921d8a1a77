#include "cluster/data_directory.hpp"

#include "base/wal_position.hpp"
#include "cluster/files.hpp"

#include <fmt/format.h>

#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>

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

/// A server runs as the owner of its data directory, or refuses to.
bool is_another_users(pid_t process, const fs::path& data) {
    struct stat running {};

    struct stat owned {};

    return ::stat(fmt::format("/proc/{}", process).c_str(), &running) == 0 &&
           ::stat(data.c_str(), &owned) == 0 && running.st_uid != owned.st_uid;
}

/// A process that has ended and that nobody has waited for: so stays a killed server in a container
/// whose first process does not reap.
bool has_ended(pid_t process) {
    const auto text = read_text(fmt::format("/proc/{}/stat", process));
    if (!text || !*text) {
        return false;
    }
    // The name in brackets may hold anything; the state stands behind the last one.
    const auto end = (*text)->rfind(')');
    return end != std::string::npos && end + 2 < (*text)->size() && (**text)[end + 2] == 'Z';
}

pid_t process_in(const fs::path& data) {
    const auto text = read_text(data / "postmaster.pid");
    pid_t process = 0;
    if (text && *text) {
        std::from_chars((*text)->data(), (*text)->data() + (*text)->size(), process);
    }
    return process;
}

/// One that has ended has none.
bool has_argument(const fs::path& process, const std::string& argument) {
    const auto line = read_text(process / "cmdline");
    if (!line || !*line) {
        return false;
    }
    std::istringstream words(**line);
    for (std::string word; std::getline(words, word, '\0');) {
        if (word == argument) {
            return true;
        }
    }
    return false;
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
    static constexpr std::array<std::string_view, 9> expected{
        "] not initialized ",
        "] walsender ",
        "terminating walreceiver process due to administrator command",
        "could not receive data from WAL stream",
        "could not send data to WAL stream",
        "could not send end-of-streaming message to primary",
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
    const pid_t process = process_in(data);
    // kill() refuses with EPERM when the process is not ours: then it lives.
    return process > 0 && (::kill(process, 0) == 0 || errno == EPERM) && !has_ended(process) &&
           !works_elsewhere(process, data) && !is_another_users(process, data);
}

bool left_behind_by_ended_process(const fs::path& data) {
    const pid_t process = process_in(data);
    return process > 0 && has_ended(process);
}

void end_programs_with_argument(const std::string& argument) {
    for (int tries = 0; tries < 50; ++tries) {
        bool found = false;
        std::error_code error;
        for (const auto& entry : fs::directory_iterator("/proc", error)) {
            const std::string name = entry.path().filename().string();
            if (name.find_first_not_of("0123456789") != std::string::npos ||
                !has_argument(entry.path(), argument)) {
                continue;
            }
            pid_t process = 0;
            std::from_chars(name.data(), name.data() + name.size(), process);
            found = (process > 0 && ::kill(process, SIGKILL) == 0) || found;
        }
        if (!found) {
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

std::optional<server_socket> socket_of(const fs::path& data) {
    if (!server_runs(data)) {
        return std::nullopt;
    }
    const auto text = read_text(data / "postmaster.pid");
    if (!text || !*text) {
        return std::nullopt;
    }
    // Process, data directory, start time, port, folder of the socket, address.
    std::istringstream lines(**text);
    std::array<std::string, 5> values;
    for (std::string& each : values) {
        std::getline(lines, each);
    }
    server_socket socket;
    const std::string& port = values[3];
    std::from_chars(port.data(), port.data() + port.size(), socket.port);
    socket.folder = values[4].substr(0, values[4].find(' '));
    if (socket.port == 0 || socket.folder.empty()) {
        return std::nullopt;
    }
    return socket;
}

std::string with_replication_source(
    std::string_view auto_conf, std::string_view conninfo, std::string_view slot
) {
    const auto quoted = [](std::string_view text) {
        std::string value;
        for (const char c : text) {
            value.append(c == '\'' ? 2 : 1, c);
        }
        return "'" + value + "'";
    };
    std::istringstream lines{std::string(auto_conf)};
    std::string changed;
    for (std::string line; std::getline(lines, line);) {
        if (line.rfind("primary_conninfo", 0) != 0 && line.rfind("primary_slot_name", 0) != 0) {
            changed += line + "\n";
        }
    }
    return changed + "primary_conninfo = " + quoted(conninfo) +
           "\nprimary_slot_name = " + quoted(slot) + "\n";
}

std::string control_value(std::string_view text, std::string_view name) {
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
        if (line.size() > name.size() && line.rfind(name, 0) == 0 && line[name.size()] == ':') {
            const auto begin = line.find_first_not_of(' ', name.size() + 1);
            return begin == line.npos ? std::string{} : line.substr(begin);
        }
    }
    return {};
}

std::optional<std::uint64_t> end_of_timeline(std::string_view history, std::uint32_t timeline) {
    std::istringstream lines{std::string(history)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::uint32_t number = 0;
        std::string position;
        if (words >> number >> position && number == timeline) {
            return read_lsn(position);
        }
    }
    return std::nullopt;
}

std::string first_segment_of(std::string_view backup_label) {
    static constexpr std::string_view before = "(file ";
    const auto begin = backup_label.find(before);
    const auto end = backup_label.find(')', begin == backup_label.npos ? 0 : begin);
    if (begin == backup_label.npos || end == backup_label.npos) {
        return {};
    }
    return std::string(backup_label.substr(begin + before.size(), end - begin - before.size()));
}

bool is_backup_name(std::string_view name) {
    static constexpr std::string_view pattern = "00000000T000000Z";
    return std::equal(
        name.begin(),
        name.end(),
        pattern.begin(),
        pattern.end(),
        [](char c, char wanted) { return wanted == '0' ? c >= '0' && c <= '9' : c == wanted; }
    );
}

std::vector<fs::path> backups_in(const fs::path& folder) {
    std::vector<fs::path> all;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (is_backup_name(entry.path().filename().string()) &&
            fs::exists(entry.path() / "backup_manifest", error)) {
            all.push_back(entry.path());
        }
    }
    std::sort(all.begin(), all.end());
    return all;
}

std::vector<fs::path> unfinished_backups_in(const fs::path& folder) {
    std::vector<fs::path> all;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
        if (entry.path().extension() == ".incoming" &&
            is_backup_name(entry.path().stem().string())) {
            all.push_back(entry.path());
        }
    }
    return all;
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
