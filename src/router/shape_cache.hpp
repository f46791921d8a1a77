#pragma once

// Verdicts by shape: a fixed number of places, in groups of five that a shape may be in. Takes all
// its memory at the beginning and never more. Any thread may look up and store at any time; nobody
// waits and nothing is locked. Two that write to one place at once may leave it torn: then it
// belongs to no shape, because each half of a shape is kept combined with the verdict.
//
// A verdict may be dropped at any time to make room; those that were looked up since the last one
// was dropped from their group stay longer.

#include "router/judge.hpp"
#include "router/shape.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace pgweir::router {

class shape_cache {
public:
    /// Places are rounded up to whole groups, and those to a power of two.
    explicit shape_cache(std::size_t places);

    std::optional<judgement> find(const shape& of) noexcept;
    void store(const shape& of, judgement verdict) noexcept;

    /// Stores it only if the shape has none. False if it has one.
    bool add(const shape& of, judgement verdict) noexcept;

    std::size_t places() const noexcept { return groups_count_ * group_size; }

    std::size_t bytes() const noexcept { return groups_count_ * sizeof(group); }

private:
    static constexpr std::size_t group_size = 5;

    struct place {
        std::atomic<std::uint64_t> high{0};  ///< combined with the verdict
        std::atomic<std::uint64_t> low{0};   ///< likewise
        std::atomic<std::uint64_t> verdict{0};
    };

    struct alignas(64) group {
        std::array<place, group_size> places;
        std::atomic<std::uint64_t> used{0};  ///< one bit for each place
    };

    static_assert(sizeof(group) == 128);

    group& group_of(const shape& of) noexcept { return groups_[of.high & (groups_count_ - 1)]; }

    std::size_t victim_in(group& one) noexcept;

    std::size_t groups_count_;
    std::unique_ptr<group[]> groups_;
};

}  // namespace pgweir::router
