// The guard of a segment's replies: however these are cut into pieces, the same decision falls, and
// what the client gets is the stream itself, or nothing but what is about its session. The first
// byte seeds the cutting and says whether a refusal is dropped, the rest is the stream.

#include "protocol/frame.hpp"
#include "session/repair.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace pgweir;
using session::reply_guard;

namespace {

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

struct outcome {
    std::string given;
    std::string told;
    bool refused = false;
    bool dropped = false;

    bool operator==(const outcome&) const = default;
};

void feed(reply_guard& guard, std::string_view piece, bool drops, outcome& all) {
    switch (guard.feed(piece)) {
        case reply_guard::verdict::pass:
            all.given += piece;
            return;
        case reply_guard::verdict::hold:
            return;
        case reply_guard::verdict::release:
            require(guard.off());
            all.given += guard.end();
            all.given += piece;
            return;
        case reply_guard::verdict::refused:
            require(!all.refused);
            all.refused = true;
            (void)guard.why();
            if (drops) {
                guard.drop();
            } else {
                all.given += guard.end();
            }
    }
}

outcome run(std::string_view stream, std::uint32_t seed, bool drops) {
    reply_guard guard;
    guard.begin();
    require(guard.keep("requests"));
    outcome all;
    while (!stream.empty()) {
        seed = seed * 1664525 + 1013904223;
        const std::size_t size = 1 + (seed >> 16) % 40;
        feed(guard, stream.substr(0, size), drops, all);
        stream.remove_prefix(std::min(size, stream.size()));
    }
    all.dropped = guard.dropping();
    if (all.dropped) {
        require(guard.again(all.told) == "requests");
    } else {
        all.given += guard.end();
    }
    require(guard.off());
    return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > reply_guard::reply_limit) {
        return 0;
    }
    const bool drops = (data[0] & 1) != 0;
    const std::string stream(data + 1, data + size);
    reply_guard whole;
    whole.begin();
    outcome at_once;
    feed(whole, stream, drops, at_once);
    at_once.dropped = whole.dropping();
    if (at_once.dropped) {
        whole.again(at_once.told);
    } else {
        at_once.given += whole.end();
    }
    require(at_once.dropped == (at_once.refused && drops));
    require(at_once.dropped ? at_once.given.empty() : at_once.given == stream);
    require(run(stream, data[0] + 1u, drops) == at_once);
    return 0;
}
