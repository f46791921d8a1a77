#include "cluster/ports.hpp"

#include "cluster/files.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <vector>

namespace pgweir::cluster {

namespace {

namespace fs = std::filesystem;

/// errno of listening on the address, 0 when it works or the text is no address.
int try_to_listen(const std::string& address, std::uint16_t port) {
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    const sockaddr* target = nullptr;
    socklen_t size = 0;
    if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        target = reinterpret_cast<const sockaddr*>(&v4);
        size = sizeof(v4);
    } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        target = reinterpret_cast<const sockaddr*>(&v6);
        size = sizeof(v6);
    } else {
        return 0;
    }
    const int handle = ::socket(target->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (handle < 0) {
        return errno;
    }
    const int on = 1;
    ::setsockopt(handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const bool works = ::bind(handle, target, size) == 0 && ::listen(handle, 1) == 0;
    const int error = works ? 0 : errno;
    ::close(handle);
    return error;
}

std::string user_name(unsigned id) {
    const passwd* entry = ::getpwuid(id);
    return entry != nullptr ? entry->pw_name : fmt::format("id {}", id);
}

bool holds_socket(const fs::path& process, const std::string& link) {
    std::error_code error;
    for (const auto& handle : fs::directory_iterator(process / "fd", error)) {
        if (fs::read_symlink(handle.path(), error).string() == link) {
            return true;
        }
    }
    return false;
}

/// "process 123 (postgres)", or nothing: only root sees the processes of others.
std::string process_of(const std::string& inode) {
    const std::string link = fmt::format("socket:[{}]", inode);
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
        const std::string id = entry.path().filename().string();
        if (id.find_first_not_of("0123456789") == std::string::npos &&
            holds_socket(entry.path(), link)) {
            const auto name = read_text(entry.path() / "comm");
            const std::string text = name && *name ? **name : "?";
            return fmt::format(", process {} ({})", id, text.substr(0, text.find('\n')));
        }
    }
    return {};
}

std::string holder_of(std::uint16_t port) {
    for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
        const auto text = read_text(table);
        if (!text || !*text) {
            continue;
        }
        if (const auto found = find_listener(**text, port)) {
            return fmt::format(
                " by a program of user {}{}", user_name(found->user), process_of(found->inode)
            );
        }
    }
    return {};
}

}  // namespace

std::optional<listener_entry> find_listener(std::string_view proc_net_tcp, std::uint16_t port) {
    std::istringstream lines{std::string(proc_net_tcp)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream columns(line);
        std::vector<std::string> words;
        for (std::string word; columns >> word;) {
            words.push_back(word);
        }
        // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
        if (words.size() < 10 || words[3] != "0A") {
            continue;
        }
        const auto colon = words[1].rfind(':');
        unsigned found = 0;
        const char* end = words[1].data() + words[1].size();
        if (colon == std::string::npos ||
            std::from_chars(words[1].data() + colon + 1, end, found, 16).ptr != end ||
            found != port) {
            continue;
        }
        listener_entry entry;
        std::from_chars(words[7].data(), words[7].data() + words[7].size(), entry.user);
        entry.inode = words[9];
        return entry;
    }
    return std::nullopt;
}

std::optional<std::string> port_problem(const std::string& address, std::uint16_t port) {
    const int error = try_to_listen(address == "localhost" ? "127.0.0.1" : address, port);
    if (error == 0) {
        return std::nullopt;
    }
    if (error == EADDRINUSE) {
        return fmt::format(
            "port {} on {} is taken{}. Stop that program (Debian's own cluster: pg_ctlcluster 15 "
            "main stop), or choose another port in cluster.ini",
            port,
            address,
            holder_of(port)
        );
    }
    if (error == EADDRNOTAVAIL) {
        return fmt::format("{} is no address of this machine (see host in cluster.ini)", address);
    }
    return fmt::format("cannot listen on {}:{}: {}", address, port, std::strerror(error));
}

}  // namespace pgweir::cluster
