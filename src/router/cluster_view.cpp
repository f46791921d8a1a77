#include "router/cluster_view.hpp"

#include <fmt/format.h>

namespace pgweir::router {

std::string_view name_of(host_role role) noexcept {
    switch (role) {
        case host_role::unknown:
            return "unknown";
        case host_role::primary:
            return "primary";
        case host_role::standby:
            return "standby";
    }
    return "";
}

std::string_view name_of(host_state state) noexcept {
    switch (state) {
        case host_state::unknown:
            return "unknown";
        case host_state::serving:
            return "serving";
        case host_state::late:
            return "late";
        case host_state::unreachable:
            return "unreachable";
        case host_state::foreign:
            return "foreign";
        case host_state::outdated:
            return "outdated";
        case host_state::fenced:
            return "fenced";
    }
    return "";
}

std::string key_of(std::string_view name, int port) {
    return fmt::format("{}:{}", name, port);
}

}  // namespace pgweir::router
