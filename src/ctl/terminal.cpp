#include "ctl/terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace pgweir::ctl {

namespace {

// Set by signals, read by wait().
volatile std::sig_atomic_t window_changed = 0;
volatile std::sig_atomic_t told_to_leave = 0;

void on_signal(int number) {
    (number == SIGWINCH ? window_changed : told_to_leave) = 1;
}

void listen_to(int number) {
    struct sigaction action {};

    action.sa_handler = on_signal;  // without SA_RESTART: poll() shall end
    ::sigaction(number, &action, nullptr);
}

void write_all(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

}  // namespace

terminal::terminal() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    for (const int number : {SIGWINCH, SIGINT, SIGTERM, SIGHUP}) {
        listen_to(number);
    }
    write_all("\x1b[?1049h\x1b[?25l");
}

terminal::~terminal() {
    write_all("\x1b[?25h\x1b[?1049l");
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

bool terminal::is_there() noexcept {
    return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

cluster::drawing terminal::size() noexcept {
    cluster::drawing how;
    winsize window{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
        how.columns = window.ws_col;
        how.rows = window.ws_row;
    }
    how.colours = std::getenv("NO_COLOR") == nullptr;
    return how;
}

void terminal::show(std::string_view picture) {
    // Each line ends with "erase to its end", so that nothing flickers and nothing old stays.
    std::string frame = "\x1b[H";
    for (const char c : picture) {
        frame += c == '\n' ? "\x1b[K\r\n" : std::string(1, c);
    }
    // The last line end would scroll a full screen.
    frame.resize(frame.size() - (picture.empty() ? 0 : 2));
    write_all(frame + "\x1b[J");
}

terminal::event terminal::wait(milliseconds time) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    for (;;) {
        if (told_to_leave != 0) {
            return event::quit;
        }
        if (window_changed != 0) {
            window_changed = 0;
            return event::resized;
        }
        const auto left =
            std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return event::time;
        }
        pollfd keys{STDIN_FILENO, POLLIN, 0};
        if (::poll(&keys, 1, static_cast<int>(left.count())) <= 0) {
            continue;
        }
        char key = 0;
        const auto got = ::read(STDIN_FILENO, &key, 1);
        if (got == 0 || key == 'q' || key == 'Q') {
            return event::quit;
        }
    }
}

}  // namespace pgweir::ctl
