#pragma once

// Listening sockets, and the connections that come in on them. One may go from process to process
// (online restart): it is lent, and belongs to the other from the moment in which that one takes
// charge.

#include "base/descriptor.hpp"
#include "base/result.hpp"
#include "net/address.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace pgweir::net {

class loop;

/// A socket that another process of ours listens on.
struct lent_socket {
    descriptor socket;
    std::string path;     // of a Unix socket's file, which belongs to whoever is in charge
    bool passed = false;  // whoever started that process has opened it
};

using lent_sockets = std::vector<lent_socket>;

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
        std::string address;  // an IP address (see addresses_of)
        int port = 0;
        port_use use = port_use::exclusive;
    };

    /// What all kinds are made with. With `lent`, what is in there for the place is taken out and
    /// used instead of opening it, and nothing is accepted before resume().
    struct common_options {
        int backlog = 128;
        lent_sockets* lent = nullptr;
    };

    /// All addresses that a name has; the name itself if it has none, and for an address.
    static std::vector<std::string> addresses_of(const std::string& name);

    static result<std::unique_ptr<listener>> tcp(
        loop& owner, const tcp_options& options, const common_options& common, callback accepted
    );

    struct local_options {
        std::string directory;  // an '@' in front: abstract
        int port = 0;
        int mode = 0777;
        std::string group;
    };

    static result<std::unique_ptr<listener>> local(
        loop& owner, const local_options& options, const common_options& common, callback accepted
    );

    enum class begin : std::uint8_t { now, later };

    /// One that listens already, handed over by whoever has started us; it is ours from now on, but
    /// its path is not. Fails if it is none. `later`: nothing is accepted before resume().
    static result<std::unique_ptr<listener>> passed(
        loop& owner, int socket, callback accepted, begin when = begin::now
    );

    virtual ~listener() = default;
    listener(const listener&) = delete;
    listener& operator=(const listener&) = delete;

    /// Connections are told of with their first bytes, of TCP at least. Any thread.
    virtual void defer_accept(bool value) noexcept = 0;

    /// Where it listens, for the log: "127.0.0.1:6432" or a path.
    virtual std::string name() const = 0;

    /// A Unix socket.
    virtual bool is_local() const noexcept = 0;

    /// Accepts nothing any more, and again. Callers wait meanwhile, as many as the backlog takes.
    virtual void pause() noexcept = 0;
    virtual void resume() = 0;

    /// The same socket for another process. Any thread.
    virtual lent_socket lend() const = 0;

    /// Another process has taken charge of it: its file is not removed at the end.
    virtual void give_away() noexcept = 0;

    /// It has not, after all.
    virtual void take_back() noexcept = 0;

    /// It was lent to us, and is ours from now on. An error says what of its options could not be
    /// set.
    virtual result<void> take_charge() = 0;

protected:
    listener() = default;
};

}  // namespace pgweir::net
