#include "router/judge.hpp"

namespace pgweir::router {

std::string_view name_of(reason why) noexcept {
    switch (why) {
        case reason::read:
            return "read";
        case reason::not_judged:
            return "not_judged";
        case reason::writes:
            return "writes";
        case reason::locks:
            return "locks";
        case reason::function:
            return "function";
        case reason::session_state:
            return "session_state";
        case reason::server_state:
            return "server_state";
        case reason::not_understood:
            return "not_understood";
        case reason::unknown_name:
            return "unknown_name";
        case reason::refused:
            return "refused";
        case reason::transaction:
            return "transaction";
    }
    return "";
}

}  // namespace pgweir::router
