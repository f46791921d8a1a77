#include "base/wal_position.hpp"

#include <fmt/format.h>

#include <charconv>

namespace pgweir {

namespace {

template <typename Number>
std::optional<Number> read_number(std::string_view text, int base) noexcept {
    Number value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (error != std::errc() || end != text.data() + text.size() || text.starts_with('-')) {
        return std::nullopt;
    }
    return value;
}

}  // namespace

std::optional<std::uint64_t> read_lsn(std::string_view text) noexcept {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto high = read_number<std::uint32_t>(text.substr(0, slash), 16);
    const auto low = read_number<std::uint32_t>(text.substr(slash + 1), 16);
    if (!high || !low) {
        return std::nullopt;
    }
    return std::uint64_t{*high} << 32 | *low;
}

std::string lsn_text(std::uint64_t lsn) {
    return fmt::format("{:X}/{:X}", lsn >> 32, lsn & 0xffffffff);
}

std::optional<wal_position> read_position(std::string_view text) noexcept {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    const auto timeline = read_number<std::uint32_t>(text.substr(0, slash), 10);
    const auto lsn = read_lsn(text.substr(slash + 1));
    if (!timeline || *timeline == 0 || !lsn) {
        return std::nullopt;
    }
    return wal_position{*timeline, *lsn};
}

std::string position_text(const wal_position& where) {
    return fmt::format("{}/{}", where.timeline, lsn_text(where.lsn));
}

}  // namespace pgweir
