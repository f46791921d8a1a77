#pragma once

// The process as the system sees it: its user, its descriptors, its pid file, and life in the
// background.

#include "base/result.hpp"

#include <string>
#include <utility>

namespace pgweir::server {

/// Becomes this user (if one is named), and refuses to be root afterwards.
result<void> become_user(const std::string& user);

/// Raises the limit of open descriptors as far as it goes; returns the limit.
unsigned long raise_descriptor_limit() noexcept;

/// Goes into the background: the caller goes on as the child, the parent ends.
result<void> go_into_background();

/// A file with the process's number in it, removed at the end. Refuses to be made while the process
/// of an older one lives.
class pid_file {
public:
    static result<pid_file> make(const std::string& path);

    pid_file() = default;
    ~pid_file();

    pid_file(pid_file&& other) noexcept : path_(std::exchange(other.path_, {})) {}

    pid_file& operator=(pid_file&& other) noexcept;

private:
    std::string path_;
};

}  // namespace pgweir::server
