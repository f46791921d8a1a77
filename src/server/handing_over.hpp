#pragma once

// The old process's part in an online restart (docs/decisions/0015-online-restart.md): a thread
// that waits at the door for a process that wants to take this one's place, and gives it up step by
// step. Whatever goes wrong up to the last step, this process goes on as it was.
//
// Blocking, on a thread of its own; start() and stop() are called by the supervisor.

#include "base/result.hpp"
#include "handover/channel.hpp"
#include "net/connector.hpp"
#include "net/listener.hpp"
#include "server/carried_message.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

namespace pgweir::server {

/// The process, as far as it is given away. All of it is called on the hand-over's thread, and may
/// wait for others.
class giver {
public:
    /// Why it cannot be given away now; empty: it can.
    virtual std::string refusal() = 0;

    /// The sockets for clients.
    virtual net::lent_sockets lend() = 0;

    /// Where cancel requests are to be sent whose clients are still here.
    virtual result<net::target> cancel_entrance() = 0;

    virtual void stop_accepting() = 0;
    virtual void accept_again() = 0;

    /// From now on this process only finishes what it has.
    virtual void give(int process) = 0;

    /// What clients have proved to know, for their servers.
    virtual std::vector<carried_credentials> credentials() = 0;

    /// Clients and servers leave when they can, by send(); or do so no more.
    virtual void give_connections(bool now) = 0;

    /// One that could not be sent comes back.
    virtual void take_client(
        session::carried_client&& who, descriptor socket, descriptor server
    ) = 0;

protected:
    ~giver() = default;
};

class handing_over {
public:
    explicit handing_over(giver& owner) noexcept : owner_(owner) {}

    ~handing_over();

    /// Waits at the door from now on.
    void start(std::unique_ptr<handover::door> door);

    /// A client that goes to the next process, its socket, and that of the server that goes with
    /// it, if one does. Any thread.
    void send(session::carried_client&& who, descriptor socket, descriptor server);

    /// A server that nobody has.
    void send(pool::carried_server&& what, descriptor socket);

    /// Nothing is on its way there. Any thread.
    bool all_sent() const noexcept { return under_way_ == 0; }

    /// Ends it, whatever it does.
    void stop();

    /// Set when it has to end.
    const handover::interrupt& stopped() const noexcept { return stop_; }

private:
    struct leaving {
        std::variant<session::carried_client, pool::carried_server> what;
        descriptor socket;
        descriptor server;  // of a client's
    };

    void run();
    void give_connections(handover::channel& to);
    result<void> give_credentials(handover::channel& to);
    static result<void> give(handover::channel& to, const leaving& one);
    void keep(leaving&& one);
    void send(leaving&& one);
    std::deque<leaving> next_leaving();

    bool talk(handover::channel& to);
    result<void> greet(handover::channel& to);
    result<void> change_places(handover::channel& to);
    result<void> await(handover::channel& from, handover::kind what, microseconds patience);

    giver& owner_;
    handover::interrupt stop_;
    std::unique_ptr<handover::door> door_;
    std::thread thread_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<leaving> leaving_;  // under the mutex
    std::atomic<int> under_way_{0};
};

}  // namespace pgweir::server
