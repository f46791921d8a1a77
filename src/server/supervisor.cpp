#include "server/supervisor.hpp"

#include "auth/stored_secret.hpp"
#include "config/changes.hpp"
#include "config/load.hpp"
#include "config/password_file.hpp"
#include "config/show.hpp"
#include "server/client_tls.hpp"
#include "server/service_manager.hpp"
#include "server/snapshots.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fmt/format.h>

#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <system_error>

namespace pgweir::server {

namespace {

/// How often the pools are told that time has passed, and waiting operators are answered.
constexpr milliseconds tick_length{50};

/// The kind of secret that most users have.
auth::secret_kind most_common(const config::user_list& users) {
    std::map<auth::secret_kind, std::size_t> counts;
    for (const auto& [name, user] : users.users()) {
        counts[auth::classify(user.value.view())]++;
    }
    const auto most = std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) {
        return a.second < b.second;
    });
    return most == counts.end() ? auth::secret_kind::scram : most->first;
}

bool asks_for_users(config::auth_type type) {
    return type != config::auth_type::any && type != config::auth_type::pam;
}

/// Which servers are to be watched. A secret that is not a plain password opens no server.
result<topology::plan> plan_of(const session::runtime& settings) {
    const auto plain = [&](std::string_view user) -> const secret* {
        const secret* stored = settings.users->find(user);
        return stored != nullptr && auth::classify(stored->view()) == auth::secret_kind::plain
                   ? stored
                   : nullptr;
    };
    return topology::make_plan(*settings.configuration, {settings.topology_password, plain});
}

/// Servers that are not secured any more as the settings say are replaced when they are free.
void reconnect_changed_tls(
    const session::runtime& before,
    const session::runtime& now,
    pool::pool_core& core,
    pool::actions& out
) {
    for (const auto& [name, db] : core.databases()) {
        const auto was = before.server_tls->terms_of(before.configuration->global, db->settings);
        if (was != now.server_tls->terms_of(now.configuration->global, db->settings)) {
            core.reconnect(db.get(), out);
        }
    }
}

/// What auth_type needs beside the users.
result<void> load_methods(const config::settings& global, session::runtime& made) {
    if (global.auth_type == config::auth_type::ldap) {
        auto read = auth::parse_ldap_options(global.auth_ldap_options.view());
        if (!read) {
            return failure{"auth_ldap_options: " + read.error().message};
        }
        made.ldap = std::make_shared<const auth::ldap_options>(*std::move(read));
    }
    if (global.auth_type != config::auth_type::hba) {
        return {};
    }
    auto hba = auth::load_hba(global.auth_hba_file);
    if (!hba) {
        return hba.error();
    }
    made.hba = std::make_shared<const auth::hba_rules>(std::move(*hba));
    if (!global.auth_ident_file.empty()) {
        auto ident = auth::load_ident(global.auth_ident_file);
        if (!ident) {
            return ident.error();
        }
        made.ident = std::make_shared<const auth::ident_map>(std::move(*ident));
    }
    for (const auth::hba_rule& rule : made.hba->rules()) {
        if (!rule.map.empty() && !made.ident) {
            return failure{fmt::format(
                "{}:{}: map={} needs auth_ident_file, which is not set",
                global.auth_hba_file,
                rule.line,
                rule.map
            )};
        }
    }
    return {};
}

result<void> load_topology_password(const config::settings& global, session::runtime& made) {
    if (global.topology_password.empty()) {
        return {};
    }
    auto file = config::load_password_file(global.topology_password);
    if (!file) {
        return failure{"topology_password: " + file.error().message};
    }
    for (const config::warning& w : file->warnings) {
        log::warning("{}", w.text);
    }
    made.topology_password = std::move(file->password);
    return {};
}

}  // namespace

result<session::runtime_ptr> load_runtime(const std::string& path) {
    auto all = config::load(path);
    if (!all) {
        return all.error();
    }
    return load_runtime(*all);
}

result<session::runtime_ptr> load_runtime(
    std::shared_ptr<const config::configuration> all, const session::runtime* before
) {
    const config::settings& global = all->global;
    auto made = std::make_shared<session::runtime>();
    made->users = std::make_shared<const config::user_list>();
    if (!global.auth_file.empty() && asks_for_users(global.auth_type)) {
        auto users = config::load_user_list(global.auth_file);
        if (!users) {
            return users.error();
        }
        made->users = *users;
        made->unknown_as = most_common(*made->users);
    }
    if (auto done = load_topology_password(global, *made); !done) {
        return done.error();
    }
    if (auto done = load_methods(global, *made); !done) {
        return done.error();
    }
    auto client_tls =
        make_client_tls(global, before != nullptr ? before->client_tls : net::tls_context_ptr());
    if (!client_tls) {
        return client_tls.error();
    }
    made->client_tls = std::move(*client_tls);
    auto server_tls =
        pool::server_tls::make(*all, before != nullptr ? before->server_tls.get() : nullptr);
    if (!server_tls) {
        return server_tls.error();
    }
    made->server_tls = std::move(*server_tls);
    made->configuration = std::move(all);
    return session::runtime_ptr(std::move(made));
}

result<session::runtime_ptr> with_setting(
    const session::runtime& before,
    std::shared_ptr<const config::configuration> all,
    std::string_view key
) {
    constexpr std::string_view with_files[] = {
        "auth_file",
        "auth_type",
        "auth_hba_file",
        "auth_ident_file",
        "auth_ldap_options",
        "topology_password"};
    const bool reads =
        key.find("_tls_") != std::string_view::npos ||
        std::find(std::begin(with_files), std::end(with_files), key) != std::end(with_files);
    if (reads) {
        return load_runtime(std::move(all), &before);
    }
    auto made = std::make_shared<session::runtime>(before);
    made->configuration = std::move(all);
    return session::runtime_ptr(std::move(made));
}

result<void> check_clusters(const session::runtime& settings) {
    const auto plan = plan_of(settings);
    return plan ? result<void>() : plan.error();
}

result<net::engine_kind> choose_engine(config::io_engine wanted) {
    if (wanted == config::io_engine::epoll) {
        return net::engine_kind::epoll;
    }
    const std::error_code refusal = net::io_uring_refusal();
    if (!refusal) {
        return net::engine_kind::io_uring;
    }
    if (wanted == config::io_engine::io_uring) {
        return failure{fmt::format(
            "io_engine = io_uring: the system refuses it ({}); set auto or epoll, or allow it "
            "(kernel 6.1 or newer, kernel.io_uring_disabled = 0, a container's seccomp profile)",
            refusal.message()
        )};
    }
    log::info("io_engine: epoll, since the system refuses io_uring ({})", refusal.message());
    return net::engine_kind::epoll;
}

/// Signals are read from a descriptor, like everything else: no thread is interrupted by one, for
/// all threads, the main one and those that start later, hold them. They are held to the end: one
/// that comes while everything is taken down must not kill.
struct supervisor::signals {
    explicit signals(boost::asio::io_context& context) : arrived(context), ticks(context) {
        ::sigset_t watched;
        ::sigemptyset(&watched);
        for (int number : {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2}) {
            ::sigaddset(&watched, number);
        }
        ::pthread_sigmask(SIG_BLOCK, &watched, nullptr);
        const int descriptor = ::signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
        if (descriptor < 0) {
            throw std::system_error(errno, std::generic_category(), "signalfd");
        }
        arrived.assign(descriptor);
    }

    /// Its number; nothing if there is none.
    std::optional<int> next() {
        ::signalfd_siginfo info{};
        const ssize_t size = ::read(arrived.native_handle(), &info, sizeof info);
        return size == sizeof info ? std::optional(static_cast<int>(info.ssi_signo)) : std::nullopt;
    }

    boost::asio::posix::stream_descriptor arrived;
    boost::asio::steady_timer ticks;
};

supervisor::supervisor(session::runtime_ptr settings, net::engine_kind engine, logging& log)
    : runtime_(std::move(settings)),
      log_(log),
      shared_(
          static_cast<pool::worker_id>(config::worker_count(runtime_->configuration->global)),
          engine,
          runtime_->configuration->global.track_extra_parameters
      ),
      signals_(std::make_unique<signals>(loop_.context())),
      overall_(net::loop::now()),
      names_([this](std::uint32_t database, router::catalogue_ptr catalogue) {
          shared_.judge.use_catalogue(database, std::move(catalogue));
      }),
      clusters_([this](topology::cluster_number cluster, const router::cluster_view_ptr& view) {
          take_view(cluster, view);
      }) {
    take_terms();
    shared_.pools.run(
        pool::pool_directory::outside,
        [&](pool::pool_core& core, pool::actions& out) {
            core.configure(runtime_->configuration, out);
        }
    );
    for (pool::worker_id id = 0; id < shared_.pools.worker_total(); id++) {
        workers_.push_back(std::make_unique<worker>(shared_, *this, id, runtime_));
    }
    loop_.share(shared_.names);
    shared_.names.on_gone([this](const std::string& host) {
        for (auto& w : workers_) {
            w->post([&w = *w, host] { w.leave_old_addresses(host); });
        }
    });
}

supervisor::~supervisor() = default;

// Clusters.

result<topology::cluster_numbers> supervisor::watch(const session::runtime& settings) {
    const auto plan = plan_of(settings);
    if (!plan) {
        return plan.error();
    }
    return clusters_.use(*plan);
}

result<void> supervisor::watch_clusters() {
    auto numbers = watch(*runtime_);
    if (!numbers) {
        return numbers.error();
    }
    shared_.pools.run(
        pool::pool_directory::outside,
        [&](pool::pool_core& core, pool::actions& out) {
            core.set_clusters(std::move(*numbers));
            core.configure(runtime_->configuration, out);
            follow_primaries(core, out);
        }
    );
    return {};
}

/// A new view of a cluster. On the thread of the server that has answered; one call at a time.
void supervisor::take_view(topology::cluster_number cluster, const router::cluster_view_ptr& view) {
    for (auto& w : workers_) {
        w->post([&w = *w, cluster, view] { w.take_view(cluster, view); });
    }
    std::vector<std::uint32_t> moved_databases;
    // What the pools decide by it comes to the workers behind it.
    shared_.pools.run(
        pool::pool_directory::outside,
        [&](pool::pool_core& core, pool::actions& out) {
            const router::cluster_view_ptr before = std::exchange(shared_.views[cluster], view);
            if (view == nullptr) {
                shared_.views.erase(cluster);
            }
            const bool moved = before == nullptr || view == nullptr || before->term != view->term;
            for (const auto& [name, db] : core.databases()) {
                if (db->cluster != cluster || view == nullptr) {
                    continue;
                }
                if (moved) {
                    moved_databases.push_back(db->number);
                    core.primary_changed(*db, view->primary.has_value(), net::loop::now(), out);
                }
                for (std::size_t i = 0; before != nullptr && i < before->hosts.size(); i++) {
                    const router::host_view& then = before->hosts[i];
                    const router::host_view& now = view->hosts[i];
                    if (then.incarnation != now.incarnation || then.role != now.role) {
                        core.forsake_host(*db, router::key_of(now.name, now.port), out);
                    }
                }
            }
        }
    );
    for (const std::uint32_t database : moved_databases) {
        names_.refresh(database);
    }
}

/// Databases that have come to a cluster are told what is known of it.
void supervisor::follow_primaries(pool::pool_core& core, pool::actions& out) {
    for (const auto& [name, db] : core.databases()) {
        if (db->cluster == 0) {
            db->no_primary = false;
            continue;
        }
        const auto known = shared_.views.find(db->cluster);
        const bool primary = known != shared_.views.end() && known->second->primary.has_value();
        if (primary == db->no_primary) {
            core.primary_changed(*db, primary, net::loop::now(), out);
        }
        db->names_wanted = false;  // its servers may be others
    }
}

void supervisor::keep_names(
    std::uint32_t database, const std::string& name, const std::string& dbname
) {
    // Its cluster may be another one after a RELOAD.
    names_.want(database, name, [this, name, dbname] { return clusters_.access_to(name, dbname); });
}

// Listening.

std::vector<supervisor::entrance> supervisor::entrances() const {
    const config::settings& global = runtime_->configuration->global;
    std::vector<entrance> all{{global.listen_port, std::nullopt}};
    if (global.listen_port_primary != 0) {
        all.push_back({global.listen_port_primary, config::routing::primary});
    }
    if (global.listen_port_standby != 0) {
        all.push_back({global.listen_port_standby, config::routing::standby});
    }
    return all;
}

net::listener::callback supervisor::accepting(const entrance& where) {
    return [this, route = where.route](int socket, const net::address& peer) {
        accepted(socket, peer, route);
    };
}

result<void> supervisor::listen_tcp(const std::string& address, const entrance& where) {
    const config::settings& global = runtime_->configuration->global;
    using port_use = net::listener::port_use;
    net::listener::tcp_options options;
    options.address = address;
    options.port = where.port;
    options.use = global.so_reuseport ? port_use::shared : port_use::exclusive;
    auto made = net::listener::tcp(workers_[0]->loop(), options, listening(), accepting(where));
    return add_listener(std::move(made), where);
}

result<void> supervisor::listen_local(const entrance& where) {
    const config::settings& global = runtime_->configuration->global;
    net::listener::local_options options;
    options.directory = global.unix_socket_dir;
    options.port = where.port;
    options.mode = global.unix_socket_mode;
    options.group = global.unix_socket_group;
    auto made = net::listener::local(workers_[0]->loop(), options, listening(), accepting(where));
    return add_listener(std::move(made), where);
}

result<void> supervisor::add_listener(
    result<std::unique_ptr<net::listener>> made, const entrance& where
) {
    if (!made) {
        return made.error();
    }
    log::info(
        "listening on {}{}{}",
        (*made)->name(),
        where.route ? ", for the " : "",
        where.route ? config::name_of(*where.route) : std::string_view()
    );
    (*made)->defer_accept(runtime_->configuration->global.tcp_defer_accept);
    listeners_.push_back(std::move(*made));
    return {};
}

/// The worker with the fewest clients; of several, the next in turn.
worker& supervisor::next_worker() noexcept {
    const std::size_t total = workers_.size();
    std::size_t best = next_worker_ % total;
    for (std::size_t step = 1; step < total; step++) {
        const std::size_t other = (next_worker_ + step) % total;
        if (workers_[other]->load() < workers_[best]->load()) {
            best = other;
        }
    }
    next_worker_ = best + 1;
    return *workers_[best];
}

/// On the first worker's thread, which accepts for all (docs/decisions/0005-one-worker-accepts.md).
void supervisor::accepted(
    int socket, const net::address& peer, std::optional<config::routing> route
) {
    worker& next = next_worker();
    next.expect_client();
    if (&next == workers_[0].get()) {
        return next.accept(socket, peer, route);
    }
    next.post([&next, socket, peer, route] { next.accept(socket, peer, route); });
}

result<void> supervisor::listen(std::unique_ptr<taking_over> before) {
    taking_over_ = std::move(before);
    door_name_ = door_name(runtime_->configuration->global);
    for (const entrance& where : entrances()) {
        if (auto done = listen_on(where); !done) {
            return done;
        }
    }
    return {};
}

net::listener::common_options supervisor::listening() {
    return {
        runtime_->configuration->global.listen_backlog,
        taking_over_ ? &taking_over_->sockets() : nullptr};
}

/// Those that were opened by whoever has started us, or the process before. True if there are any:
/// they are instead of what would be opened here.
result<bool> supervisor::listen_passed(const entrance& where) {
    using begin = net::listener::begin;
    const std::size_t before = listeners_.size();
    const begin when = taking_over_ ? begin::later : begin::now;
    std::vector<int> sockets = take_passed_sockets();
    if (taking_over_) {
        std::erase_if(taking_over_->sockets(), [&](net::lent_socket& one) {
            if (one.passed) {
                sockets.push_back(one.socket.release());
            }
            return one.passed;
        });
    }
    for (const int socket : sockets) {
        auto made = net::listener::passed(workers_[0]->loop(), socket, accepting(where), when);
        if (auto done = add_listener(std::move(made), where); !done) {
            return done.error();
        }
    }
    return listeners_.size() > before;
}

/// Fails if a port can be had on none of the addresses.
result<void> supervisor::listen_on(const entrance& where) {
    const config::settings& global = runtime_->configuration->global;
    const std::size_t before = listeners_.size();
    std::optional<failure> problem;
    if (!where.route) {
        const auto passed = listen_passed(where);
        if (!passed || *passed) {
            return passed ? result<void>() : passed.error();
        }
    }
    for (const std::string& address : global.listen_addr) {
        const std::vector<std::string> places = address == "*"
                                                    ? std::vector<std::string>{"0.0.0.0", "::"}
                                                    : net::listener::addresses_of(address);
        for (const std::string& place : places) {
            if (auto done = listen_tcp(place, where); !done) {
                problem = done.error();
                log::warning("{}", problem->message);
            }
        }
    }
    if (listeners_.size() == before && problem) {
        return *problem;
    }
    if (!global.unix_socket_dir.empty()) {
        if (auto done = listen_local(where); !done) {
            return done;
        }
    }
    if (listeners_.size() == before) {
        return failure{"nowhere to listen: set listen_addr or unix_socket_dir"};
    }
    return {};
}

/// Unix sockets stay until the end, for the console and for cancel requests.
void supervisor::stop_listening() {
    workers_[0]->post([this, all = stopping_] {
        std::erase_if(listeners_, [all](const auto& each) { return all || !each->is_local(); });
        if (all) {
            cancel_entrance_.reset();
        }
    });
}

// Running and ending.

bool supervisor::run(std::function<void()> in_charge) {
    in_charge_ = std::move(in_charge);
    stats_due_ = net::loop::now() + runtime_->configuration->global.stats_period;
    watch_signals();
    tick();
    for (auto& w : workers_) {
        w->start();
    }
    if (taking_over_) {
        taking_over_->start(*this);
    } else {
        open_door();
        in_charge_();
    }
    log::info(
        "pgweir {} is ready: {} worker{} on {}, {} database{}",
        PGWEIR_VERSION,
        workers_.size(),
        workers_.size() == 1 ? "" : "s",
        workers_.front()->loop().streams().name(),
        runtime_->configuration->databases.size(),
        runtime_->configuration->databases.size() == 1 ? "" : "s"
    );
    loop_.run();
    if (taking_over_) {
        taking_over_->stop();
    }
    handing_over_.stop();
    names_.stop();
    clusters_.stop();
    for (auto& w : workers_) {
        w->join();
    }
    shared_.computing.stop(seconds(3600));  // ends by itself, and reads what is taken down next
    shared_.asking_outside.stop();
    log::info("pgweir has ended");
    return !stayed_behind_;
}

void supervisor::watch_signals() {
    using boost::asio::posix::descriptor_base;
    signals_->arrived.async_wait(descriptor_base::wait_read, [this](boost::system::error_code ec) {
        if (ec) {
            return;
        }
        while (const auto number = signals_->next()) {
            on_signal(*number);
        }
        watch_signals();
    });
}

void supervisor::on_signal(int number) {
    admin::operation what;
    what.what = admin::operation_kind::shutdown;
    const bool again = shutdown_ == shutdown_stage::waiting_for_servers ||
                       shutdown_ == shutdown_stage::waiting_for_clients;
    switch (number) {
        case SIGHUP:
            what.what = admin::operation_kind::reload;
            break;
        case SIGUSR1:
            what.what = admin::operation_kind::pause;
            break;
        case SIGUSR2:
            what.what = admin::operation_kind::resume;
            break;
        case SIGINT:
            what.mode =
                again ? admin::shutdown_mode::immediate : admin::shutdown_mode::wait_for_servers;
            break;
        case SIGTERM:
            what.mode =
                again ? admin::shutdown_mode::immediate : admin::shutdown_mode::wait_for_clients;
            break;
        default:
            what.mode = admin::shutdown_mode::immediate;
            break;
    }
    log::info("signal {}: {}", ::strsignal(number), admin::log_text(what));
    const admin::operation_result done = perform(what);
    if (!done.error.empty()) {
        log::warning("{}: {}", admin::log_text(what), done.error);
    }
}

void supervisor::tick() {
    signals_->ticks.expires_after(tick_length);
    signals_->ticks.async_wait([this](boost::system::error_code ec) {
        if (ec) {
            return;
        }
        if (stopping_) {
            // The end is never held up: not even a wake-up that has gone missing could do that.
            for (auto& w : workers_) {
                w->post([] {});
            }
            return tick();
        }
        const steady_time now = net::loop::now();
        shared_.pools.run(
            pool::pool_directory::outside,
            [&](pool::pool_core& core, pool::actions& out) { core.tick(now, out); }
        );
        std::erase_if(waiting_, [this](const waiting_operator& w) { return look_after(w); });
        look_up_names();
        forget_unused();
        if (now >= stats_due_) {
            take_stats();
        }
        if (shutdown_ == shutdown_stage::handed_over) {
            look_after_clients();
        }
        const bool over =
            (shutdown_ == shutdown_stage::handed_over && nobody_left()) ||
            (shutdown_ == shutdown_stage::waiting_for_clients && no_clients()) ||
            (shutdown_ == shutdown_stage::waiting_for_servers &&
             shared_.pools.run(pool::pool_directory::outside, [](auto& core, pool::actions&) {
                 return core.servers_in_use(nullptr) == 0;
             }));
        if (over) {
            stop();
        }
        tick();
    });
}

/// Pools and databases that nobody uses. A worker may have a pointer to one in what was posted to
/// it before, so they live until all workers have come that far.
void supervisor::forget_unused() {
    constexpr seconds apart{1};
    const steady_time now = net::loop::now();
    if (now - unused_looked_at_ < apart) {
        return;
    }
    unused_looked_at_ = now;
    const auto unused = std::make_shared<const pool::unused_entries>(shared_.pools.run(
        pool::pool_directory::outside,
        [&](auto& core, pool::actions&) { return core.forget_unused(now); }
    ));
    if (unused->empty()) {
        return;
    }
    for (const auto& db : unused->databases) {
        windows_.erase(db->name);
        names_.forget(db->number);
        shared_.judge.use_catalogue(db->number, nullptr);
        log::info("database {}: not used for autodb_idle_timeout, forgotten", db->name);
    }
    for (auto& w : workers_) {
        w->post([unused] {});
    }
}

void supervisor::take_stats() {
    const steady_time now = net::loop::now();
    stats_due_ = now + runtime_->configuration->global.stats_period;
    admin::stats_counters sum = past_stats(shared_);
    for (const auto& [name, totals] : stats_by_database(shared_)) {
        windows_.try_emplace(name, now).first->second.roll(totals, now);
        sum += totals;
    }
    overall_.roll(sum, now);
    if (runtime_->configuration->global.log_stats) {
        log::info("{}", admin::stats_line(overall_.averages()));
    }
}

void supervisor::stop() {
    if (!std::exchange(stopping_, true)) {
        shared_.shutting_down = true;
        tell_service_manager("STOPPING=1");
        stop_listening();
        stop_worker_by_worker(0);
    }
}

/// Three rounds, each over when all workers have done it: end everything, end what was on its way
/// between two workers meanwhile, end the loops.
void supervisor::stop_worker_by_worker(int round) {
    auto left = std::make_shared<std::atomic<std::size_t>>(workers_.size());
    for (auto& w : workers_) {
        w->post([this, left, round, &w = *w] {
            if (round < 2) {
                w.end_all();
            } else {
                w.stop();
            }
            if (--*left == 0) {
                loop_.post([this, round] {
                    if (round < 2) {
                        stop_worker_by_worker(round + 1);
                    } else {
                        loop_.stop();
                    }
                });
            }
        });
    }
}

// What operators ask for.

void supervisor::carry_out(
    const admin::operation& what, finished done, std::function<waiting_for_it()> still
) {
    loop_.post([this, what, done = std::move(done), still = std::move(still)] {
        if (what.what == admin::operation_kind::kill_client) {
            return kill_client(what.client_id.value_or(0), done);
        }
        const admin::operation_result result = perform(what);
        const bool settings =
            what.what == admin::operation_kind::reload || what.what == admin::operation_kind::set;
        const bool waits = what.what == admin::operation_kind::pause ||
                           what.what == admin::operation_kind::wait_close;
        if (settings && result.error.empty()) {
            return when_workers_know([done, result] { done(result); });
        }
        if (!waits || !result.error.empty()) {
            return done(result);
        }
        waiting_.push_back({what, still, done});
    });
}

/// When all workers have done what they were told before: who logs in behind the answer to a RELOAD
/// finds the new settings. `then` runs on the thread of one of them.
void supervisor::when_workers_know(const std::function<void()>& then) {
    const auto left = std::make_shared<std::atomic<std::size_t>>(workers_.size());
    for (auto& w : workers_) {
        w->post([left, then] {
            if (--*left == 0) {
                then();
            }
        });
    }
}

/// True if it is over with the operation, because what it waits for has happened or because nobody
/// wants it any more.
bool supervisor::look_after(const waiting_operator& w) {
    constexpr const char* given_up = "57014";
    switch (w.still()) {
        case waiting_for_it::yes:
            break;
        case waiting_for_it::canceled:
            if (w.what.what == admin::operation_kind::pause) {
                resume(w.what.database);
            }
            w.done({"canceling statement due to user request", given_up, {}});
            return true;
        case waiting_for_it::gone:
            return true;
    }
    const bool pauses = w.what.what == admin::operation_kind::pause;
    bool resumed = false;
    const bool reached = shared_.pools.run(
        pool::pool_directory::outside,
        [&](pool::pool_core& core, pool::actions&) {
            const std::string& name = w.what.database;
            const pool::database_entry* db = name.empty() ? nullptr : core.find_database(name);
            if (db == nullptr && !name.empty()) {
                return true;  // it was removed meanwhile
            }
            resumed = pauses && !(db != nullptr ? db->paused : core.paused());
            return resumed || (pauses ? core.servers_in_use(db) : core.servers_to_close(db)) == 0;
        }
    );
    if (reached) {
        w.done(
            resumed ? admin::operation_result{"resumed before it was paused", given_up, {}}
                    : admin::operation_result()
        );
    }
    return reached;
}

admin::operation_result supervisor::perform(const admin::operation& what) {
    switch (what.what) {
        case admin::operation_kind::reload:
            return reload();
        case admin::operation_kind::set:
            return set(what.key, what.value);
        case admin::operation_kind::pause:
            return pause(what.database);
        case admin::operation_kind::resume:
            return resume(what.database);
        case admin::operation_kind::reconnect:
            return reconnect(what.database);
        case admin::operation_kind::disable:
        case admin::operation_kind::enable:
            return disable(what.database, what.what == admin::operation_kind::disable);
        case admin::operation_kind::kill:
            return kill(what.database);
        case admin::operation_kind::shutdown:
            return shut_down(what.mode);
        case admin::operation_kind::wait_close:
            return with_database(what.database, [](auto&, auto*, auto&) { return ""; });
        case admin::operation_kind::kill_client:
        case admin::operation_kind::suspend:
            break;
    }
    return {"SUSPEND is not supported yet", "0A000", {}};
}

admin::operation_result supervisor::with_database(
    const std::string& name,
    const std::function<std::string(pool::pool_core&, pool::database_entry*, pool::actions&)>&
        change
) {
    admin::operation_result done;
    shared_.pools.run(
        pool::pool_directory::outside,
        [&](pool::pool_core& core, pool::actions& out) {
            pool::database_entry* db = name.empty() ? nullptr : core.find_database(name);
            done.error = !name.empty() && db == nullptr ? "no such database: " + name
                                                        : change(core, db, out);
        }
    );
    return done;
}

admin::operation_result supervisor::reload() {
    tell_of_reload();
    auto done = read_again();
    tell_of_readiness();
    return done;
}

admin::operation_result supervisor::read_again() {
    auto fresh = config::load(runtime_->configuration->global.conffile);
    if (!fresh) {
        log::error("reload failed, the old settings stay: {}", fresh.error().message);
        return {fresh.error().message, "F0000", {}};
    }
    const config::change_set changes = config::compare(*runtime_->configuration, **fresh);
    auto made =
        load_runtime(config::keep_restart_only(*runtime_->configuration, **fresh), runtime_.get());
    if (!made) {
        log::error("reload failed, the old settings stay: {}", made.error().message);
        return {made.error().message, "F0000", {}};
    }
    auto logs = log_.open((*made)->configuration->global);
    if (!logs) {
        log::error("reload failed, the old settings stay: {}", logs.error().message);
        return {logs.error().message, "F0000", {}};
    }
    auto clusters = watch(**made);
    if (!clusters) {
        log::error("reload failed, the old settings stay: {}", clusters.error().message);
        return {clusters.error().message, "F0000", {}};
    }
    log_.use(std::move(*logs));
    for (const std::string& key : changes.restart_only_changed) {
        log::warning("{} was changed in the file: it takes effect at the next restart", key);
    }
    for (const config::warning& w : (*fresh)->warnings) {
        log::warning("{}", w.text);
    }
    use(std::move(*made), std::move(*clusters));
    log::info("reloaded");
    return {};
}

/// What is shared by all, and depends on settings.
void supervisor::take_terms() {
    const config::settings& global = runtime_->configuration->global;
    shared_.statements.set_limit(static_cast<std::size_t>(global.max_prepared_memory));
    shared_.names.set_terms({global.dns_max_ttl, global.dns_nxdomain_ttl});
}

/// All names that were ever asked for: their addresses may have changed while nobody connects.
void supervisor::look_up_names() {
    const microseconds period = runtime_->configuration->global.dns_zone_check_period;
    const steady_time now = net::loop::now();
    // A resolver that does not answer is not asked again meanwhile.
    if (period.count() == 0 || now - names_looked_up_at_ < period ||
        shared_.names.under_way() != 0) {
        return;
    }
    names_looked_up_at_ = now;
    for (const std::string& name : shared_.names.names()) {
        shared_.names.look_up(loop_, name, {});
    }
}

void supervisor::use(session::runtime_ptr settings, topology::cluster_numbers clusters) {
    const session::runtime_ptr before = std::exchange(runtime_, std::move(settings));
    take_terms();
    workers_[0]->post([this, defer = runtime_->configuration->global.tcp_defer_accept] {
        for (auto& each : listeners_) {
            each->defer_accept(defer);
        }
    });
    shared_.looked_up.clear();
    shared_.pools.run(
        pool::pool_directory::outside,
        [&](pool::pool_core& core, pool::actions& out) {
            core.set_clusters(std::move(clusters));
            core.configure(runtime_->configuration, out);
            follow_primaries(core, out);
            reconnect_changed_tls(*before, *runtime_, core, out);
        }
    );
    // And those that a worker has opened meanwhile, by the settings that it had.
    const auto left = std::make_shared<std::atomic<std::size_t>>(workers_.size());
    for (auto& w : workers_) {
        w->post([this, left, before, &w = *w, now = runtime_] {
            w.apply(now);
            if (--*left == 0) {
                shared_.pools.run(w.id(), [&](pool::pool_core& core, pool::actions& out) {
                    reconnect_changed_tls(*before, *now, core, out);
                });
                close_fast();
            }
        });
    }
}

/// Idle sessions leave servers that are to be closed, if server_fast_close says so.
void supervisor::close_fast() {
    for (auto& w : workers_) {
        w->post([&w = *w] {
            w.kill_clients(
                [](const session::client& c) { return c.must_leave_server(); },
                errc::database_changed
            );
        });
    }
}

admin::operation_result supervisor::set(const std::string& key, const std::string& value) {
    auto changed = config::with_setting(runtime_->configuration->global, key, value);
    if (!changed) {
        return {changed.error().message, "08P01", {}};
    }
    auto all = std::make_shared<config::configuration>(*runtime_->configuration);
    all->global = std::move(*changed);
    auto made = with_setting(*runtime_, std::move(all), key);
    if (!made) {
        return {made.error().message, "08P01", {}};
    }
    auto logs = log_.open((*made)->configuration->global);
    if (!logs) {
        return {logs.error().message, "08P01", {}};
    }
    auto clusters = watch(**made);
    if (!clusters) {
        return {clusters.error().message, "08P01", {}};
    }
    log_.use(std::move(*logs));
    use(std::move(*made), std::move(*clusters));
    return {};
}

admin::operation_result supervisor::pause(const std::string& database) {
    return with_database(database, [](auto& core, auto* db, auto& out) -> std::string {
        if (core.paused()) {
            return "already suspended/paused";
        }
        core.pause(db, out);
        return {};
    });
}

admin::operation_result supervisor::resume(const std::string& database) {
    if (database.empty() && shutdown_ != shutdown_stage::running) {
        return {"pooler is shutting down", "08P01", {}};
    }
    return with_database(database, [&](auto& core, auto* db, auto& out) -> std::string {
        const steady_time now = net::loop::now();
        if (db != nullptr) {
            if (!db->paused) {
                return fmt::format("database {} is not paused", database);
            }
            core.resume(db, now, out);
            return {};
        }
        if (core.paused()) {
            core.resume(nullptr, now, out);
            return {};
        }
        // KILL has paused each database.
        bool any = false;
        for (const auto& [name, each] : core.databases()) {
            if (each->paused) {
                core.resume(each.get(), now, out);
                any = true;
            }
        }
        return any ? "" : "pooler is not paused/suspended";
    });
}

admin::operation_result supervisor::reconnect(const std::string& database) {
    const admin::operation_result done =
        with_database(database, [](auto& core, auto* db, auto& out) -> std::string {
            core.reconnect(db, out);
            return {};
        });
    close_fast();
    return done;
}

admin::operation_result supervisor::disable(const std::string& database, bool value) {
    return with_database(database, [value](auto&, auto* db, auto&) -> std::string {
        db->disabled = value;
        return {};
    });
}

admin::operation_result supervisor::kill(const std::string& database) {
    const admin::operation_result done =
        with_database(database, [](auto& core, auto* db, auto& out) -> std::string {
            if (core.paused()) {
                return "already suspended/paused";
            }
            for (const auto& [name, each] : core.databases()) {
                if (db == each.get() || (db == nullptr && !each->pools.empty())) {
                    core.pause(each.get(), out);
                }
            }
            return {};
        });
    if (done.error.empty()) {
        for (auto& w : workers_) {
            w->post([&w = *w, database] {
                w.kill_clients(
                    [&](const session::client& c) {
                        return c.pool_of() != nullptr &&
                               (database.empty() || c.pool_of()->database.name == database);
                    },
                    errc::database_removed
                );
            });
        }
    }
    return done;
}

void supervisor::kill_client(std::uint64_t id, const finished& done) {
    struct search {
        std::atomic<std::size_t> workers;
        std::atomic<bool> found{false};
    };

    const auto all = std::make_shared<search>(workers_.size());
    for (auto& w : workers_) {
        w->post([this, &w = *w, id, all, done] {
            const bool here = w.kill_clients(
                [id](const session::client& c) { return c.id() == id; }, errc::admin_disconnect
            );
            if (here) {
                all->found = true;
            }
            if (--all->workers == 0) {
                done(
                    all->found ? admin::operation_result()
                               : admin::operation_result{"client not found"}
                );
            }
        });
    }
}

admin::operation_result supervisor::shut_down(admin::shutdown_mode mode) {
    switch (mode) {
        case admin::shutdown_mode::immediate:
            stop();
            return {};
        case admin::shutdown_mode::wait_for_servers:
            shutdown_ = shutdown_stage::waiting_for_servers;
            break;
        case admin::shutdown_mode::wait_for_clients:
            shutdown_ = shutdown_stage::waiting_for_clients;
            break;
    }
    shared_.shutting_down = true;
    stop_listening();
    if (mode == admin::shutdown_mode::wait_for_servers) {
        shared_.pools.run(
            pool::pool_directory::outside,
            [](pool::pool_core& core, pool::actions& out) { core.pause(nullptr, out); }
        );
    }
    return {};
}

// What operators want to see.

void supervisor::gather(admin::show_kind what, gathered done) {
    loop_.post([this, what, done = std::move(done)] {
        auto data = std::make_shared<admin::snapshot>();
        fill_pools(shared_, *runtime_, *data);
        data->config = config::show_config(runtime_->configuration->global);
        for (const auto& [name, totals] : stats_by_database(shared_)) {
            const auto window = windows_.find(name);
            data->stats.push_back(
                {name,
                 totals,
                 window == windows_.end() ? admin::stats_counters{} : window->second.averages()}
            );
        }
        data->overall_average = overall_.averages();
        data->past = past_stats(shared_);
        fill_topology(clusters_, *data);
        const bool sockets =
            what == admin::show_kind::clients || what == admin::show_kind::servers ||
            what == admin::show_kind::sockets || what == admin::show_kind::active_sockets;
        const bool workers = what == admin::show_kind::workers || what == admin::show_kind::state ||
                             what == admin::show_kind::routing ||
                             what == admin::show_kind::peer_pools;
        if (!sockets && !workers) {
            return done(std::move(data));
        }
        // One worker after the other: each has the snapshot to itself.
        auto visit = std::make_shared<std::function<void(std::size_t)>>();
        *visit = [this, data, done, visit, sockets](std::size_t index) {
            if (index == workers_.size()) {
                done(data);
                *visit = nullptr;
                return;
            }
            workers_[index]->post([this, data, visit, index, sockets] {
                if (sockets) {
                    fill_sockets(*workers_[index], shared_, *data);
                } else {
                    fill_worker(*workers_[index], *data);
                }
                (*visit)(index + 1);
            });
        };
        (*visit)(0);
    });
}

}  // namespace pgweir::server
