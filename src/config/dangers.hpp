#pragma once

// What a configuration that is good does, and its operator may not have meant: `pgweir --check`.
// Pure: the machine's limit is a value.

#include "config/settings.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace pgweir::config {

enum class severity : std::uint8_t {
    note,    ///< worth knowing
    danger,  ///< insecure, or a setting that cannot do what it is for
};

struct finding {
    severity how;
    std::string text;  ///< what is so, and what to do
};

/// `descriptors`: the process may have so many open.
std::vector<finding> dangers_of(const configuration& all, unsigned long descriptors);

}  // namespace pgweir::config
