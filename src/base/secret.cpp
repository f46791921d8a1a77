#include "base/secret.hpp"

#include <string.h>

namespace pgweir {

void wipe(std::string& text) noexcept {
    explicit_bzero(text.data(), text.capacity());
    text.clear();
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) {
        return false;
    }
    unsigned char difference = 0;
    for (std::size_t i = 0; i < a.size(); i++) {
        difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
    }
    // The compiler must not turn the loop into an early exit.
    asm volatile("" : "+r"(difference));
    return difference == 0;
}

secret& secret::operator=(const secret& other) {
    if (this != &other) {
        wipe();
        text_ = other.text_;
    }
    return *this;
}

secret& secret::operator=(secret&& other) noexcept {
    if (this != &other) {
        wipe();
        text_ = other.text_;
        other.wipe();
    }
    return *this;
}

void secret::wipe() noexcept {
    pgweir::wipe(text_);
}

bool operator==(const secret& a, const secret& b) noexcept {
    return equal_in_constant_time(a.text_, b.text_);
}

}  // namespace pgweir
