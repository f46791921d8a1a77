#include "cluster/machine_facts.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>

namespace pgweir::cluster {

namespace {

/// A cgroup's limit of memory, or 0 when there is none ("max", no file, no number).
std::uint64_t limit_in(const char* path) {
    std::ifstream file(path);
    std::uint64_t limit = 0;
    return file >> limit ? limit : 0;
}

std::uint64_t memory_of_machine() {
    const auto pages = ::sysconf(_SC_PHYS_PAGES);
    const auto page_size = ::sysconf(_SC_PAGESIZE);
    std::uint64_t memory = pages > 0 && page_size > 0 ? static_cast<std::uint64_t>(pages) *
                                                            static_cast<std::uint64_t>(page_size)
                                                      : 1ULL << 30U;
    for (const char* path :
         {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
        if (const auto limit = limit_in(path); limit != 0) {
            memory = std::min(memory, limit);
        }
    }
    return memory;
}

}  // namespace

machine_facts gather_facts(const std::filesystem::path& data) {
    machine_facts facts;
    facts.memory_bytes = memory_of_machine();
    std::error_code error;
    auto place = std::filesystem::absolute(data, error);
    while (!std::filesystem::exists(place, error) && place.has_relative_path()) {
        place = place.parent_path();
    }
    const auto space = std::filesystem::space(place, error);
    if (!error) {
        facts.disk_bytes = space.capacity;
        facts.disk_free_bytes = space.available;
    }
#ifndef __linux__
    facts.has_posix_fadvise = false;
#endif
    return facts;
}

}  // namespace pgweir::cluster
