#pragma once

// Starts PostgreSQL's programs and waits for them, through Boost.Process. They get a small, fixed
// environment (LC_ALL=C, none of the caller's PG* variables) and no descriptor of ours, so that a
// server that stays behind holds nothing open. Blocking; one thread.

#include "base/result.hpp"
#include "cluster/programs.hpp"

#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

namespace pgweir::ctl {

class process_runner final : public cluster::program_runner {
public:
    result<cluster::program_output> run(
        const std::filesystem::path& program,
        const std::vector<std::string>& arguments,
        cluster::program_progress progress
    ) override;
};

/// While it lives, a request to end (Ctrl-C, TERM, HUP) waits: for work that must not be left half
/// done by somebody's impatience.
class signals_held_back {
public:
    signals_held_back();
    ~signals_held_back();

    signals_held_back(const signals_held_back&) = delete;
    signals_held_back& operator=(const signals_held_back&) = delete;

private:
    sigset_t before_;
};

/// Takes PG* out of our own environment, for libpq and for what we start.
void forget_postgres_variables();

}  // namespace pgweir::ctl
