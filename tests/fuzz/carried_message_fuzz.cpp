// What an old process says of its clients and servers: whatever it is, it is read or refused, and
// what is read can be said again. The first byte chooses the message.

#include "handover/message.hpp"
#include "server/carried_message.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

using namespace pgweir;

namespace {

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 6) {
        case 0:
            if (const auto read = server::get_client(body)) {
                require(server::get_client(server::put(*read).body).has_value());
            }
            break;
        case 1:
            if (const auto read = server::get_server(body)) {
                require(server::get_server(server::put(*read).body).has_value());
            }
            break;
        case 2:
            if (const auto read = server::get_credentials(body)) {
                require(server::put(*read).body == body);
            }
            break;
        case 3:
            // Of another version only the version and the program are read.
            if (const auto read = handover::get_welcome(body);
                read && read->speaks == handover::version) {
                require(handover::put(*read).body == body);
            }
            break;
        case 4:
            if (const auto read = handover::get_sockets(body)) {
                require(handover::put(*read).body == body);
            }
            break;
        case 5:
            handover::get_hello(body);
            handover::get_refusal(body);
            break;
    }
    return 0;
}
