#include "topology/state_file.hpp"

#include "config/file.hpp"
#include "config/values.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <system_error>
#include <utility>

namespace pgweir::topology {

namespace {

constexpr std::string_view header =
    "# What pgweir has seen of clusters: system identifier, highest timeline, hosts.\n"
    "# A line may be removed when its cluster is no more.\n";

constexpr std::size_t longest_shown = 60;

template <typename Number>
bool read_number(std::string_view text, Number& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

failure system_failure(const std::string& path) {
    return {
        fmt::format("topology_state_file: {}: {}", path, std::generic_category().message(errno))};
}

std::size_t shared(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    return static_cast<std::size_t>(std::count_if(a.begin(), a.end(), [&](const auto& each) {
        return std::find(b.begin(), b.end(), each) != b.end();
    }));
}

result<void> write_all(int file, std::string_view text, const std::string& path) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written < 0 && errno != EINTR) {
            return system_failure(path);
        }
        text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
    return ::fdatasync(file) == 0 ? result<void>() : system_failure(path);
}

}  // namespace

result<state_file> state_file::load(const std::string& path) {
    state_file made;
    made.path_ = path;
    if (path.empty() || (::access(path.c_str(), F_OK) != 0 && errno == ENOENT)) {
        return made;
    }
    const auto file = config::read_file(path);
    if (!file) {
        return failure{"topology_state_file: " + file.error().message};
    }
    for (const std::string& text : config::split(file->text, "\n")) {
        if (text.starts_with('#')) {
            continue;
        }
        const std::vector<std::string> words = config::split(text, " ");
        line read;
        if (words.size() != 3 || !read_number(words[0], read.what.system_identifier) ||
            !read_number(words[1], read.what.timeline)) {
            return failure{fmt::format(
                "topology_state_file: {}: \"{}\", expected a system identifier, a timeline and "
                "hosts; if nobody knows what it was, remove the file",
                path,
                text.substr(0, longest_shown)
            )};
        }
        read.hosts = config::split(words[2], ",");
        made.lines_.push_back(std::move(read));
    }
    return made;
}

memory state_file::recall(const std::vector<std::string>& hosts) const {
    const line* best = nullptr;
    std::size_t most = 0;
    for (const line& each : lines_) {
        if (each.hosts == hosts) {
            return each.what;
        }
        if (const std::size_t common = shared(each.hosts, hosts); common > most) {
            best = &each;
            most = common;
        }
    }
    return best != nullptr ? best->what : memory{};
}

bool state_file::remember(const std::vector<std::string>& hosts, const memory& what) {
    for (line& each : lines_) {
        if (each.hosts == hosts) {
            return std::exchange(each.what, what) != what;
        }
    }
    lines_.push_back({what, hosts});
    return true;
}

result<void> state_file::save() const {
    if (path_.empty()) {
        return {};
    }
    std::string text(header);
    for (const line& each : lines_) {
        text += fmt::format(
            "{} {} {}\n",
            each.what.system_identifier,
            each.what.timeline,
            fmt::join(each.hosts, ",")
        );
    }
    const std::string fresh = path_ + ".new";
    const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (file < 0) {
        return system_failure(fresh);
    }
    const auto written = write_all(file, text, fresh);
    ::close(file);
    if (!written) {
        return written;
    }
    return std::rename(fresh.c_str(), path_.c_str()) == 0 ? result<void>() : system_failure(path_);
}

}  // namespace pgweir::topology
