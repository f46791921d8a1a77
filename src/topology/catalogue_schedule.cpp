#include "topology/catalogue_schedule.hpp"

#include <algorithm>

namespace pgweir::topology {

namespace {

/// Half of what the first failure costs; the next ones double it.
constexpr milliseconds first_pause{250};

}  // namespace

void catalogue_schedule::use(const std::vector<std::string>& databases, steady_time now) {
    std::erase_if(entries_, [&](const auto& known) {
        return std::find(databases.begin(), databases.end(), known.first) == databases.end();
    });
    for (const std::string& each : databases) {
        add(each, now);
    }
}

void catalogue_schedule::add(const std::string& database, steady_time now) {
    entry fresh;
    fresh.due = now;
    entries_.try_emplace(database, fresh);
}

catalogue_schedule::entry* catalogue_schedule::find(std::string_view database) {
    const auto found = entries_.find(database);
    return found == entries_.end() ? nullptr : &found->second;
}

void catalogue_schedule::request(std::string_view database, steady_time now) {
    if (entry* of = find(database)) {
        const bool was_read = of->read_at != steady_time{};
        const steady_time soon = was_read ? std::max(now, of->read_at + between_requests) : now;
        // One that fails has a time of its own, so that requests do not make it fail more often.
        of->due = of->failures > 0 ? of->due : std::min(of->due, soon);
        of->what = deed::read;
    }
}

std::optional<catalogue_schedule::step> catalogue_schedule::next(steady_time now) const {
    const auto first =
        std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
            return a.second.due < b.second.due;
        });
    if (first == entries_.end() || first->second.due > now) {
        return std::nullopt;
    }
    return step{first->first, first->second.what};
}

steady_time catalogue_schedule::due() const noexcept {
    steady_time earliest = steady_time::max();
    for (const auto& [name, of] : entries_) {
        earliest = std::min(earliest, of.due);
    }
    return earliest;
}

void catalogue_schedule::looked(
    std::string_view database, const std::string& count, steady_time now
) {
    if (entry* of = find(database)) {
        of->failures = 0;
        const bool again = count != of->count || ++of->looks >= looks_for_a_read;
        of->what = again ? deed::read : deed::look;
        of->due = again ? now : now + between_looks;
    }
}

void catalogue_schedule::read(
    std::string_view database, const std::string& count, steady_time now
) {
    if (entry* of = find(database)) {
        *of = entry{};
        of->what = deed::look;
        of->due = now + between_looks;
        of->count = count;
        of->read_at = now;
    }
}

void catalogue_schedule::failed(std::string_view database, steady_time now) {
    if (entry* of = find(database)) {
        of->failures = std::min(of->failures + 1, 8);
        of->due = now + std::min<milliseconds>(between_looks, first_pause * (1 << of->failures));
    }
}

}  // namespace pgweir::topology
