#pragma once

// Whether a server could listen on a port, and who has it otherwise. Opens and closes a socket;
// any thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::cluster {

/// Nothing when the address can be listened on; else a sentence that names port, holder (as far as
/// this user may see it) and reason. A host name is not resolved: PostgreSQL will say.
std::optional<std::string> port_problem(const std::string& address, std::uint16_t port);

/// The user id and inode of the socket that listens on the port, from the text of /proc/net/tcp.
struct listener_entry {
    unsigned user = 0;
    std::string inode;
};

std::optional<listener_entry> find_listener(std::string_view proc_net_tcp, std::uint16_t port);

}  // namespace pgweir::cluster
