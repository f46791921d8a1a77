#pragma once

// The terminal of the dashboard: raw keys, its size, the alternate screen; everything is as it was
// when the object goes. One thread; one object at a time.

#include "base/clock.hpp"
#include "cluster/dashboard.hpp"

#include <termios.h>

#include <string_view>

namespace pgweir::ctl {

class terminal {
public:
    terminal();
    ~terminal();

    terminal(const terminal&) = delete;
    terminal& operator=(const terminal&) = delete;

    /// True if both ends are a terminal: else one picture is printed and that is all.
    static bool is_there() noexcept;

    /// Its size now. Colours unless NO_COLOR is set.
    static cluster::drawing size() noexcept;

    void show(std::string_view picture);

    enum class event { time, resized, quit };

    /// Until the time is up, the window changes its size, or somebody wants to leave (q, Ctrl-C, a
    /// signal).
    event wait(milliseconds time);

private:
    termios before_{};
};

}  // namespace pgweir::ctl
