#pragma once

// Where streams come from. One engine for each loop, used on the loop's thread only.

#include "net/address.hpp"
#include "net/stream.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>

namespace boost::asio {
class io_context;
}

namespace pgweir::net {

/// What an engine has done since it was made.
struct engine_counts {
    std::uint64_t turns = 0;   // times that it looked for what has happened
    std::uint64_t events = 0;  // and what it found
};

/// Accepts as long as it exists. Connections that the kernel has handed out before its end may
/// still be told of, until the loop's next turn is over.
class acceptor {
public:
    acceptor() = default;
    acceptor(const acceptor&) = delete;
    acceptor& operator=(const acceptor&) = delete;
    virtual ~acceptor() = default;
};

class accept_handler {
public:
    /// The socket is the callee's. Called from the loop.
    virtual void on_connection(int socket, const address& peer) = 0;

    /// The system has none left to give, or the listening socket is broken; nothing more comes.
    virtual void on_accept_failed(std::error_code why) = 0;

protected:
    ~accept_handler() = default;
};

class engine {
public:
    virtual ~engine() = default;

    /// Takes the connections of a listening socket, which stays the caller's, and which no other
    /// acceptor uses at the same time. The handler lives as long as it may be called.
    virtual std::unique_ptr<acceptor> accept(
        int listening, std::shared_ptr<accept_handler> handler
    ) = 0;

    /// Takes over a connected socket, which becomes the engine's to close, and delivers its bytes
    /// to the handler from the next turn of the loop on. It is a blocking one, for a ring waits by
    /// itself; no call here ever blocks. If the system cannot watch it (it limits
    /// that for each user), the stream ends with that error.
    virtual stream_ptr adopt(int socket, stream_handler& handler) = 0;

    /// Its name as in `io_engine`.
    virtual std::string_view name() const noexcept = 0;

    virtual engine_counts counts() const noexcept = 0;
};

enum class engine_kind : std::uint8_t { epoll, io_uring };

/// Throws std::system_error if the system refuses what the engine needs.
std::unique_ptr<engine> make_engine(engine_kind kind, boost::asio::io_context& context);

/// Why io_uring cannot be had here: an old kernel, a container that forbids it, no memory. No error
/// if it can.
std::error_code io_uring_refusal();

}  // namespace pgweir::net
