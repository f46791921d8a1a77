// The pipeline under any order of requests and replies. Each byte of the input is one of them: a
// client's message (by its type), a server's (by its type with the top bit), or a status byte of
// ReadyForQuery (I, T, E with the top bit and an offset, see below). A server that lies must end in
// a desync, never in a state that contradicts itself.

#include "protocol/pipeline.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

using namespace pgweir::protocol;

namespace {

using verdict = pipeline::verdict;

constexpr std::uint8_t top_bit = 0x80;
/// Lower-case letters that are no reply's type stand for ReadyForQuery with a status.
constexpr char ready_idle = 'i';
constexpr char ready_in_transaction = 'j';
constexpr char ready_failed = 'k';
constexpr char ready_unknown = 'l';
constexpr char own_query = 'o';

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

void check(const pipeline& owed) {
    if (owed.settled()) {
        require(owed.ready_owed() == 0);
        require(!owed.copy_in_open() && !owed.needs_sync() && !owed.own_next());
        require(!owed.in_doubt());
    }
    require(!owed.releasable() || owed.status() == transaction_status::idle);
    require(!owed.in_doubt() || owed.ready_owed() != 0);
}

verdict answer(pipeline& owed, char type) {
    switch (type) {
        case ready_idle:
            return owed.ready('I');
        case ready_in_transaction:
            return owed.ready('T');
        case ready_failed:
            return owed.ready('E');
        case ready_unknown:
            return owed.ready('Z');
        default:
            return owed.reply(type);
    }
}

void send(pipeline& owed, char type) {
    if (type == own_query) {
        if (!owed.needs_sync() && !owed.copy_in_open()) {
            owed.sent(request::query, origin::pooler);
            require(!owed.settled());
        }
        return;
    }
    const auto what = request_of(type);
    if (!what) {
        return;
    }
    owed.sent(*what);
    if (*what != request::flush && *what != request::copy_data && *what != request::copy_end) {
        require(!owed.releasable());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    pipeline owed;
    bool desynced = false;
    for (std::size_t index = 0; index < size; ++index) {
        const char type = static_cast<char>(data[index] & ~top_bit);
        if ((data[index] & top_bit) == 0) {
            send(owed, type);
        } else {
            const bool own = owed.own_next();
            const verdict said = answer(owed, type);
            require(!desynced || said == verdict::desync);
            require(said != verdict::own || own);
            desynced = said == verdict::desync;
        }
        require(!desynced || !owed.settled());
        check(owed);
    }
    return 0;
}
