// The answer to auth_query, as any server may send it, in any splits. The first byte says how it is
// cut. A user is found only if a row of two columns with a name and a password says so, and the
// splits do not matter.

#include "session/auth_query.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace pgweir;
using kind = session::looked_up::kind;

void require(bool property) {
    if (!property) {
        __builtin_trap();
    }
}

session::looked_up read(std::string_view bytes, std::size_t piece) {
    session::auth_reply reply;
    while (!bytes.empty()) {
        const std::string_view part = bytes.substr(0, piece == 0 ? bytes.size() : piece);
        bytes.remove_prefix(part.size());
        reply.feed(part);
    }
    return std::move(reply).result();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string bytes(data + 1, data + size);
    const auto cut = read(bytes, 1U + data[0] % 64);
    const auto whole = read(bytes, 0);
    require(cut.what == whole.what && cut.name == whole.name && cut.password == whole.password);
    switch (whole.what) {
        case kind::found:
            require(!whole.name.empty() && bytes.find(whole.name) != bytes.npos);
            require(bytes.find(whole.password.view()) != bytes.npos);
            require(bytes.find('D') != bytes.npos && bytes.find('T') != bytes.npos);
            break;
        case kind::nobody:
            require(whole.name.empty() && whole.password.empty());
            break;
        case kind::refused:
            require(!whole.detail.empty() && whole.password.empty());
            break;
    }
    return 0;
}
