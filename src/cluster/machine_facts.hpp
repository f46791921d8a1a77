#pragma once

// What a machine is able to give: the facts by which settings are sized. Values only, so that the
// sizing can be tried for machines that nobody has at hand. Any thread.

#include <cstdint>
#include <filesystem>

namespace pgweir::cluster {

struct machine_facts {
    std::uint64_t memory_bytes = 0;  ///< Of the machine, or of the container if that is less.
    std::uint64_t disk_bytes = 0;    ///< Size of the file system that holds the data.
    std::uint64_t disk_free_bytes = 0;
    bool has_posix_fadvise = true;  ///< Without it effective_io_concurrency must be 0.
    int postgres_major = 15;
};

/// Asks this machine. The path need not exist yet: its nearest existing ancestor is asked.
machine_facts gather_facts(const std::filesystem::path& data);

}  // namespace pgweir::cluster
