#pragma once

// Two runs that change the same cluster would undo each other's work: the first one holds a lock on
// a folder, which the system takes away when its process ends, however it ends. Nothing is left
// behind in the folder.

#include "base/result.hpp"

#include <filesystem>
#include <utility>

namespace pgweir::ctl {

class folder_lock {
public:
    /// Holds nothing.
    folder_lock() = default;

    folder_lock(folder_lock&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, none)) {}

    folder_lock& operator=(folder_lock&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }

    ~folder_lock();

    /// A failure when another process goes on holding it. Holds nothing where there is no such
    /// folder yet, or its file system knows no locks.
    static result<folder_lock> take(const std::filesystem::path& folder);

private:
    static constexpr int none = -1;

    explicit folder_lock(int descriptor) : descriptor_(descriptor) {}

    int descriptor_ = none;
};

}  // namespace pgweir::ctl
