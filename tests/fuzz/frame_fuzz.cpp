// The frame scanner: however a stream is cut into chunks, the same messages are reported, and what
// a relay forwards is the stream itself. The first byte seeds the cutting, the rest is the stream.

#include "protocol/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace pgweir::protocol;

namespace {

using event = frame_scanner::event;

constexpr type_set whole("ZSKREC");
constexpr std::uint32_t whole_limit = 300;
constexpr std::uint32_t length_limit = 70000;

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

struct outcome {
    std::string seen;
    std::string forwarded;
    bool malformed = false;

    bool operator==(const outcome&) const = default;
};

void note(const frame_scanner& scanner, event what, outcome& result) {
    require(whole.contains(scanner.type()) == (what == event::message));
    require(scanner.raw().front() == scanner.type());
    result.seen += what == event::header ? 'h' : 'm';
    if (what == event::message) {
        require(scanner.body().size() == scanner.body_length());
        require(scanner.raw().size() == header_size + scanner.body_length());
        require(scanner.body_length() <= whole_limit);
    } else {
        require(scanner.raw().size() == header_size);
    }
    result.seen += scanner.raw();
}

bool scan_chunk(frame_scanner& scanner, std::string_view chunk, outcome& result) {
    std::size_t done = 0;
    scanner.feed(chunk);
    for (;;) {
        const event what = scanner.next();
        require(scanner.position() <= chunk.size());
        if (what == event::end || what == event::malformed) {
            require(scanner.position() >= done);
            result.forwarded += chunk.substr(done, scanner.position() - done);
            result.malformed = what == event::malformed;
            return !result.malformed;
        }
        note(scanner, what, result);
        if (!scanner.raw_in_chunk()) {
            require(done == 0);
            result.forwarded += scanner.raw();
            done = scanner.position();
        }
    }
}

/// `seed` 0 takes the stream as one chunk.
outcome scan(std::string_view stream, std::uint32_t seed) {
    frame_scanner scanner(whole, whole_limit, length_limit);
    outcome result;
    std::size_t at = 0;
    while (at < stream.size()) {
        seed = seed * 1103515245 + 12345;
        const std::size_t cut = 1 + (seed >> 16) % ((seed >> 8) % 4 == 0 ? 200 : 7);
        const std::string chunk(stream.substr(at, seed == 12345 ? stream.size() : cut));
        at += chunk.size();
        if (!scan_chunk(scanner, chunk, result)) {
            return result;
        }
        require(result.forwarded.size() + scanner.kept() == at);
        require(scanner.kept() < header_size + whole_limit);
    }
    return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) {
        return 0;
    }
    const std::string stream(data + 1, data + size);
    const outcome uncut = scan(stream, 0);
    require(stream.starts_with(uncut.forwarded));
    require(scan(stream, data[0] + 1u) == uncut);
    return 0;
}
