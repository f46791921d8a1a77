#pragma once

// What was judged of the statements that a client executes by name, so that their texts are not
// looked at each time. A few places; a statement takes the one that its number names. Pure.

#include "config/settings.hpp"
#include "router/judge.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace pgweir::session {

class verdict_memo {
public:
    struct verdict {
        router::judgement found{};
        std::optional<config::routing> hint{};
    };

    /// Of the statement with this number, if it is of the judge's present epoch; else nullptr.
    const verdict* find(std::uint64_t number, std::uint64_t epoch) const noexcept {
        const place& at = places_[number % places];
        return at.number == number && at.epoch == epoch ? &at.kept : nullptr;
    }

    /// A verdict that is still to come is not kept.
    void keep(std::uint64_t number, std::uint64_t epoch, const verdict& what) noexcept {
        if (what.found.why != router::reason::not_judged) {
            places_[number % places] = {number, epoch, what};
        }
    }

    /// The meaning of names has changed.
    void clear() noexcept { places_ = {}; }

private:
    static constexpr std::size_t places = 8;

    struct place {
        std::uint64_t number = 0;  // 0: of none
        std::uint64_t epoch = 0;
        verdict kept{};
    };

    std::array<place, places> places_{};
};

}  // namespace pgweir::session
