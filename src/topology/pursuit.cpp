#include "topology/pursuit.hpp"

#include <algorithm>

namespace pgweir::topology {

void pursuit::want(steady_time asked, microseconds patience) noexcept {
    if (asked >= until_) {
        first_ = asked;
    }
    newest_ = std::max(newest_, asked);
    until_ = std::max(until_, asked + patience);
}

std::vector<std::size_t> pursuit::next(const router::cluster_view& view, steady_time now) const {
    std::vector<std::size_t> hosts;
    if (now >= until_ || !view.primary) {
        return hosts;
    }
    if (what_ == router::awaited::showing_primary) {
        for (std::size_t index = 0; index < view.hosts.size(); index++) {
            const router::host_view& host = view.hosts[index];
            if (host.role == router::host_role::standby && host.shown_by_primary < newest_) {
                hosts.push_back(index);
            }
        }
        if (!hosts.empty()) {
            hosts.push_back(*view.primary);
        }
        return hosts;
    }
    if (view.sampled_at < newest_) {
        hosts.push_back(*view.primary);
    }
    // A standby cannot have what the primary has not written down, nor is it worth a question what
    // a sample from before the first wish says.
    if (view.sampled_at < first_ || view.flushed < view.inserted.lsn) {
        return hosts;
    }
    const steady_time goal = std::min(newest_, view.sampled_at);
    for (std::size_t index = 0; index < view.hosts.size(); index++) {
        const router::host_view& host = view.hosts[index];
        if (host.role == router::host_role::standby && host.may_be_read() &&
            host.fresh_as_of < goal) {
            hosts.push_back(index);
        }
    }
    return hosts;
}

}  // namespace pgweir::topology
