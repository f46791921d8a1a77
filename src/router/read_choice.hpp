#pragma once

// Which server a read goes to: the freshness that its session asks for, the weights that the
// operator gives, and who has the least to do. Pure: time, chance and load are values.

#include "router/cluster_view.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace pgweir::router {

/// What one session has done and seen, as far as its next read has to show it.
struct read_marks {
    steady_time written = steady_time::min();  ///< end of what it last did on a primary
    steady_time seen = steady_time::min();     ///< end of its last read on a standby
    std::uint64_t seen_incarnation = 0;        ///< of that standby, which is as far as it was
    wal_position after{};                      ///< asked for by the application; unknown: nothing
};

/// True if the host shows all that the marks ask for. A primary does; a standby does if it has
/// replayed a position of the primary's that was asked for after the mark.
bool is_fresh(const host_view& host, const read_marks& marks) noexcept;

/// True if the primary shows all that the session has seen on a standby, as far as that standby is
/// still there to be compared with.
bool primary_shows(const cluster_view& view, const read_marks& marks) noexcept;

/// What serves reads; hosts beyond these many are not used for them.
inline constexpr std::size_t hosts_at_most = 32;

struct candidates {
    std::array<std::uint8_t, hosts_at_most> index{};
    std::size_t count = 0;

    void add(std::size_t host) noexcept {
        if (count < hosts_at_most) {
            index[count++] = static_cast<std::uint8_t>(host);
        }
    }
};

/// The hosts that may be read from, fresh or not. `primary_too`: the primary is one of them.
candidates readable(const cluster_view& view, bool standbys, bool primary_too) noexcept;

/// The candidate that has the fewest of something for its weight, of equal ones the one that chance
/// names. Nothing if there is none with a weight.
template <typename Count>
std::optional<std::size_t> fewest_for_weight(
    const cluster_view& view, const candidates& from, std::uint64_t chance, Count&& count
) {
    std::optional<std::size_t> best;
    std::uint64_t best_count = 0;
    std::uint64_t best_weight = 1;
    for (std::size_t i = 0; i < from.count; i++) {
        const std::size_t host = from.index[(i + chance % from.count) % from.count];
        const auto weight = static_cast<std::uint64_t>(view.hosts[host].weight);
        const auto here = static_cast<std::uint64_t>(count(host));
        if (weight != 0 && (!best || (here + 1) * best_weight < (best_count + 1) * weight)) {
            best = host;
            best_count = here;
            best_weight = weight;
        }
    }
    return best;
}

/// What is known of a host when a session asks itself whether it still keeps to the right one.
struct reader_load {
    std::uint64_t readers = 0;  ///< sessions that keep to it
    std::uint64_t usual = 0;    ///< how much was asked of it lately, in sixteenths of a request
    std::uint64_t weight = 1;
};

/// How much is usually asked of a host, now that it is `load`: an average over the last sixteen
/// looks or so, for a single one says more about the moment than about the host.
constexpr std::uint64_t usual_load(std::uint64_t before, std::uint64_t load) noexcept {
    return before - before / 16 + load;
}

/// True if a session that keeps to one host should change to the other: because it is slow, or
/// because it has more sessions than its weight says, and the other one is not slow.
constexpr bool should_move(const reader_load& here, const reader_load& there) noexcept {
    constexpr std::uint64_t request = 16;
    const std::uint64_t usual_here = here.usual * there.weight;
    const std::uint64_t usual_there = there.usual * here.weight;
    const std::uint64_t one = request * here.weight * there.weight;
    const bool slow = usual_here > 2 * usual_there + 2 * one;
    const bool crowded = here.readers * there.weight > (there.readers + 1) * here.weight;
    return slow || (crowded && 2 * usual_there <= 3 * usual_here + 2 * one);
}

/// Two of the candidates are drawn by their weights, and the one with less to do for its weight is
/// taken. `chance`: any number; `load(host)`: how much is asked of it now. Nothing if all weights
/// are 0.
template <typename Load>
std::optional<std::size_t> choose_host(
    const cluster_view& view, const candidates& from, std::uint64_t chance, Load&& load
) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < from.count; i++) {
        total += static_cast<std::uint64_t>(view.hosts[from.index[i]].weight);
    }
    if (total == 0) {
        return std::nullopt;
    }
    const auto draw = [&](std::uint64_t number) {
        std::uint64_t left = number % total;
        for (std::size_t i = 0; i < from.count; i++) {
            const auto weight = static_cast<std::uint64_t>(view.hosts[from.index[i]].weight);
            if (left < weight) {
                return std::size_t{from.index[i]};
            }
            left -= weight;
        }
        return std::size_t{from.index[0]};
    };
    const std::size_t first = draw(chance & 0xffffffff);
    const std::size_t second = draw(chance >> 32);
    if (first == second) {
        return first;
    }
    const auto load_of = [&](std::size_t host) {
        return static_cast<std::uint64_t>(load(host)) + 1;
    };
    const auto weight_of = [&](std::size_t host) {
        return static_cast<std::uint64_t>(view.hosts[host].weight);
    };
    return load_of(second) * weight_of(first) < load_of(first) * weight_of(second) ? second : first;
}

}  // namespace pgweir::router
