#pragma once

// The engines that there are on this machine, for tests that hold for each of them.

#include "net/engine.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgweir::net {

inline std::vector<engine_kind> usable_engines() {
    std::vector<engine_kind> usable{engine_kind::epoll};
    if (!io_uring_refusal()) {
        usable.push_back(engine_kind::io_uring);
    }
    return usable;
}

/// Of a test, by its engine.
inline std::string name_of_engine(const testing::TestParamInfo<engine_kind>& one) {
    return one.param == engine_kind::epoll ? "epoll" : "io_uring";
}

}  // namespace pgweir::net
