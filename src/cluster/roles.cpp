#include "cluster/roles.hpp"

#include "cluster/connection.hpp"
#include "cluster/data_directory.hpp"
#include "cluster/files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace pgweir::cluster {

namespace {

/// Fills in what the server says of itself. A server that does not answer leaves it as it is.
void ask(
    role_sighting& seen, const cluster_settings& cluster, const node& server, const secret& word
) {
    auto opened = connection::open(
        {server.host,
         server.port,
         cluster.prober.name,
         "postgres",
         word,
         connection_kind::ordinary,
         seconds(2)}
    );
    if (!opened) {
        return;
    }
    // The name of a WAL segment begins with the timeline; a standby has no current position.
    const auto answer = opened->value(
        "SELECT CASE WHEN pg_is_in_recovery() THEN '' "
        "ELSE substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) END"
    );
    if (!answer || !*answer) {
        return;
    }
    const std::string& timeline = **answer;
    seen.answers_as = timeline.empty() ? server_role::standby : server_role::primary;
    std::from_chars(timeline.data(), timeline.data() + timeline.size(), seen.timeline, 16);
}

}  // namespace

std::string choose_primary(
    const cluster_settings& cluster,
    const std::vector<role_sighting>& sightings,
    const cluster_state& state
) {
    const std::string& remembered = state.primary;
    const std::string_view expected =
        cluster.find(remembered) != nullptr ? remembered : cluster.primary.name;
    const role_sighting* best = nullptr;
    for (const role_sighting& each : sightings) {
        if (each.answers_as != server_role::primary) {
            continue;
        }
        const bool wins = best == nullptr || each.timeline > best->timeline ||
                          (each.timeline == best->timeline && each.name == expected);
        best = wins ? &each : best;
    }
    if (best != nullptr) {
        return best->name;
    }
    const auto has_primary_data = [](const role_sighting& each) {
        return each.data_of == server_role::primary;
    };
    const auto was_promoted = [&](const role_sighting& each) {
        return state.pending && each.name == state.pending->to && has_primary_data(each);
    };
    if (std::any_of(sightings.begin(), sightings.end(), was_promoted)) {
        return state.pending->to;
    }
    if (cluster.find(remembered) != nullptr) {
        return remembered;
    }
    // Nothing answers and nothing is remembered: the only data directory of a primary, if it is.
    if (std::count_if(sightings.begin(), sightings.end(), has_primary_data) == 1) {
        return std::find_if(sightings.begin(), sightings.end(), has_primary_data)->name;
    }
    return std::string(expected);
}

cluster_settings with_primary(const cluster_settings& cluster, std::string_view name) {
    cluster_settings changed = cluster;
    if (changed.primary.name == name) {
        return changed;
    }
    const auto chosen =
        std::find_if(changed.standbys.begin(), changed.standbys.end(), [&](const node& each) {
            return each.name == name;
        });
    std::swap(changed.primary, *chosen);
    changed.primary.role = server_role::primary;
    chosen->role = server_role::standby;
    return changed;
}

std::string state_text(const cluster_state& state) {
    std::string text = fmt::format(
        "# Written by pgweirctl at each change of primary.\nprimary = {}\n", state.primary
    );
    if (state.pending) {
        text += fmt::format("from = {}\nto = {}\n", state.pending->from, state.pending->to);
    }
    return text;
}

cluster_state state_from(std::string_view text) {
    cluster_state state;
    pending_change pending;
    std::istringstream lines{std::string(text)};
    for (std::string key, equals, value, line; std::getline(lines, line);) {
        std::istringstream words(line);
        if (!(words >> key >> equals >> value) || equals != "=") {
            continue;
        }
        if (key == "primary") {
            state.primary = value;
        } else if (key == "from") {
            pending.from = value;
        } else if (key == "to") {
            pending.to = value;
        }
    }
    if (!pending.from.empty() && !pending.to.empty()) {
        state.pending = pending;
    }
    return state;
}

cluster_state read_state(const cluster_settings& cluster) {
    const auto text = read_text(cluster.state_file());
    if (!text || !*text) {
        return {};
    }
    cluster_state state = state_from(**text);
    if (cluster.find(state.primary) == nullptr) {
        return {};
    }
    if (state.pending && (cluster.find(state.pending->from) == nullptr ||
                          cluster.find(state.pending->to) == nullptr)) {
        state.pending.reset();
    }
    return state;
}

std::vector<role_sighting> look_at_roles(
    const cluster_settings& cluster, const std::optional<secret>& prober_password
) {
    std::vector<role_sighting> sightings;
    for (const node* server : cluster.nodes()) {
        role_sighting seen;
        seen.name = server->name;
        const bool here = is_data_directory(server->data);
        if (here) {
            seen.data_of =
                is_standby_data(server->data) ? server_role::standby : server_role::primary;
        }
        if (prober_password && (!here || server_runs(server->data))) {
            ask(seen, cluster, *server, *prober_password);
        }
        sightings.push_back(std::move(seen));
    }
    return sightings;
}

}  // namespace pgweir::cluster
