// A user list from anywhere: it is refused with its line, or holds users that can be written as a
// list again which says the same.

#include "config/userlist.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace pgweir;
using namespace pgweir::config;

void require(bool property) {
    if (!property) {
        __builtin_trap();
    }
}

std::string quoted(std::string_view word) {
    std::string made = "\"";
    for (const char c : word) {
        made.append(c == '"' ? 2 : 1, c);
    }
    return made + "\"";
}

void check_list(const user_list& list) {
    std::string written;
    for (const auto& [name, stored] : list.users()) {
        require(!name.empty() && name.size() <= 127);
        require(stored.value.view().size() <= 65530);
        require(list.find(name) == &stored.value);
        written += quoted(name) + " " + quoted(stored.value.view()) + "\n";
    }
    const auto again = parse_user_list(written, "again");
    require(again.has_value());
    require(again->size() == list.size() && again->warnings().empty());
    for (const auto& [name, stored] : list.users()) {
        const secret* found = again->find(name);
        require(found != nullptr && *found == stored.value);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(data, data + size);
    const auto list = parse_user_list(input, "users");
    if (list) {
        check_list(*list);
    } else {
        require(list.error().message.starts_with("users:"));
    }
    return 0;
}
