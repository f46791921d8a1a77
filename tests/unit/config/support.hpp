#pragma once

// Configuration files that exist only in a test: a set of names and texts, and load() over them.

#include "config/load.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

namespace pgweir::config::test {

using files = std::map<std::string, std::string>;

inline file_source from(files all) {
    return [all = std::move(all)](const std::string& path) -> result<file_text> {
        const auto found = all.find(path);
        if (found == all.end()) {
            return failure{path + ": No such file or directory"};
        }
        return file_text{.text = found->second, .world_readable = false};
    };
}

inline result<std::shared_ptr<const configuration>> load_files(files all) {
    return load_from("a.ini", from(std::move(all)));
}

inline result<std::shared_ptr<const configuration>> load_text(std::string text) {
    return load_files({{"a.ini", std::move(text)}});
}

/// The configuration of a text that must be good. Not null: a bad one gives an empty configuration
/// and a failed test.
inline std::shared_ptr<const configuration> good(std::string text) {
    auto loaded = load_text(std::move(text));
    if (!loaded) {
        ADD_FAILURE() << loaded.error().message;
        return std::make_shared<const configuration>();
    }
    return *loaded;
}

/// The message with which a text is refused; empty (and a failed test) if it is accepted.
inline std::string refusal(std::string text) {
    auto loaded = load_text(std::move(text));
    if (loaded) {
        ADD_FAILURE() << "this was accepted";
        return {};
    }
    return loaded.error().message;
}

}  // namespace pgweir::config::test
