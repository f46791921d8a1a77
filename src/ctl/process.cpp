#include "ctl/process.hpp"

#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/env.hpp>
#include <boost/process/environment.hpp>
#include <boost/process/error.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/extend.hpp>
#include <boost/process/io.hpp>
#include <boost/process/pipe.hpp>

#include <fmt/format.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace pgweir::ctl {

namespace {

namespace bp = boost::process;

/// Boost.Process makes pipes that children inherit besides their standard streams; a server that
/// outlives its pg_ctl would hold the write end, and reading would never end.
void keep_from_children(bp::ipstream& stream) {
    ::fcntl(stream.pipe().native_source(), F_SETFD, FD_CLOEXEC);
    ::fcntl(stream.pipe().native_sink(), F_SETFD, FD_CLOEXEC);
}

bp::environment small_environment() {
    bp::environment variables;
    for (const char* name : {"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "TZ"}) {
        if (const char* value = std::getenv(name)) {
            variables[name] = value;
        }
    }
    variables["LC_ALL"] = "C";
    return variables;
}

/// In the child. A program that works for us ends with us, and not before us: what it leaves half
/// done is done again, alone. What it has started itself (a server) stays. Ctrl-C at the terminal
/// is ours to answer, and signals that we hold back are not held back for it.
void tie_to_parent() {
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    ::setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

bp::child start(
    const std::string& program,
    const std::vector<std::string>& arguments,
    cluster::program_progress progress,
    bp::ipstream& output,
    std::error_code& error
) {
    const auto variables = small_environment();
    if (progress == cluster::program_progress::shown && ::isatty(STDERR_FILENO) == 1) {
        return bp::child(
            bp::exe = program,
            bp::args = arguments,
            variables,
            bp::std_in<bp::null, bp::std_out> output,
            bp::std_err > stderr,
            bp::extend::on_exec_setup = [](auto&) { tie_to_parent(); },
            error
        );
    }
    return bp::child(
        bp::exe = program,
        bp::args = arguments,
        variables,
        bp::std_in<bp::null, (bp::std_out & bp::std_err)> output,
        bp::extend::on_exec_setup = [](auto&) { tie_to_parent(); },
        error
    );
}

/// The end of the program is the end of its output: what it has left running may hold the pipe
/// open. What it said last is there when it has ended, and is looked for once more.
std::string read_while_running(bp::child& child, int source) {
    constexpr int moment = 20;  // milliseconds
    std::string text;
    std::array<char, 4096> part{};
    bool running = true;
    for (;;) {
        pollfd readable{source, POLLIN, 0};
        if (::poll(&readable, 1, running ? moment : 0) > 0) {
            const auto size = ::read(source, part.data(), part.size());
            if (size == 0) {
                return text;
            }
            text.append(part.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        } else if (!running) {
            return text;
        } else {
            std::error_code error;
            running = child.running(error);
        }
    }
}

}  // namespace

result<cluster::program_output> process_runner::run(
    const std::filesystem::path& program,
    const std::vector<std::string>& arguments,
    cluster::program_progress progress
) {
    bp::ipstream stream;
    keep_from_children(stream);
    std::error_code error;
    bp::child child = start(program.string(), arguments, progress, stream, error);
    if (error) {
        return failure{fmt::format("cannot start {}: {}", program.string(), error.message())};
    }
    cluster::program_output output;
    output.text = read_while_running(child, stream.pipe().native_source());
    child.wait(error);
    if (error) {
        return failure{fmt::format("cannot wait for {}: {}", program.string(), error.message())};
    }
    output.exit_code = child.exit_code();
    return output;
}

signals_held_back::signals_held_back() {
    sigset_t asked;
    sigemptyset(&asked);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        sigaddset(&asked, number);
    }
    ::sigprocmask(SIG_BLOCK, &asked, &before_);
}

signals_held_back::~signals_held_back() {
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

void forget_postgres_variables() {
    std::vector<std::string> names;
    for (char** each = environ; *each != nullptr; ++each) {
        const std::string_view variable = *each;
        // PGWEIR_… are ours.
        if (variable.rfind("PG", 0) == 0 && variable.rfind("PGWEIR_", 0) != 0) {
            names.emplace_back(variable.substr(0, variable.find('=')));
        }
    }
    for (const std::string& name : names) {
        ::unsetenv(name.c_str());
    }
}

}  // namespace pgweir::ctl
