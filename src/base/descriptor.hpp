#pragma once

// Owns a descriptor of the system's, and closes it.

#include <unistd.h>

#include <utility>

namespace pgweir {

class descriptor {
public:
    descriptor() = default;

    explicit descriptor(int number) noexcept : number_(number) {}

    descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}

    ~descriptor() { close(); }

    descriptor& operator=(descriptor&& other) noexcept {
        if (this != &other) {
            close();
            number_ = std::exchange(other.number_, -1);
        }
        return *this;
    }

    /// -1: none.
    int get() const noexcept { return number_; }

    explicit operator bool() const noexcept { return number_ >= 0; }

    /// It is the caller's now.
    int release() noexcept { return std::exchange(number_, -1); }

private:
    void close() noexcept {
        if (number_ >= 0) {
            ::close(number_);
        }
    }

    int number_ = -1;
};

}  // namespace pgweir
