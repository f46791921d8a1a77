#include "ctl/identity.hpp"

#include "cluster/files.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace pgweir::ctl {

namespace {

namespace fs = std::filesystem;

/// Makes the folder for the user, or gives it an empty one of root's. A folder with something in it
/// is left as it is: who named / by mistake must not lose it.
result<void> hand_over_root(const fs::path& root, const passwd& user) {
    std::error_code error;
    const bool existed = fs::exists(root, error);
    if (!existed) {
        if (const auto made = cluster::make_directories(root, 0755); !made) {
            return made.error();
        }
    }

    struct stat status {};

    if (::lstat(root.c_str(), &status) != 0) {
        return failure{fmt::format("cannot see {}: {}", root.string(), std::strerror(errno))};
    }
    const bool ours_to_give = status.st_uid == 0 && cluster::is_vacant(root);
    if (ours_to_give && ::lchown(root.c_str(), user.pw_uid, user.pw_gid) != 0) {
        return failure{fmt::format(
            "cannot give {} to {}: {}", root.string(), user.pw_name, std::strerror(errno)
        )};
    }
    return {};
}

result<void> become(const passwd& user) {
    if (::initgroups(user.pw_name, user.pw_gid) != 0 || ::setgid(user.pw_gid) != 0 ||
        ::setuid(user.pw_uid) != 0) {
        return failure{fmt::format("cannot become {}: {}", user.pw_name, std::strerror(errno))};
    }
    ::setenv("HOME", user.pw_dir, 1);
    return {};
}

/// The first folder on the way that this user cannot enter; empty if there is none.
fs::path closed_ancestor(const fs::path& path) {
    fs::path place;
    for (const auto& part : path) {
        place /= part;
        if (::faccessat(AT_FDCWD, place.c_str(), X_OK, AT_EACCESS) != 0 && errno == EACCES) {
            return place;
        }
    }
    return {};
}

failure out_of_reach(const fs::path& closed, const fs::path& root, const std::string& user) {
    return {fmt::format(
        "user {} cannot enter {}, and {} lies below it: choose a folder that this user can "
        "reach, for example --root /var/lib/pgweir-dev",
        user,
        closed.string(),
        root.string()
    )};
}

/// Looks with the user's eyes before root makes anything. REQUIRES: root, one thread.
result<void> check_reach_of(const passwd& user, const fs::path& root) {
    if (::initgroups(user.pw_name, user.pw_gid) != 0 || ::setegid(user.pw_gid) != 0 ||
        ::seteuid(user.pw_uid) != 0) {
        return failure{fmt::format("cannot become {}: {}", user.pw_name, std::strerror(errno))};
    }
    const auto closed = closed_ancestor(root);
    if (::seteuid(0) != 0 || ::setegid(0) != 0) {
        return failure{fmt::format("cannot become root again: {}", std::strerror(errno))};
    }
    return closed.empty() ? result<void>{} : out_of_reach(closed, root, user.pw_name);
}

result<void> check_reach(const fs::path& root, const std::string& user, purpose what) {
    if (const auto closed = closed_ancestor(root); !closed.empty()) {
        return out_of_reach(closed, root, user);
    }
    if (what != purpose::looking && ::access(root.c_str(), W_OK) != 0 && errno != ENOENT) {
        return failure{fmt::format(
            "user {} cannot write to {}: {}. Give the folder to that user, or choose another with "
            "--root",
            user,
            root.string(),
            std::strerror(errno)
        )};
    }
    return {};
}

}  // namespace

result<std::string> become_server_user(
    const cluster::cluster_settings& settings, cluster::run_mode mode, purpose what
) {
    if (::geteuid() == 0) {
        const passwd* user = ::getpwnam(settings.os_user.c_str());
        if (user == nullptr) {
            return failure{fmt::format(
                "there is no user {} to run the servers as (PostgreSQL refuses root): install "
                "PostgreSQL's package, or name another user with os_user",
                settings.os_user
            )};
        }
        if (user->pw_uid == 0) {
            return failure{"os_user is root, and PostgreSQL refuses to run as root"};
        }
        if (const auto reached = check_reach_of(*user, settings.root); !reached) {
            return reached.error();
        }
        if (mode == cluster::run_mode::real && what != purpose::looking) {
            if (const auto given = hand_over_root(settings.root, *user); !given) {
                return given.error();
            }
        }
        if (const auto changed = become(*user); !changed) {
            return changed.error();
        }
    }
    if (::chdir("/") != 0) {
        return failure{fmt::format("cannot enter /: {}", std::strerror(errno))};
    }
    const passwd* now = ::getpwuid(::geteuid());
    const std::string name = now != nullptr ? now->pw_name : std::to_string(::geteuid());
    if (const auto reached = check_reach(settings.root, name, what); !reached) {
        return reached.error();
    }
    return result<std::string>(boost::system::in_place_value, name);
}

void clear_root_afterwards(const fs::path& root) {
    if (::geteuid() != 0) {
        return;
    }
    const pid_t child = ::fork();
    if (child <= 0) {
        return;  // the child, or no child: then the folder stays
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ::rmdir(root.c_str());
    std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

}  // namespace pgweir::ctl
