#include "session/routing_state.hpp"

#include "session/client.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pgweir::session {

routing_state::routing_state(client& c, pool::pool& of, std::optional<config::routing> by_listener)
    : owner(c), home(of), session(by_listener), chance_(c.id()) {}

void routing_state::on_view() {
    owner.on_view();
}

const router::name_scope& routing_state::scope(const pool::parameter_set_ptr& parameters) {
    if (scope_of_ == parameters) {
        return scope_;
    }
    scope_of_ = parameters;
    verdicts.clear();
    const auto extra = [&](std::string_view name, std::string_view otherwise) {
        const auto found = parameters->extras().find(name);
        return found == parameters->extras().end() ? otherwise : std::string_view(found->second);
    };
    scope_.catalogue = home.database.number;
    scope_.role = extra("role", home.user);
    if (scope_.role == "none") {
        scope_.role = home.user;
    }
    scope_.user = home.user;
    const std::optional<std::string>& path =
        parameters->values()[pool::parameter_store::search_path];
    // Empty is the user's default here, and a path with nothing in it there.
    constexpr std::string_view no_path = "\"\"";
    scope_.search_path = !path ? std::string_view() : path->empty() ? no_path : *path;
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

std::uint64_t routing_state::next_chance() noexcept {
    chance_ += 0x9e3779b97f4a7c15;  // splitmix64
    std::uint64_t z = chance_;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

router::candidates routing_state::let_in(
    pool::pool_core& core, const router::candidates& from, steady_time now
) {
    router::candidates found;
    for (std::size_t i = 0; i < from.count; i++) {
        if (!core.failing(pool_of_host(core, from.index[i]), now)) {
            found.add(from.index[i]);
        }
    }
    return found;
}

std::optional<std::size_t> routing_state::any_host(
    pool::pool_core& core, const router::candidates& from
) {
    return router::choose_host(*view, from, next_chance(), [&](std::size_t at) {
        return pool::pool_core::load(pool_of_host(core, at));
    });
}

std::optional<std::size_t> routing_state::kept_host(
    pool::pool_core& core, const router::candidates& from, const router::read_marks& marks
) {
    if (from.count == 0) {
        return std::nullopt;
    }
    const std::uint64_t chance = next_chance();
    const auto look = [&](std::size_t at) {
        pool::pool& p = pool_of_host(core, at);
        const auto load = static_cast<std::uint64_t>(pool::pool_core::load(p));
        p.usual_load = router::usual_load(p.usual_load, load);
        return router::reader_load{
            static_cast<std::uint64_t>(p.readers),
            p.usual_load,
            static_cast<std::uint64_t>(view->hosts[at].weight)};
    };
    for (std::size_t i = 0; i < from.count; i++) {
        const std::size_t here = from.index[i];
        if (reader_ == nullptr || reader_ != &pool_of_host(core, here)) {
            continue;
        }
        const std::size_t other = from.index[chance % from.count];
        if (other != here && router::should_move(look(here), look(other)) &&
            router::is_fresh(view->hosts[other], marks)) {
            keep_to(&pool_of_host(core, other));
            return other;
        }
        return here;
    }
    const auto found = router::fewest_for_weight(*view, from, chance, [&](std::size_t at) {
        return pool_of_host(core, at).readers;
    });
    if (found) {
        keep_to(&pool_of_host(core, *found));
    }
    return found;
}

std::optional<std::size_t> routing_state::settled_host(
    const router::candidates& from, const router::read_marks& marks
) noexcept {
    constexpr std::uint8_t reads_between_looks = 8;
    if (reader_ == nullptr || pools.size() != view->hosts.size() ||
        ++settled_reads_ % reads_between_looks == 0) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < from.count; i++) {
        const std::size_t here = from.index[i];
        if (pools[here] == reader_) {
            return router::is_fresh(view->hosts[here], marks) ? std::optional(here) : std::nullopt;
        }
    }
    return std::nullopt;
}

void routing_state::keep_to(pool::pool* reader) {
    if (reader_ != nullptr) {
        reader_->readers--;
    }
    reader_ = reader;
    if (reader_ != nullptr) {
        reader_->readers++;
    }
}

void routing_state::forget_waits() noexcept {
    waits_for = view_wait::nothing;
    wait_until = steady_time::min();
    shown_until = steady_time::min();
}

void routing_state::forget_lease() {
    unlink();
    lease = use::none;
    fixed = false;
    or_primary = false;
    one_segment = false;
    segment_sent = false;
    could_be_read = false;
    left = 0;
    begin_before.clear();
    if (!guard.off()) {
        guard.end();
    }
}

}  // namespace pgweir::session
