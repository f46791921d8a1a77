#include "config/file.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

namespace pgweir::config {

namespace {

constexpr std::size_t largest_file = std::size_t{64} << 20;

class descriptor {
public:
    explicit descriptor(int fd) noexcept : fd_(fd) {}

    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;

    ~descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    int get() const noexcept { return fd_; }

private:
    int fd_;
};

failure system_failure(const std::string& path) {
    return {fmt::format("{}: {}", path, std::generic_category().message(errno))};
}

}  // namespace

result<file_text> read_file(const std::string& path) {
    descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));

    struct stat status {};

    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
        return system_failure(path);
    }
    file_text read{.text = {}, .world_readable = (status.st_mode & S_IROTH) != 0};
    std::array<char, 16384> piece{};
    for (;;) {
        const ssize_t count = ::read(file.get(), piece.data(), piece.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return system_failure(path);
        }
        if (count == 0) {
            return read;
        }
        read.text.append(piece.data(), static_cast<std::size_t>(count));
        if (read.text.size() > largest_file) {
            return failure{fmt::format("{}: larger than 64 MB, which no configuration is", path)};
        }
    }
}

}  // namespace pgweir::config
