#pragma once

// Starts PostgreSQL's programs and waits for them, through Boost.Process. They get a small, fixed
// environment (LC_ALL=C, none of the caller's PG* variables) and no descriptor of ours, so that a
// server that stays behind holds nothing open. Blocking; one thread.

#include "base/result.hpp"
#include "cluster/programs.hpp"

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

/// Takes PG* out of our own environment, for libpq and for what we start.
void forget_postgres_variables();

}  // namespace pgweir::ctl
