#include "cluster/runner.hpp"

namespace pgweir::cluster {

namespace {

bool run_step(
    const step& each, action_executor& machine, run_mode mode, const step_reporter& report
) {
    const auto seen = machine.is_done(each.what);
    if (seen && *seen) {
        report(each, step_outcome::already, "");
        return true;
    }
    if (mode == run_mode::dry) {
        report(each, step_outcome::would, "");
        return true;
    }
    const auto performed = machine.perform(each.what);
    if (!performed) {
        report(each, step_outcome::failed, performed.error().message);
        return false;
    }
    report(each, step_outcome::done, performed->text);
    return true;
}

}  // namespace

std::string_view to_string(step_outcome outcome) noexcept {
    switch (outcome) {
        case step_outcome::done:
            return "done";
        case step_outcome::already:
            return "already so";
        case step_outcome::would:
            return "would do";
        case step_outcome::failed:
            return "failed";
    }
    return "";
}

bool run_plan(
    const plan& steps, action_executor& machine, run_mode mode, const step_reporter& report
) {
    for (const step& each : steps) {
        if (!run_step(each, machine, mode, report)) {
            return false;
        }
    }
    return true;
}

}  // namespace pgweir::cluster
