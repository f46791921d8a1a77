#include "server/identity.hpp"

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

result<void> go_into_background() {
    const ::pid_t child = ::fork();
    if (child < 0) {
        return failure{fmt::format("cannot fork: {}", std::strerror(errno))};
    }
    if (child > 0) {
        ::_exit(0);
    }
    ::setsid();
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        ::dup2(null, standard);
    }
    ::close(null);
    return {};
}

result<pid_file> pid_file::make(const std::string& path) {
    pid_file made;
    if (path.empty()) {
        return made;
    }
    if (std::ifstream old(path); old) {
        ::pid_t pid = 0;
        old >> pid;
        if (pid > 0 && pid != ::getpid() && (::kill(pid, 0) == 0 || errno == EPERM)) {
            return failure{fmt::format(
                "pidfile '{}' exists, another instance running? (process {})", path, pid
            )};
        }
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
    if (!path_.empty()) {
        ::unlink(path_.c_str());
    }
}

pid_file& pid_file::operator=(pid_file&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
}

}  // namespace pgweir::server
