#pragma once

// Secrets in memory: a string that is wiped when it goes, and a comparison whose time tells
// nothing.

#include <string>
#include <string_view>
#include <utility>

namespace pgweir {

/// Owns a password or key and wipes its memory on destruction and assignment. Never logged: it has
/// no stream operator and no formatter on purpose.
class secret {
public:
    secret() = default;

    explicit secret(std::string_view text) : text_(text) {}

    secret(const secret&) = default;

    secret(secret&& other) noexcept : text_(other.text_) { other.wipe(); }

    ~secret() { wipe(); }

    secret& operator=(const secret& other);
    secret& operator=(secret&& other) noexcept;

    /// Valid until the secret is changed or destroyed. Copies of it are not wiped.
    std::string_view view() const noexcept { return text_; }

    bool empty() const noexcept { return text_.empty(); }

    void wipe() noexcept;

    /// Compares in time that depends on the lengths only.
    friend bool operator==(const secret& a, const secret& b) noexcept;

private:
    std::string text_;
};

/// True if both are the same bytes. The time depends on the lengths only.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

/// Overwrites the bytes with zeros in a way that the compiler does not remove, and empties the
/// string.
void wipe(std::string& text) noexcept;

}  // namespace pgweir
