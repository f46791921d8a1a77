#pragma once

// Listening sockets, and the connections that come in on them.

#include "base/result.hpp"
#include "net/address.hpp"

#include <cstdint>
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

    /// Whether other processes of this user may listen on the port too, if they all say so; the
    /// system then deals connections out to them.
    enum class port_use : std::uint8_t { exclusive, shared };

    struct tcp_options {
        std::string address;  // an IP address or a name (its first address)
        int port = 0;
        port_use use = port_use::exclusive;
    };

    static result<std::unique_ptr<listener>> tcp(
        loop& owner, const tcp_options& options, int backlog, callback accepted
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

    /// Connections are told of with their first bytes, of TCP at least. Any thread.
    virtual void defer_accept(bool value) noexcept = 0;

    /// Where it listens, for the log: "127.0.0.1:6432" or a path.
    virtual std::string name() const = 0;

protected:
    listener() = default;
};

}  // namespace pgweir::net
