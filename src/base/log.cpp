#include "base/log.hpp"

#include <cstdio>

namespace pgweir::log {

namespace {

std::atomic<sink*> installed{nullptr};

}  // namespace

namespace detail {

std::atomic<level> threshold{level::info};

void emit(level at, fmt::string_view format, fmt::format_args args) noexcept {
    try {
        fmt::memory_buffer line;
        fmt::vformat_to(fmt::appender(line), format, args);
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
