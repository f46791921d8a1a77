#pragma once

// Opening a connection: a name is resolved (net/name_cache), its addresses are tried one after the
// other, until one answers. If that one is not the name's any more by then, the name is resolved
// again.

#include "net/socket_options.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <system_error>

namespace pgweir::net {

class loop;

/// Where to: a host name, an IP address, or a directory with a socket in it (a name that starts
/// with '/' or '@').
struct target {
    std::string host;
    int port = 0;
};

/// True if it is a directory.
bool is_local(const target& where) noexcept;

/// True if it is a name, which has to be looked up.
bool is_name(const target& where);

/// "127.0.0.1:5432" or "/tmp/.s.PGSQL.5432".
std::string to_string(const target& where);

/// The socket's path of a target whose host is a directory: `<directory>/.s.PGSQL.<port>`.
std::string local_path(const target& where);

/// One attempt. Destroying it ends the attempt; `done` is then never called.
/// Thread: the loop's.
class connector {
public:
    /// The connected socket (the callee's), or -1 with an error. Called once, from the loop, and
    /// may destroy the connector.
    using callback = std::function<void(int socket, std::error_code why)>;

    connector(
        loop& owner,
        const target& where,
        const socket_options& options,
        std::chrono::microseconds timeout,
        callback done
    );
    ~connector();
    connector(const connector&) = delete;
    connector& operator=(const connector&) = delete;

private:
    class attempt;
    std::shared_ptr<attempt> attempt_;
};

}  // namespace pgweir::net
