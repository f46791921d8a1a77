#include "ctl/folder_lock.hpp"

#include "base/clock.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace pgweir::ctl {

namespace {

/// False when another process still has it. One that was told to end gets a moment for that.
bool lock_soon(int descriptor) {
    const auto limit = std::chrono::steady_clock::now() + seconds(3);
    while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        if (std::chrono::steady_clock::now() > limit) {
            return false;
        }
        std::this_thread::sleep_for(milliseconds(50));
    }
    return true;
}

}  // namespace

folder_lock::~folder_lock() {
    if (descriptor_ != none) {
        ::close(descriptor_);
    }
}

result<folder_lock> folder_lock::take(const std::filesystem::path& folder) {
    // A server that is started here must not go on holding it.
    folder_lock lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (lock.descriptor_ != none && !lock_soon(lock.descriptor_)) {
        return failure{fmt::format(
            "another pgweirctl works in {}: wait until it is through, or end it", folder.string()
        )};
    }
    return lock;
}

}  // namespace pgweir::ctl
