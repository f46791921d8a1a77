// What strangers send first: framing agrees with reading, a packet that was read is within its
// limits, and its parameters can be written and read back.

#include "protocol/startup.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace pgweir::protocol;

namespace {

using state = startup_frame::state;

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

bool lies_in(std::string_view part, std::string_view whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

/// A prefix is either undecided or says the same as all of it.
void check_prefixes(std::string_view received, const startup_frame& frame) {
    for (std::size_t size = 0; size < received.size() && size < 64; ++size) {
        const startup_frame early = frame_startup(received.substr(0, size));
        require(early.what == state::incomplete || early.what == frame.what);
    }
}

void check_login(const startup_packet& packet) {
    const auto user = packet.find("user");
    require(user && !user->empty() && user->size() <= user_name_limit);
    require(packet.find("database").value_or("").size() <= database_name_limit);

    std::vector<std::pair<std::string, std::string>> copy;
    for (const auto& [name, value] : packet.parameters) {
        copy.emplace_back(name, value);
    }
    std::string written;
    put_startup(written, copy);
    const startup_result again = read_startup(written);
    require(again.packet && again.packet->parameters == packet.parameters);
    if (const auto options = packet.find("options")) {
        read_options(*options);
    }
}

void check_packet(std::string_view bytes) {
    const startup_result result = read_startup(bytes);
    if (!result.packet) {
        return;
    }
    const startup_packet& packet = *result.packet;
    for (const auto& [name, value] : packet.parameters) {
        require(!name.empty() && lies_in(name, bytes) && lies_in(value, bytes));
    }
    switch (packet.what) {
        case startup_packet::kind::startup:
            check_login(packet);
            break;
        case startup_packet::kind::cancel_request:
            require(lies_in(packet.secret_key, bytes));
            require(packet.secret_key.size() >= 4 && packet.secret_key.size() <= 256);
            break;
        case startup_packet::kind::ssl_request:
        case startup_packet::kind::gssenc_request:
            require(bytes.size() == 8);
            break;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string received(data, data + size);
    const startup_frame frame = frame_startup(received);
    check_prefixes(received, frame);
    if (frame.what == state::complete) {
        require(frame.size >= 8 && frame.size <= startup_limit && frame.size <= size);
        check_packet(std::string_view(received).substr(0, frame.size));
    }
    read_startup(received);
    if (const auto settings = read_options(received)) {
        for (const auto& [name, value] : *settings) {
            require(!name.empty() && name.find('-') == std::string::npos);
        }
    }
    return 0;
}
