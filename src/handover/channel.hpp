#pragma once

// The connection between an old and a new process, and the door at which the old one waits for it.
//
// The door is a Unix socket of mode 0600, or an abstract one where there is no directory for it;
// both ends look at the other's user, which has to be their own, for an abstract name can be had by
// anybody. A message is its length (4 bytes, network order), its kind, and its body; descriptors go
// with its first byte.
//
// Blocking, each call with a time limit. A channel and a door are used by one thread at a time;
// interrupt() may be called from any.

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/result.hpp"
#include "handover/message.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::handover {

/// Ends all waits, now and from now on, of those who have it. Thread-safe.
class interrupt {
public:
    interrupt();

    void set() noexcept;
    bool is_set() const noexcept;

    /// Readable once it is set.
    int number() const noexcept { return event_.get(); }

private:
    descriptor event_;
};

/// The end of a process that is not our child. It lives when this is made.
class process_end {
public:
    explicit process_end(int process) noexcept;

    /// Returns when it has come, or can no longer be seen, or on the interrupt.
    void wait(const interrupt& stop) const;

private:
    descriptor process_;
};

class channel {
public:
    struct received {
        message what;
        std::vector<descriptor> descriptors;
    };

    explicit channel(descriptor socket) noexcept : socket_(std::move(socket)) {}

    /// From now on this ends its waits; it outlives the channel.
    void use(const interrupt* stop) noexcept { stop_ = stop; }

    /// Sends it whole; descriptors stay the caller's.
    result<void> send(
        const message& what, microseconds patience, const std::vector<int>& descriptors = {}
    );

    /// The next message. What is not as it should be is an error, after which nothing is to be
    /// read.
    result<received> receive(microseconds patience);

    /// False once the other end has hung up. It has nothing to say: REQUIRES that.
    bool is_open() const noexcept;

    /// The process at the other end, as it was when it connected.
    int peer_process() const noexcept;

    /// Fails if the other end is another user's.
    result<void> check_peer() const;

private:
    result<void> read(char* to, std::size_t size, steady_time until, std::vector<descriptor>& with);

    descriptor socket_;
    const interrupt* stop_ = nullptr;
};

class door {
public:
    /// The name of the door of a process that listens in this directory ('@' in front: abstract;
    /// empty: there is none) and on this port. `peer`: its number among those that share the port.
    static std::string name_for(const std::string& directory, int port, int peer);

    /// Opens one; whatever was left over of a process that is gone gives way.
    static result<std::unique_ptr<door>> open(const std::string& name);

    /// One that was handed over. Fails if it does not listen.
    static result<std::unique_ptr<door>> inherited(descriptor socket, std::string name);

    ~door();
    door(const door&) = delete;
    door& operator=(const door&) = delete;

    const std::string& name() const noexcept { return name_; }

    int number() const noexcept { return socket_.get(); }

    /// Its file is removed at the end, or is somebody else's by now. Not ours at first if it was
    /// handed over.
    void own_file(bool ours) noexcept { owns_file_ = ours; }

    /// Waits for the next one who knocks. An error if that is not to be.
    result<channel> accept(const interrupt& stop);

private:
    door(descriptor socket, std::string name, bool owns_file) noexcept
        : socket_(std::move(socket)), name_(std::move(name)), owns_file_(owns_file) {}

    descriptor socket_;
    std::string name_;
    bool owns_file_;
};

/// Knocks at the door of that name. Nothing if nobody is there.
result<std::optional<channel>> knock(const std::string& name);

}  // namespace pgweir::handover
