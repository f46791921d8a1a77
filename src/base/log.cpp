#include "base/log.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace pgweir::log {

namespace {

std::atomic<sink*> installed{nullptr};

/// A line stays one line and does not steer a terminal, whatever names clients make up.
void show_controls(fmt::memory_buffer& line) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
    if (std::none_of(line.begin(), line.end(), is_control)) {
        return;
    }
    fmt::memory_buffer shown;
    for (char c : line) {
        if (is_control(c)) {
            fmt::format_to(fmt::appender(shown), "\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            shown.push_back(c);
        }
    }
    line = std::move(shown);
}

}  // namespace

namespace detail {

std::atomic<level> threshold{level::info};

void emit(level at, fmt::string_view format, fmt::format_args args) noexcept {
    try {
        fmt::memory_buffer line;
        fmt::vformat_to(fmt::appender(line), format, args);
        show_controls(line);
        const std::string_view text(line.data(), line.size());
        if (sink* target = installed.load(std::memory_order_acquire)) {
            target->write(at, text);
        } else {
            std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
        }
    } catch (...) {
        // A line that cannot be formatted or written must not take the pooler down.
    }
}

}  // namespace detail

sink* install(sink* target) noexcept {
    return installed.exchange(target, std::memory_order_acq_rel);
}

void set_threshold(level lowest) noexcept {
    detail::threshold.store(lowest, std::memory_order_relaxed);
}

}  // namespace pgweir::log
