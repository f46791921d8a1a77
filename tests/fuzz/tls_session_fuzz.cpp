// A client's side of TLS that may be anything, in any splits: the first byte of the input chooses
// how the session begins, the second how the rest is cut. No bytes are heard from somebody who has
// not gone through a handshake, what is sent is whole records, and the splits do not matter.

#include "net/tls_session.hpp"
#include "support/certificates.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace pgweir;
using net::tls_session;

void require(bool property) {
    if (!property) {
        __builtin_trap();
    }
}

/// Whole records: a type, a version (an alert has the client's, if it is none), a length, and as
/// many bytes. `cut`: the last of them may be
/// part of one, which is the alert of a session that has failed when there was no more room.
void check_records(std::string_view sent, bool cut) {
    while (!sent.empty()) {
        if (cut && sent.size() < 7) {
            return;
        }
        require(sent.size() >= 5 && sent[0] >= 20 && sent[0] <= 23);
        const auto high = static_cast<unsigned char>(sent[3]);
        const auto low = static_cast<unsigned char>(sent[4]);
        const std::size_t size = 5 + (std::size_t{high} << 8 | low);
        require(sent.size() >= size);
        sent.remove_prefix(size);
    }
}

tls_session::step run(std::string_view bytes, std::uint8_t choice, std::size_t piece) {
    static test::authority signer;
    static const auto context =
        *net::tls_context::for_clients(test::serving(signer.issue("localhost")), test::tls_names);
    const auto how = (choice & 1) != 0 ? tls_session::begin::direct : tls_session::begin::asked;
    const auto session = tls_session::accept(context, how);
    std::array<char, 512> plain_memory{};
    std::array<char, 512> out_memory{};
    std::string sent;
    auto last = tls_session::step::wants_input;
    while (last == tls_session::step::wants_input && !bytes.empty()) {
        std::string_view part = bytes.substr(0, piece == 0 ? bytes.size() : piece);
        bytes.remove_prefix(part.size());
        do {
            net::tls_buffer plain{plain_memory.data(), plain_memory.size()};
            net::tls_buffer out{out_memory.data(), out_memory.size()};
            last = session->read(part, plain, out);
            sent += out.view();
            require(plain.size == 0 || session->established());
        } while (last == tls_session::step::again);
    }
    check_records(sent, last == tls_session::step::failed);
    require((last == tls_session::step::failed) == bool(session->error()));
    require(!session->established() || last != tls_session::step::failed);
    return last;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    require(run(bytes, data[0], 1U + data[1] % 64) == run(bytes, data[0], 0));
    return 0;
}
