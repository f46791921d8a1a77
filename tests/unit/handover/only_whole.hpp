#pragma once

// What is expected of every message of the hand-over.

#include <gtest/gtest.h>

#include <cstddef>
#include <string>

namespace pgweir::handover::test {

/// Nothing that is cut short, or has something behind it, is read.
template <typename Read>
void only_whole(const std::string& body, Read&& read) {
    EXPECT_TRUE(read(body));
    for (std::size_t size = 0; size < body.size(); size++) {
        EXPECT_FALSE(read(body.substr(0, size))) << size;
    }
    EXPECT_FALSE(read(body + '\0'));
}

}  // namespace pgweir::handover::test
