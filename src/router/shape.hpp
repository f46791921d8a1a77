#pragma once

// The shape of a text: a keyed hash of 128 bits over its tokens, in which the values of literals
// are left out where they cannot matter. Texts of one shape get one verdict. What a literal is
// (integer, string, bit string, ...) stays, for it picks among functions of one name; of utility
// statements, and of texts with U&"..." or set_config, every literal stays as it is written.
//
// The key is random and known to this process alone, so that nobody can aim at the shape of
// another's text. SipHash with one and three rounds; its authors' paper: "SipHash: a fast
// short-input PRF". Pure; takes no memory; linear in the text.

#include "router/judge.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pgweir::router {

/// Longer texts have no shape, and never reach the grammar.
inline constexpr std::size_t text_limit = 64 * 1024;  ///< bytes
inline constexpr std::size_t token_limit = 5000;

struct shape {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    bool operator==(const shape&) const = default;
};

struct shape_key {
    std::uint64_t first = 0;
    std::uint64_t second = 0;

    /// From the system's source of randomness.
    static shape_key random();
};

/// None if the text is too long, or does not end well. What the names in it mean is part of the
/// shape: the scope, and the `generation` of its catalogue.
std::optional<shape> shape_of(
    std::string_view text, const name_scope& scope, std::uint64_t generation, const shape_key& key
) noexcept;

}  // namespace pgweir::router
