#include "session/routing_counts.hpp"

namespace pgweir::session {

std::string_view name_of(repair_reason why) noexcept {
    switch (why) {
        case repair_reason::refused:
            return "refused";
        case repair_reason::conflict:
            return "conflict";
        case repair_reason::lost:
            return "lost";
        case repair_reason::other:
            return "other";
    }
    return "";
}

}  // namespace pgweir::session
