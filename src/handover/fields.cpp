#include "handover/fields.hpp"

namespace pgweir::handover {

void field_writer::u32(std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        u8(static_cast<std::uint8_t>(value >> shift));
    }
}

void field_writer::u64(std::uint64_t value) {
    u32(static_cast<std::uint32_t>(value >> 32));
    u32(static_cast<std::uint32_t>(value));
}

void field_writer::text(std::string_view value) {
    u32(static_cast<std::uint32_t>(value.size()));
    out_ += value;
}

std::uint64_t field_reader::number(std::size_t size) noexcept {
    if (left_.size() < size) {
        fail();
        return 0;
    }
    std::uint64_t value = 0;
    for (const char byte : left_.substr(0, size)) {
        value = value << 8 | static_cast<unsigned char>(byte);
    }
    left_.remove_prefix(size);
    return value;
}

std::uint8_t field_reader::u8() noexcept {
    return static_cast<std::uint8_t>(number(1));
}

bool field_reader::flag() noexcept {
    const std::uint8_t value = u8();
    if (value > 1) {
        fail();
    }
    return value == 1;
}

std::uint32_t field_reader::u32() noexcept {
    return static_cast<std::uint32_t>(number(4));
}

std::uint64_t field_reader::u64() noexcept {
    return number(8);
}

std::string_view field_reader::text(std::size_t limit) noexcept {
    const std::size_t size = u32();
    if (size > limit || size > left_.size()) {
        fail();
        return {};
    }
    const std::string_view value = left_.substr(0, size);
    left_.remove_prefix(size);
    return value;
}

std::uint32_t field_reader::count(std::uint32_t limit) noexcept {
    const std::uint32_t value = u32();
    if (value > limit || value > left_.size()) {
        fail();
        return 0;
    }
    return value;
}

}  // namespace pgweir::handover
