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

/// Goes into the background: the caller goes on as the child, the parent ends when the child says
/// how it went. Until then the child has the terminal, to say what is wrong.
result<void> go_into_background();

/// The parent has not been told yet.
bool is_starting_in_background() noexcept;

/// To the parent, if it waits: the child has come to life, leaves the terminal, and the parent ends
/// well. If this is never said, the parent ends badly when the child does.
void tell_parent() noexcept;

/// A file with the process's number in it, removed at the end if it is still ours. Refuses to be
/// made while the process of an older one lives, unless that is the one whose place is taken.
class pid_file {
public:
    static result<pid_file> make(const std::string& path, int predecessor = 0);

    /// Fails if it could not be made.
    static result<void> check(const std::string& path, int predecessor);

    pid_file() = default;
    ~pid_file();

    pid_file(pid_file&& other) noexcept : path_(std::exchange(other.path_, {})) {}

    pid_file& operator=(pid_file&& other) noexcept;

private:
    std::string path_;
};

}  // namespace pgweir::server
