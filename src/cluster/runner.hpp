#pragma once

// Carries a plan out, step by step, and tells what happened: done, already so, would do. Stops at
// the first step that fails. Knows no action; one thread.

#include "base/result.hpp"
#include "cluster/executor.hpp"
#include "cluster/plan.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace pgweir::cluster {

enum class run_mode {
    real,
    dry,  ///< Changes nothing; what cannot be seen yet counts as not done.
};

enum class step_outcome { done, already, would, failed };

/// Receives one call for each step, and once more for what fails.
using step_reporter =
    std::function<void(const step& each, step_outcome outcome, std::string_view note)>;

/// True if every step is so at the end (in a dry run: could be made so).
bool run_plan(
    const plan& steps, action_executor& machine, run_mode mode, const step_reporter& report
);

std::string_view to_string(step_outcome outcome) noexcept;

}  // namespace pgweir::cluster
