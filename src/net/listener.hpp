#pragma once

// Listening sockets, and the connections that come in on them.

#include "base/result.hpp"
#include "net/address.hpp"

#include <functional>
#include <memory>
#include <string>

namespace pgweir::net {

class loop;

/// One listening socket, TCP or local. Owns it, and for a local one its path too, which is removed
/// at the end. Thread: the loop's.
class listener {
public:
    /// A connected socket, which is the callee's, and who is at its other end. One of TCP has the
    /// options of apply_to_listener.
    using callback = std::function<void(int socket, const address& peer)>;

    /// Listens on an address and port: an IP address, a name (its first address), or "*" for all
    /// addresses of both families.
    static result<std::unique_ptr<listener>> tcp(
        loop& owner, const std::string& address, int port, int backlog, callback accepted
    );

    struct local_options {
        std::string directory;  // an '@' in front: abstract
        int port = 0;
        int mode = 0777;
        std::string group;
    };

    static result<std::unique_ptr<listener>> local(
        loop& owner, const local_options& options, int backlog, callback accepted
    );

    virtual ~listener() = default;
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    /// Where it listens, for the log: "127.0.0.1:6432" or a path.
    virtual std::string name() const = 0;

protected:
    listener() = default;
};

}  // namespace pgweir::net
