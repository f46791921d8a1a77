#pragma once

// A place in the write-ahead log, with the timeline that it is on: a number alone says nothing
// after a promotion. PostgreSQL's manual: "pg_lsn Type", "Timelines".

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir {

struct wal_position {
    std::uint32_t timeline = 0;  ///< 0: unknown
    std::uint64_t lsn = 0;

    bool known() const noexcept { return timeline != 0; }

    bool operator==(const wal_position&) const = default;
};

/// "16/B374D848"; nothing if it is no such number.
std::optional<std::uint64_t> read_lsn(std::string_view text) noexcept;
std::string lsn_text(std::uint64_t lsn);

/// "<timeline>/<lsn>", as in `pgweir.read_after`: "2/16/B374D848", the timeline in decimal.
std::optional<wal_position> read_position(std::string_view text) noexcept;
std::string position_text(const wal_position& where);

}  // namespace pgweir
