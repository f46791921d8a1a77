#include "topology/sample_history.hpp"

#include <algorithm>

namespace pgweir::topology {

std::uint64_t end_of_records(
    std::uint64_t inserted, std::uint64_t page_size, std::uint64_t segment_size
) noexcept {
    constexpr std::uint64_t long_header = 40;  // of the first page of a segment
    constexpr std::uint64_t short_header = 24;
    if (segment_size != 0 && inserted % segment_size == long_header) {
        return inserted - long_header;
    }
    if (page_size != 0 && inserted % page_size == short_header) {
        return inserted - short_header;
    }
    return inserted;
}

void sample_history::add(steady_time asked_at, std::uint64_t end) {
    if (!samples_.empty() && end < samples_.back().end) {
        samples_.clear();
    }
    if (!samples_.empty() && end == samples_.back().end) {
        samples_.back().asked_at = std::max(samples_.back().asked_at, asked_at);
        return;
    }
    if (samples_.size() == most_samples) {
        // Of the older half every second one goes.
        std::size_t kept = 0;
        for (std::size_t i = 0; i < samples_.size(); i++) {
            if (i >= most_samples / 2 || i % 2 == 1) {
                samples_[kept++] = samples_[i];
            }
        }
        samples_.resize(kept);
    }
    samples_.push_back({asked_at, end});
}

steady_time sample_history::reached(std::uint64_t replayed) const noexcept {
    const auto beyond = std::upper_bound(
        samples_.begin(),
        samples_.end(),
        replayed,
        [](std::uint64_t position, const sample& s) { return position < s.end; }
    );
    return beyond == samples_.begin() ? steady_time{} : std::prev(beyond)->asked_at;
}

}  // namespace pgweir::topology
