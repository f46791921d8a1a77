#include "cluster/files.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

namespace pgweir::cluster {

namespace {

namespace fs = std::filesystem;

failure cannot(std::string_view what, const fs::path& path, int error) {
    std::string hint;
    if (error == EACCES || error == EPERM) {
        hint = fmt::format(" (as user id {}; check the owner and mode of the folder)", ::geteuid());
    } else if (error == ENOSPC) {
        hint = " (free some space, or choose another place with --root)";
    }
    return {fmt::format("cannot {} {}: {}{}", what, path.string(), std::strerror(error), hint)};
}

/// A descriptor that closes itself.
class descriptor {
public:
    explicit descriptor(int value) : value_(value) {}

    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    ~descriptor() {
        if (value_ >= 0) {
            ::close(value_);
        }
    }

    int get() const noexcept { return value_; }

private:
    int value_;
};

bool write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const auto written = ::write(file, text.data(), text.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

result<std::optional<std::string>> read_text(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return std::optional<std::string>{};
        }
        return cannot("read", path, errno);
    }
    std::ostringstream text;
    text << file.rdbuf();
    if (file.bad()) {
        return cannot("read", path, EIO);
    }
    return std::optional<std::string>{std::move(text).str()};
}

unsigned mode_of(const fs::path& path) noexcept {
    struct stat status {};

    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

result<void> write_text(const fs::path& path, std::string_view text, unsigned mode) {
    const fs::path fresh = path.string() + ".pgweir-new";
    ::unlink(fresh.c_str());
    {
        const descriptor file(
            ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)
        );
        if (file.get() < 0) {
            return cannot("write", path, errno);
        }
        if (!write_all(file.get(), text) || ::fchmod(file.get(), mode) != 0 ||
            ::fsync(file.get()) != 0) {
            const int error = errno;
            ::unlink(fresh.c_str());
            return cannot("write", path, error);
        }
    }
    if (::rename(fresh.c_str(), path.c_str()) != 0) {
        return cannot("write", path, errno);
    }
    return {};
}

result<void> make_directories(const fs::path& path, unsigned mode) {
    std::error_code error;
    if (path.has_parent_path() && !fs::exists(path.parent_path(), error)) {
        fs::create_directories(path.parent_path(), error);
        if (error) {
            return cannot("create", path.parent_path(), error.value());
        }
    }
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
        return cannot("create", path, errno);
    }
    if (!fs::is_directory(path, error)) {
        return failure{fmt::format("{} is in the way: it is no directory", path.string())};
    }
    return set_mode(path, mode);
}

result<void> set_mode(const fs::path& path, unsigned mode) {
    if (mode_of(path) != mode && ::chmod(path.c_str(), mode) != 0) {
        return cannot("set the mode of", path, errno);
    }
    return {};
}

fs::path free_backup_name(const fs::path& path) {
    std::error_code error;
    fs::path name = path.string() + ".backup";
    for (int number = 2; fs::exists(fs::symlink_status(name, error)); ++number) {
        name = fmt::format("{}.{}.backup", path.string(), number);
    }
    return name;
}

result<std::optional<fs::path>> back_up(const fs::path& path) {
    const auto text = read_text(path);
    if (!text) {
        return text.error();
    }
    if (!*text) {
        return std::optional<fs::path>{};
    }
    const fs::path copy = free_backup_name(path);
    if (const auto written = write_text(copy, **text, mode_of(path)); !written) {
        return written.error();
    }
    return std::optional<fs::path>{copy};
}

result<fs::path> set_aside(const fs::path& path) {
    const fs::path name = free_backup_name(path);
    if (::rename(path.c_str(), name.c_str()) != 0) {
        return cannot("move aside", path, errno);
    }
    return result<fs::path>(boost::system::in_place_value, name);
}

bool is_vacant(const fs::path& path) noexcept {
    std::error_code error;
    if (!fs::exists(path, error)) {
        return !error || error == std::errc::no_such_file_or_directory;
    }
    return fs::is_directory(path, error) && fs::is_empty(path, error) && !error;
}

}  // namespace pgweir::cluster
