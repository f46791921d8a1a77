#include "server/identity.hpp"

#include "base/log.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <utility>

namespace pgweir::server {

result<void> become_user(const std::string& user) {
    if (!user.empty()) {
        const ::passwd* entry = ::getpwnam(user.c_str());
        if (entry == nullptr) {
            return failure{fmt::format("user \"{}\" (user, -u) does not exist", user)};
        }
        if (::geteuid() != entry->pw_uid &&
            (::initgroups(user.c_str(), entry->pw_gid) != 0 || ::setgid(entry->pw_gid) != 0 ||
             ::setuid(entry->pw_uid) != 0)) {
            return failure{
                fmt::format("cannot become user \"{}\": {}", user, std::strerror(errno))};
        }
    }
    if (::geteuid() == 0) {
        return failure{
            "pgweir does not run as root: start it as an ordinary user, or name one with -u or "
            "the setting user"};
    }
    return {};
}

unsigned long raise_descriptor_limit() noexcept {
    ::rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        ::getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

namespace {

int to_parent = -1;  // set before there is a second thread

/// In the parent. Ends it.
[[noreturn]] void wait_for_child(int from_child) {
    char told = 0;
    ssize_t got = 0;
    do {
        got = ::read(from_child, &told, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 1) {
        ::_exit(0);
    }
    log::write(log::level::fatal, "the process in the background does not serve: see its log");
    ::_exit(1);
}

/// The process that a file names; 0: none.
::pid_t process_in(const std::string& path) {
    ::pid_t pid = 0;
    if (std::ifstream file(path); file) {
        file >> pid;
    }
    return pid;
}

}  // namespace

result<void> go_into_background() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return failure{fmt::format("cannot make a pipe: {}", std::strerror(errno))};
    }
    const ::pid_t child = ::fork();
    if (child < 0) {
        return failure{fmt::format("cannot fork: {}", std::strerror(errno))};
    }
    if (child > 0) {
        ::close(ends[1]);
        wait_for_child(ends[0]);
    }
    ::close(ends[0]);
    to_parent = ends[1];
    ::setsid();
    return {};
}

bool is_starting_in_background() noexcept {
    return to_parent >= 0;
}

void tell_parent() noexcept {
    if (to_parent >= 0) {
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        for (int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
            ::dup2(null, standard);
        }
        ::close(null);
        const char well = 1;
        // Whoever waited may have gone.
        [[maybe_unused]] const ssize_t written = ::write(to_parent, &well, 1);
        ::close(std::exchange(to_parent, -1));
    }
}

result<void> pid_file::check(const std::string& path, int predecessor) {
    if (path.empty()) {
        return {};
    }
    const ::pid_t pid = process_in(path);
    if (pid > 0 && pid != ::getpid() && pid != predecessor &&
        (::kill(pid, 0) == 0 || errno == EPERM)) {
        return failure{
            fmt::format("pidfile '{}' exists, another instance running? (process {})", path, pid)};
    }
    if (!std::ofstream(path, std::ios::app)) {
        return failure{
            fmt::format("cannot write the pidfile '{}': {}", path, std::strerror(errno))};
    }
    return {};
}

result<pid_file> pid_file::make(const std::string& path, int predecessor) {
    pid_file made;
    if (auto possible = check(path, predecessor); !possible || path.empty()) {
        return possible ? result<pid_file>(std::move(made)) : possible.error();
    }
    std::ofstream out(path, std::ios::trunc);
    out << ::getpid() << '\n';
    out.close();
    if (!out) {
        return failure{
            fmt::format("cannot write the pidfile '{}': {}", path, std::strerror(errno))};
    }
    made.path_ = path;
    return made;
}

pid_file::~pid_file() {
    if (!path_.empty() && process_in(path_) == ::getpid()) {
        ::unlink(path_.c_str());
    }
}

pid_file& pid_file::operator=(pid_file&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
}

}  // namespace pgweir::server
