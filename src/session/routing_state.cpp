#include "session/routing_state.hpp"

#include "session/client.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pgweir::session {

routing_state::routing_state(client& c, pool::pool& of, std::optional<config::routing> by_listener)
    : owner(c), home(of), session(by_listener), chance(c.id()) {}

void routing_state::on_view() {
    owner.on_view();
}

const router::name_scope& routing_state::scope(const pool::parameter_set_ptr& parameters) {
    if (scope_of_ == parameters) {
        return scope_;
    }
    scope_of_ = parameters;
    const auto extra = [&](std::string_view name, std::string_view otherwise) {
        const auto found = parameters->extras().find(name);
        return found == parameters->extras().end() ? otherwise : std::string_view(found->second);
    };
    scope_.catalogue = home.database.number;
    scope_.role = extra("role", home.user);
    scope_.user = home.user;
    scope_.search_path = extra("search_path", {});
    scope_.strings = parameters->values()[pool::parameter_store::conforming_strings] == "off"
                         ? sql::backslash::escapes
                         : sql::backslash::plain;
    return scope_;
}

void routing_state::use_view(const router::cluster_view_ptr& now) {
    if (view == now) {
        return;
    }
    const auto same_host = [](const router::host_view& a, const router::host_view& b) {
        return a.port == b.port && a.name == b.name;
    };
    const bool same_hosts =
        view != nullptr && now != nullptr && view->primary == now->primary &&
        std::equal(
            view->hosts.begin(), view->hosts.end(), now->hosts.begin(), now->hosts.end(), same_host
        );
    if (!same_hosts) {
        pools.clear();
    }
    view = now;
}

pool::pool& routing_state::pool_of_host(pool::pool_core& core, std::size_t at) {
    pools.resize(view->hosts.size());
    if (pools[at] == nullptr) {
        const router::host_view& there = view->hosts[at];
        pools[at] = view->primary == at
                        ? &home
                        : &core.find_host_pool(home, router::key_of(there.name, there.port));
    }
    return *pools[at];
}

void routing_state::forget_lease() {
    unlink();
    lease = use::none;
    fixed = false;
    one_segment = false;
    left = 0;
    begin_before.clear();
    names_before.reset();
    if (!guard.off()) {
        guard.end();
    }
}

}  // namespace pgweir::session
