#include "router/shape_cache.hpp"

#include <algorithm>
#include <bit>

namespace pgweir::router {

namespace {

constexpr auto relaxed = std::memory_order_relaxed;

/// A verdict is never zero: an empty place has none. It is spread over the whole word, so that what
/// it is combined with differs in all its bits from one verdict to another.
constexpr std::uint64_t spread = 0x9e3779b97f4a7c15;

std::uint64_t pack(judgement verdict) noexcept {
    const std::uint64_t bits = 1U | (verdict.read ? 2U : 0U) | (verdict.harmless ? 4U : 0U) |
                               static_cast<std::uint64_t>(verdict.why) << 8;
    return bits * spread;
}

/// The multiplier's inverse in arithmetic of 64 bits.
constexpr std::uint64_t gather = [] {
    std::uint64_t inverse = spread;
    for (int i = 0; i < 6; i++) {
        inverse *= 2 - spread * inverse;
    }
    return inverse;
}();

static_assert(spread * gather == 1);

judgement unpack(std::uint64_t word) noexcept {
    const std::uint64_t bits = word * gather;
    return {(bits & 2) != 0, static_cast<reason>(bits >> 8), (bits & 4) != 0};
}

}  // namespace

shape_cache::shape_cache(std::size_t places)
    : groups_count_(std::bit_ceil(std::max<std::size_t>(1, (places + group_size - 1) / group_size))
      ),
      groups_(std::make_unique<group[]>(groups_count_)) {}

std::optional<judgement> shape_cache::find(const shape& of) noexcept {
    group& where = group_of(of);
    for (std::size_t i = 0; i < group_size; i++) {
        const place& one = where.places[i];
        const std::uint64_t verdict = one.verdict.load(relaxed);
        if (verdict != 0 && (one.low.load(relaxed) ^ verdict) == of.low &&
            (one.high.load(relaxed) ^ verdict) == of.high) {
            const std::uint64_t bit = std::uint64_t{1} << i;
            if ((where.used.load(relaxed) & bit) == 0) {
                where.used.fetch_or(bit, relaxed);
            }
            return unpack(verdict);
        }
    }
    return std::nullopt;
}

void shape_cache::store(const shape& of, judgement verdict) noexcept {
    group& where = group_of(of);
    std::size_t chosen = group_size;
    for (std::size_t i = 0; i < group_size; i++) {
        const place& one = where.places[i];
        const std::uint64_t there = one.verdict.load(relaxed);
        if (there != 0 && (one.low.load(relaxed) ^ there) == of.low &&
            (one.high.load(relaxed) ^ there) == of.high) {
            chosen = i;
            break;
        }
        if (there == 0 && chosen == group_size) {
            chosen = i;
        }
    }
    if (chosen == group_size) {
        chosen = victim_in(where);
    }
    place& one = where.places[chosen];
    const std::uint64_t word = pack(verdict);
    one.verdict.store(word, relaxed);
    one.low.store(of.low ^ word, relaxed);
    one.high.store(of.high ^ word, relaxed);
}

bool shape_cache::add(const shape& of, judgement verdict) noexcept {
    if (find(of)) {
        return false;
    }
    store(of, verdict);
    return true;
}

/// One that nobody has looked up since the last victim, else any: which, the bits of the others
/// say, and all start anew.
std::size_t shape_cache::victim_in(group& one) noexcept {
    constexpr std::uint64_t all = (std::uint64_t{1} << group_size) - 1;
    const std::uint64_t used = one.used.load(relaxed);
    const auto first_unused = static_cast<std::size_t>(std::countr_one(used & all));
    // The upper bits count the victims, so that it is not always the first place's turn.
    const std::size_t turn = static_cast<std::size_t>(used >> group_size) % group_size;
    const std::uint64_t next = ((used >> group_size) + 1) << group_size;
    if (first_unused < group_size) {
        // What was used stays marked until all are.
        one.used.store(next | (used & all), relaxed);
        return first_unused;
    }
    one.used.store(next, relaxed);
    return turn;
}

}  // namespace pgweir::router
