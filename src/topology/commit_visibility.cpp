#include "topology/commit_visibility.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace pgweir::topology {

namespace {

std::optional<transaction_number> read_number(std::string_view text) {
    transaction_number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::optional<std::vector<transaction_number>> read_transactions(std::string_view text) {
    std::vector<transaction_number> all;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const auto number = read_number(text.substr(0, comma));
        if (!number) {
            return std::nullopt;
        }
        all.push_back(*number);
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return all;
}

std::optional<commit_snapshot> read_snapshot(std::string_view text) {
    const std::size_t first = text.find(':');
    const std::size_t second = first == text.npos ? first : text.find(':', first + 1);
    if (second == text.npos) {
        return std::nullopt;
    }
    const auto end = read_number(text.substr(first + 1, second - first - 1));
    auto running = read_transactions(text.substr(second + 1));
    if (!end || !running) {
        return std::nullopt;
    }
    return commit_snapshot{*end, *std::move(running)};
}

void commit_visibility::take(
    steady_time asked_at, transaction_number end, std::vector<transaction_number> unseen
) {
    // What is not shown now was not shown when the open question was asked either.
    unseen_ = std::move(unseen);
    std::sort(unseen_.begin(), unseen_.end());
    (open_ ? newer_ : open_) = question{asked_at, end};
}

void commit_visibility::compare(const commit_snapshot& primary) {
    while (open_ && covers(primary)) {
        shown_at_ = open_->asked_at;
        open_ = std::exchange(newer_, std::nullopt);
    }
}

bool commit_visibility::covers(const commit_snapshot& primary) const {
    return primary.end >= open_->end &&
           std::all_of(
               primary.running.begin(),
               primary.running.end(),
               [&](transaction_number each) {
                   return each >= open_->end ||
                          std::binary_search(unseen_.begin(), unseen_.end(), each);
               }
           );
}

}  // namespace pgweir::topology
