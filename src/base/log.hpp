#pragma once

// The log as every layer sees it: levels and a formatted line. Where lines go (console, file,
// syslog) is decided by the one sink that the server installs at start; tests install a capture.
// Thread-safe: lines may come from any thread. Secrets are never passed here.

#include <fmt/format.h>

#include <atomic>
#include <string_view>
#include <utility>

namespace pgweir::log {

enum class level : unsigned char { trace, debug, info, warning, error, fatal };

/// Receives finished lines, without a line end. Called from any thread.
class sink {
public:
    virtual ~sink() = default;
    virtual void write(level at, std::string_view line) noexcept = 0;
};

/// Installs the sink and returns the one before it. The sink must outlive its use. With none
/// installed, lines go to standard error.
sink* install(sink* target) noexcept;

/// Lines below this level are not formatted at all.
void set_threshold(level lowest) noexcept;

namespace detail {
extern std::atomic<level> threshold;
void emit(level at, fmt::string_view format, fmt::format_args args) noexcept;
}  // namespace detail

inline bool enabled(level at) noexcept {
    return at >= detail::threshold.load(std::memory_order_relaxed);
}

template <typename... Args>
void write(level at, fmt::format_string<Args...> format, Args&&... args) noexcept {
    if (enabled(at)) {
        detail::emit(at, format, fmt::make_format_args(args...));
    }
}

template <typename... Args>
void trace(fmt::format_string<Args...> format, Args&&... args) noexcept {
    write(level::trace, format, std::forward<Args>(args)...);
}

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) noexcept {
    write(level::debug, format, std::forward<Args>(args)...);
}

template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) noexcept {
    write(level::info, format, std::forward<Args>(args)...);
}

template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) noexcept {
    write(level::warning, format, std::forward<Args>(args)...);
}

template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) noexcept {
    write(level::error, format, std::forward<Args>(args)...);
}

}  // namespace pgweir::log
