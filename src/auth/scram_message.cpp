#include "auth/scram_message.hpp"

#include "auth/scram.hpp"

#include <algorithm>
#include <charconv>

namespace pgweir::auth::detail {

namespace {

bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

std::optional<attribute_reader::attribute> attribute_reader::take_any() noexcept {
    if (failed_ || rest_.size() < 2 || !is_letter(rest_[0]) || rest_[1] != '=') {
        failed_ = true;
        return std::nullopt;
    }
    const std::size_t end = rest_.find(',');
    const attribute found{rest_[0], rest_.substr(2, end == rest_.npos ? end : end - 2)};
    wants_more_ = end != rest_.npos;
    rest_.remove_prefix(wants_more_ ? end + 1 : rest_.size());
    return found;
}

std::optional<std::string_view> attribute_reader::take(char name) noexcept {
    const auto next = take_any();
    if (!next || next->name != name) {
        failed_ = true;
        return std::nullopt;
    }
    return next->value;
}

bool attribute_reader::skip_extensions() noexcept {
    while (!failed_ && !at_end()) {
        take_any();
    }
    return !failed_;
}

bool is_nonce(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return c >= 0x21 && c <= 0x7e && c != ',';
    });
}

std::optional<int> read_iterations(std::string_view text) noexcept {
    int iterations = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), iterations);
    if (error != std::errc() || end != text.data() + text.size() || iterations < 1 ||
        iterations > scram_iterations_limit) {
        return std::nullopt;
    }
    return iterations;
}

}  // namespace pgweir::auth::detail
