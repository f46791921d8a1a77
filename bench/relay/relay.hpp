#pragma once

// A relay: each client gets a connection of its own to the server, and bytes are copied both ways
// unseen. What a pooler costs beyond it is what looking at the bytes and sharing servers costs.
//
// One thread. Nothing is lost when a socket takes less than was offered: the rest waits, and the
// other side is not read meanwhile. When one side closes, the other gets what was still on its way
// and is closed. Each function runs until the process is ended by a signal; std::system_error if
// the system refuses what the engine needs.

#include <cstddef>
#include <cstdint>

namespace relay {

struct options {
    std::uint16_t listen_port = 0;
    std::uint16_t server_port = 0;
    std::size_t buffer_bytes = 64 * 1024;  // of one receive
    bool check = false;                    // only whether the engine can be had
};

void run_on_epoll(const options& wanted);
void run_on_io_uring(const options& wanted);

}  // namespace relay
