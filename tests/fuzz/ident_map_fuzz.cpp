// A file of maps, and a name and a user that strangers choose: three texts with zero bytes between
// them. Whatever they are it ends soon, and nobody without a name is anybody. The same name is put
// into a filter and a DN of LDAP, and cannot mean anything but itself there.

#include "auth/ident_map.hpp"
#include "auth/ldap_options.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace pgweir::auth;

void require(bool property) {
    if (!property) {
        __builtin_trap();
    }
}

std::string_view take(std::string_view& text) {
    const std::size_t end = text.find('\0');
    const std::string_view taken = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    return taken;
}

void check_escapes(std::string_view name) {
    const std::string filter = escape_filter(name);
    require(filter.find_first_of("*()") == filter.npos);
    const std::string dn = escape_dn(name);
    require(dn.find_first_of(",+\"<>;=#") == dn.npos);
    const bool alone = name.find_first_of("*()\\,+\"<>;=# ") == name.npos;
    bool printable = true;
    for (const char c : name) {
        printable = printable && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    }
    require(!alone || !printable || (filter == name && dn == name));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::string_view name = take(text);
    const std::string_view user = take(text);
    check_escapes(name);
    const auto maps = ident_map::parse(text, "ident");
    if (!maps) {
        require(maps.error().message.starts_with("ident:"));
        return 0;
    }
    const bool allowed = is_allowed(&*maps, "m", name, user);
    require(!allowed || !name.empty());
    require(!allowed || maps->size() > 0);
    return 0;
}
