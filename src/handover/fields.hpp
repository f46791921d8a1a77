#pragma once

// The fields of a message between an old and a new process: numbers in network order, texts with
// their length in front. What is read is input: a reader that meets what cannot be reads nothing
// more, and says so at the end. Pure.

#include <cstdint>
#include <string>
#include <string_view>

namespace pgweir::handover {

class field_writer {
public:
    explicit field_writer(std::string& out) noexcept : out_(out) {}

    void u8(std::uint8_t value) { out_ += static_cast<char>(value); }

    void flag(bool value) { u8(value ? 1 : 0); }

    void u32(std::uint32_t value);
    void u64(std::uint64_t value);

    void i64(std::int64_t value) { u64(static_cast<std::uint64_t>(value)); }

    /// REQUIRES: shorter than 4 GiB.
    void text(std::string_view value);

private:
    std::string& out_;
};

class field_reader {
public:
    /// The bytes outlive the reader.
    explicit field_reader(std::string_view bytes) noexcept : left_(bytes) {}

    // Each is zero or empty if it is not there.

    std::uint8_t u8() noexcept;

    /// A byte that is neither 0 nor 1 is an error.
    bool flag() noexcept;

    std::uint32_t u32() noexcept;
    std::uint64_t u64() noexcept;

    std::int64_t i64() noexcept { return static_cast<std::int64_t>(u64()); }

    /// A part of the bytes. A longer one than `limit` is an error.
    std::string_view text(std::size_t limit) noexcept;

    /// The number of things that follow, of which each takes at least one byte. More than `limit`
    /// is an error.
    std::uint32_t count(std::uint32_t limit) noexcept;

    /// What was read is not what is meant, for a reason that the caller sees.
    void fail() noexcept {
        failed_ = true;
        left_ = {};
    }

    bool failed() const noexcept { return failed_; }

    /// All was there, and nothing else.
    bool complete() const noexcept { return !failed_ && left_.empty(); }

private:
    std::uint64_t number(std::size_t size) noexcept;

    std::string_view left_;
    bool failed_ = false;
};

}  // namespace pgweir::handover
