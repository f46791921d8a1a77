#pragma once

// The new process's part in an online restart (docs/decisions/0015-online-restart.md): it connects
// to the running process, gets its sockets, and takes its place when it is ready to serve.
//
// begin() blocks its caller, before there is any thread; what follows runs on a thread of its own.

#include "base/result.hpp"
#include "handover/channel.hpp"
#include "net/connector.hpp"
#include "net/listener.hpp"
#include "server/carried_message.hpp"

#include <memory>
#include <string>
#include <thread>

namespace pgweir::server {

/// The process, as far as it takes over. All of it is called on the hand-over's thread, and may
/// wait for others.
class taker {
public:
    /// Accepts on the sockets that were lent, and on its own.
    virtual void begin_accepting() = 0;

    /// It has been told to end: the other process had better go on.
    virtual bool is_to_end() const = 0;

    /// They are its own from now on.
    virtual void took_over() = 0;

    /// Waits, within reason, until what a client needs is known.
    virtual void get_ready() = 0;

    virtual void learn(carried_credentials&& known) = 0;

    /// A client of the old process, its socket, and that of its server if it has one.
    virtual void take_client(
        session::carried_client&& who, descriptor socket, descriptor server
    ) = 0;

    /// A server of the old process that nobody has.
    virtual void take_server(pool::carried_server&& what, descriptor socket) = 0;

    /// The old process goes on, and this one has to end.
    virtual void stayed_behind(const std::string& why) = 0;

    /// The old process has ended.
    virtual void is_alone() = 0;

protected:
    ~taker() = default;
};

class taking_over {
public:
    /// Gets the sockets of the process behind this door. Null if nobody is there.
    static result<std::unique_ptr<taking_over>> begin(const std::string& door);

    ~taking_over();

    int process() const noexcept { return process_; }

    /// Of the old process: for those of its clients who stay there.
    const net::target& cancels() const noexcept { return cancels_; }

    const std::string& notify_socket() const noexcept { return notify_socket_; }

    /// The sockets for clients, to be taken out as they are used. What is left is closed, and its
    /// files are removed, in drop_rest().
    net::lent_sockets& sockets() noexcept { return sockets_; }

    /// The door of this name, if it is the one that was handed over; null: it is to be opened.
    std::unique_ptr<handover::door> take_door(const std::string& name);

    /// REQUIRES: this process is in charge.
    void drop_rest() noexcept;

    /// This process could serve now: takes the other's place.
    void start(taker& owner);

    /// Ends it, whatever it does.
    void stop();

    /// Set when it has to end.
    const handover::interrupt& stopped() const noexcept { return stop_; }

private:
    explicit taking_over(handover::channel to) : channel_(std::move(to)) {}

    result<void> greet();
    result<void> receive_sockets(std::uint32_t count);
    result<handover::message> next(microseconds patience);
    result<void> take_place();
    result<void> take_connections();
    void run();

    handover::interrupt stop_;
    handover::channel channel_;
    int process_ = 0;
    net::target cancels_;
    std::string notify_socket_;
    net::lent_sockets sockets_;
    descriptor door_;
    std::string door_name_;
    taker* owner_ = nullptr;
    std::thread thread_;
};

}  // namespace pgweir::server
