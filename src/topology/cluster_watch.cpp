#include "topology/cluster_watch.hpp"

#include "base/log.hpp"
#include "topology/prober.hpp"
#include "topology/pursuit.hpp"
#include "topology/state_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace pgweir::topology {

namespace {

/// While a cluster has just lost its primary, its servers are asked this often: somebody will be
/// promoted, and clients wait for it. A cluster may also be of standbys alone, so not for ever.
constexpr milliseconds hurried_interval{20};
constexpr seconds longest_hurry{60};

steady_time now() noexcept {
    return std::chrono::steady_clock::now();
}

std::vector<std::string> names_of(const planned_cluster& cluster) {
    std::vector<std::string> names;
    for (const host_settings& each : cluster.hosts) {
        names.push_back(fmt::format("{}:{}", each.name, each.port));
    }
    return names;
}

}  // namespace

struct cluster_watch::state {
    /// A server, whoever it belongs to.
    struct server {
        server_access access;
        std::optional<report> last;  // for clusters that come later
        std::unique_ptr<prober> asking;
    };

    struct cluster {
        cluster(
            cluster_number id,
            planned_cluster what,
            const lag_limits& limits,
            const memory& known,
            std::uint64_t first_term
        )
            : number(id),
              planned(std::move(what)),
              names(names_of(planned)),
              judge(planned.hosts, limits, known, planned.servers.front().user, first_term) {}

        const cluster_number number;
        planned_cluster planned;
        const std::vector<std::string> names;  // of its hosts
        std::vector<server*> servers;          // in the order of its hosts
        cluster_state judge;
        router::cluster_view_ptr view;
        pursuit fresh{router::awaited::fresh_standby};
        pursuit shown{router::awaited::showing_primary};
        steady_time changed_at = now();  // when the primary became what it is
        bool hurried = true;
    };

    explicit state(publisher target) : publish(std::move(target)) {}

    const publisher publish;
    mutable std::mutex mutex;  // for all below
    std::vector<std::unique_ptr<server>> servers;
    std::vector<std::unique_ptr<cluster>> clusters;
    cluster_number last_number = 0;
    microseconds interval{0};
    std::uint64_t last_term = 0;  // the highest of all clusters that there were
    state_file file;
    bool is_saved = true;  // what is in `file`
    bool stopped = false;

    // Writing takes its time, so it happens without `mutex`; this one is taken before it.
    std::mutex saving;
    std::string trouble;  // under `saving`: why it was not written, when that was last tried

    /// Writes down what is to be remembered. REQUIRES: `mutex` is not held.
    void save();

    using old_clusters = std::vector<std::unique_ptr<cluster>>;

    // REQUIRES of all of these: `mutex` is held.
    void add_cluster(const planned_cluster& what, const plan& all, const old_clusters& gone);
    cluster* find_cluster(cluster_number number);
    const cluster* cluster_of(std::string_view database) const;
    server& find_server(const server_access& to);
    void on_report(const server* from, const report& what);
    void take(cluster& of, std::size_t host, const report& what);
    void show(cluster& of);
    void set_pace();
    void write_notes(cluster& of);
    void remember(const cluster& of);
    void pursue(const cluster& of);
    std::vector<std::unique_ptr<server>> take_unused();
};

cluster_watch::cluster_watch(publisher publish)
    : state_(std::make_shared<state>(std::move(publish))) {}

cluster_watch::~cluster_watch() {
    stop();
}

// What is watched.

result<cluster_numbers> cluster_watch::use(const plan& next) {
    auto file = state_file::load(next.state_file);
    if (!file) {
        return file.error();
    }
    std::vector<std::unique_ptr<state::server>> unused;
    cluster_numbers numbers;
    {
        const std::lock_guard lock(state_->mutex);
        if (file->path() != state_->file.path()) {
            state_->file = std::move(*file);
        }
        const auto kept = std::stable_partition(
            state_->clusters.begin(),
            state_->clusters.end(),
            [&](const std::unique_ptr<state::cluster>& old) {
                return std::any_of(
                    next.clusters.begin(),
                    next.clusters.end(),
                    [&](const planned_cluster& each) { return each.is_like(old->planned); }
                );
            }
        );
        const state::old_clusters gone(
            std::make_move_iterator(kept), std::make_move_iterator(state_->clusters.end())
        );
        state_->clusters.erase(kept, state_->clusters.end());
        for (const auto& old : gone) {
            state_->publish(old->number, nullptr);
        }
        state_->interval = next.interval;
        for (const planned_cluster& each : next.clusters) {
            state_->add_cluster(each, next, gone);
        }
        for (const auto& each : state_->clusters) {
            for (const planned_database& db : each->planned.databases) {
                numbers[db.name] = each->number;
            }
        }
        unused = state_->take_unused();
        state_->set_pace();
    }
    state_->save();
    return numbers;  // and now the threads end that nobody needs, without the mutex
}

void cluster_watch::state::add_cluster(
    const planned_cluster& what, const plan& all, const old_clusters& gone
) {
    for (const auto& old : clusters) {
        if (old->planned.is_like(what)) {
            old->planned.databases = what.databases;
            old->judge.set_limits(all.limits);
            return remember(*old);
        }
    }
    const memory known = file.recall(names_of(what));
    clusters.push_back(std::make_unique<cluster>(++last_number, what, all.limits, known, last_term)
    );
    cluster& made = *clusters.back();
    for (const server_access& to : what.servers) {
        made.servers.push_back(&find_server(to));
    }
    const auto heir_of = std::max_element(gone.begin(), gone.end(), [&](auto& a, auto& b) {
        return made.judge.shared_with(a->judge) < made.judge.shared_with(b->judge);
    });
    if (heir_of != gone.end() && made.judge.shared_with((*heir_of)->judge) != 0) {
        made.judge.succeed((*heir_of)->judge, now());
    }
    show(made);
    for (std::size_t host = 0; host < made.servers.size(); host++) {
        if (const auto& last = made.servers[host]->last) {
            take(made, host, *last);
        } else if (made.judge.view().hosts[host].state != router::host_state::unknown) {
            take(made, host, {report::kind::broken, {}, "it is connected to anew"});
        }
    }
}

const cluster_watch::state::cluster* cluster_watch::state::cluster_of(std::string_view database
) const {
    for (const auto& each : clusters) {
        for (const planned_database& one : each->planned.databases) {
            if (one.name == database) {
                return each.get();
            }
        }
    }
    return nullptr;
}

cluster_watch::state::server& cluster_watch::state::find_server(const server_access& to) {
    const auto found = std::find_if(servers.begin(), servers.end(), [&](const auto& each) {
        return each->access == to;
    });
    if (found != servers.end()) {
        return **found;
    }
    servers.push_back(std::make_unique<server>());
    server* made = servers.back().get();
    made->access = to;
    made->asking = std::make_unique<prober>(to, interval, [this, made](const report& what) {
        bool unsaved = false;
        {
            const std::lock_guard lock(mutex);
            on_report(made, what);
            unsaved = !is_saved;
        }
        if (unsaved) {
            save();
        }
    });
    return *made;
}

std::vector<std::unique_ptr<cluster_watch::state::server>> cluster_watch::state::take_unused() {
    const auto used = [this](const std::unique_ptr<server>& each) {
        return std::any_of(clusters.begin(), clusters.end(), [&](const auto& of) {
            return std::find(of->servers.begin(), of->servers.end(), each.get()) !=
                   of->servers.end();
        });
    };
    const auto first = std::stable_partition(servers.begin(), servers.end(), used);
    std::vector<std::unique_ptr<server>> unused(
        std::make_move_iterator(first), std::make_move_iterator(servers.end())
    );
    servers.erase(first, servers.end());
    return unused;
}

// What servers say.

void cluster_watch::state::on_report(const server* from, const report& what) {
    if (stopped) {
        return;
    }
    for (const auto& of : clusters) {
        for (std::size_t host = 0; host < of->servers.size(); host++) {
            if (of->servers[host] == from) {
                take(*of, host, what);
            }
        }
    }
    for (const auto& each : servers) {
        if (each.get() == from) {
            each->last = what;
        }
    }
}

void cluster_watch::state::take(cluster& of, std::size_t host, const report& what) {
    const std::uint64_t term = of.judge.view().term;
    const router::host_role role = of.judge.view().hosts[host].role;
    of.judge.take(host, what, now());
    write_notes(of);
    remember(of);
    show(of);
    const bool changed = of.judge.view().term != term;
    if (changed || of.judge.view().hosts[host].role != role) {
        for (server* each : of.servers) {
            each->asking->hurry();  // where one thing has changed, others do
        }
    }
    of.changed_at = changed ? now() : of.changed_at;
    const bool hurried = !of.view->primary && now() - of.changed_at < longest_hurry;
    if (std::exchange(of.hurried, hurried) != hurried) {
        set_pace();
    }
    if (of.view->primary == host) {
        for (server* each : of.servers) {
            each->asking->ask_about(of.judge.running());
        }
    }
    pursue(of);
}

void cluster_watch::state::show(cluster& of) {
    of.view = std::make_shared<const router::cluster_view>(of.judge.view());
    last_term = std::max(last_term, of.view->term);
    publish(of.number, of.view);
}

void cluster_watch::state::set_pace() {
    for (const auto& each : servers) {
        const bool hurried = std::any_of(clusters.begin(), clusters.end(), [&](const auto& of) {
            return of->hurried && std::find(of->servers.begin(), of->servers.end(), each.get()) !=
                                      of->servers.end();
        });
        each->asking->set_interval(
            hurried ? std::min<microseconds>(interval, hurried_interval) : interval
        );
    }
}

void cluster_watch::state::write_notes(cluster& of) {
    for (const note& each : of.judge.take_notes()) {
        log::write(each.level, "topology of {}: {}", of.planned.databases.front().name, each.text);
    }
}

void cluster_watch::state::remember(const cluster& of) {
    const memory& known = of.judge.remembered();
    if (known.system_identifier != 0 && file.remember(of.names, known)) {
        is_saved = false;
    }
}

void cluster_watch::state::save() {
    const std::lock_guard one(saving);
    state_file copy;
    {
        const std::lock_guard lock(mutex);
        if (std::exchange(is_saved, true)) {
            return;
        }
        copy = file;
    }
    const auto saved = copy.save();
    if (!saved && saved.error().message != trouble) {
        log::error("{}", saved.error().message);
    }
    trouble = saved ? "" : saved.error().message;
}

// What somebody waits for.

void cluster_watch::sample(cluster_number number, router::awaited what, microseconds patience) {
    const steady_time asked = now();
    const std::lock_guard lock(state_->mutex);
    if (state::cluster* of = state_->find_cluster(number)) {
        const bool fresh = what == router::awaited::fresh_standby;
        (fresh ? of->fresh : of->shown).want(asked, patience);
        state_->pursue(*of);
    }
}

cluster_watch::state::cluster* cluster_watch::state::find_cluster(cluster_number number) {
    const auto found = std::find_if(clusters.begin(), clusters.end(), [&](const auto& each) {
        return each->number == number;
    });
    return found == clusters.end() ? nullptr : found->get();
}

void cluster_watch::state::pursue(const cluster& of) {
    for (const pursuit* each : {&of.fresh, &of.shown}) {
        for (const std::size_t host : each->next(*of.view, now())) {
            of.servers[host]->asking->ask_now();
        }
    }
}

std::vector<cluster_report> cluster_watch::clusters() const {
    std::vector<cluster_report> all;
    const std::lock_guard lock(state_->mutex);
    for (const auto& of : state_->clusters) {
        cluster_report& made = all.emplace_back();
        made.number = of->number;
        made.view = of->view;
        for (const planned_database& db : of->planned.databases) {
            made.databases.push_back(db.name);
        }
    }
    return all;
}

std::optional<server_access> cluster_watch::access_to(
    const std::string& database, const std::string& dbname
) const {
    const std::lock_guard lock(state_->mutex);
    const state::cluster* of = state_->cluster_of(database);
    if (of == nullptr) {
        of = state_->cluster_of("*");
    }
    if (of == nullptr) {
        return std::nullopt;
    }
    std::optional<std::size_t> chosen = of->view->primary;
    for (std::size_t host = 0; !chosen && host < of->view->hosts.size(); host++) {
        if (of->view->hosts[host].may_be_read()) {
            chosen = host;
        }
    }
    if (!chosen) {
        return std::nullopt;
    }
    server_access to = of->planned.servers[*chosen];
    to.dbname = dbname;
    return to;
}

void cluster_watch::stop(milliseconds patience) {
    std::vector<std::unique_ptr<state::server>> ending;
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopped = true;
        state_->clusters.clear();
        ending = std::move(state_->servers);
        state_->servers.clear();
    }
    const steady_time until = now() + patience;
    for (const auto& each : ending) {
        each->asking->stop(
            std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(until - now()))
        );
    }
}

}  // namespace pgweir::topology
