// The supervisor in an online restart: what of the process is given to the next one, and taken over
// from the one before. Called on the hand-over's thread, unless said otherwise.

#include "auth/crypto.hpp"
#include "base/log.hpp"
#include "server/service_manager.hpp"
#include "server/supervisor.hpp"

#include <fmt/format.h>

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

namespace pgweir::server {

namespace {

/// Until it has happened, or the process ends.
void wait_for(std::future<void> done, const handover::interrupt& stop) {
    constexpr milliseconds look_again{20};
    while (done.wait_for(look_again) != std::future_status::ready && !stop.is_set()) {
    }
}

/// Connections that the system has handed out already come within this time.
constexpr milliseconds late_clients{500};

std::string random_name() {
    std::string name = "@pgweir-";
    for (const char byte : auth::random_bytes(16)) {
        name += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return name;
}

bool is_own_user(int socket) noexcept {
    ::ucred peer{};
    ::socklen_t size = sizeof peer;
    return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.uid == ::geteuid();
}

}  // namespace

std::string door_name(const config::settings& global) {
    return handover::door::name_for(global.unix_socket_dir, global.listen_port, global.peer_id);
}

void supervisor::on_first_worker(const handover::interrupt& stop, std::function<void()> task) {
    auto over = std::make_shared<std::promise<void>>();
    workers_[0]->post([over, task = std::move(task)] {
        task();
        over->set_value();
    });
    wait_for(over->get_future(), stop);
}

void supervisor::here(const handover::interrupt& stop, std::function<void()> task) {
    auto over = std::make_shared<std::promise<void>>();
    loop_.post([over, task = std::move(task)] {
        task();
        over->set_value();
    });
    wait_for(over->get_future(), stop);
}

/// Without a door there is no online restart, and everything else is as usual.
void supervisor::open_door() {
    std::unique_ptr<handover::door> door;
    if (taking_over_) {
        door = taking_over_->take_door(door_name_);
    }
    if (door == nullptr) {
        auto opened = handover::door::open(door_name_);
        if (!opened) {
            log::warning("online restart (-R) is not to be had: {}", opened.error().message);
            return;
        }
        door = std::move(*opened);
    }
    door->own_file(true);
    handing_over_.start(std::move(door));
}

// The old process.

std::string supervisor::refusal() {
    auto reason = std::make_shared<std::string>("it ends");
    here(handing_over_.stopped(), [this, reason] {
        if (shutdown_ == shutdown_stage::running && !stopping_) {
            reason->clear();
        }
    });
    return *reason;
}

net::lent_sockets supervisor::lend() {
    auto lent = std::make_shared<net::lent_sockets>();
    on_first_worker(handing_over_.stopped(), [this, lent] {
        for (const auto& each : listeners_) {
            lent->push_back(each->lend());
        }
    });
    return std::move(*lent);
}

/// A socket of its own, whose name only the next process is told, and which only its user may use.
result<net::target> supervisor::cancel_entrance() {
    auto problem = std::make_shared<std::optional<failure>>();
    on_first_worker(handing_over_.stopped(), [this, problem] {
        if (cancel_entrance_) {
            return;
        }
        net::listener::local_options options;
        options.directory = random_name();
        const auto accepting = [this](int socket, const net::address& peer) {
            if (is_own_user(socket)) {
                accepted(socket, peer, std::nullopt);
            } else {
                ::close(socket);
            }
        };
        auto made = net::listener::local(workers_[0]->loop(), options, {}, accepting);
        if (!made) {
            *problem = made.error();
            return;
        }
        cancels_at_ = {options.directory, options.port};
        cancel_entrance_ = std::move(*made);
    });
    if (*problem) {
        return **problem;
    }
    return cancels_at_;
}

void supervisor::stop_accepting() {
    on_first_worker(handing_over_.stopped(), [this] {
        for (const auto& each : listeners_) {
            each->pause();
            each->give_away();
        }
    });
}

void supervisor::accept_again() {
    on_first_worker(handing_over_.stopped(), [this] {
        for (const auto& each : listeners_) {
            each->take_back();
            each->resume();
        }
    });
}

void supervisor::give(int process) {
    on_first_worker(handing_over_.stopped(), [this] { listeners_.clear(); });
    leave_service_manager(process);
    here(handing_over_.stopped(), [this, process] {
        if (shutdown_ == shutdown_stage::running) {
            shutdown_ = shutdown_stage::handed_over;
            may_end_at_ = net::loop::now() + late_clients;
        }
        log::info(
            "online restart: process {} serves from now on; this one ends when its {} clients have "
            "gone",
            process,
            shared_.clients - shared_.exempt
        );
    });
}

/// Nobody is left to serve, of those who are on their way to a worker, too, nor of those who are
/// still in the process before this one: they come this way, and so do their cancel requests. On
/// the supervisor's thread.
bool supervisor::nobody_left() const {
    return no_clients() && net::loop::now() >= may_end_at_ && !shared_.predecessor.get();
}

/// Neither here nor on the way to the next process or back.
bool supervisor::no_clients() const {
    const bool none_under_way = handing_over_.all_sent();  // one that comes back is counted first
    int clients = 0;
    for (const auto& w : workers_) {
        clients += w->load();
    }
    return clients == shared_.exempt && none_under_way && handing_over_.all_sent();
}

/// Clients leave by themselves when a transaction ends; who could not then, may be able to now. On
/// the supervisor's thread.
void supervisor::look_after_clients() {
    constexpr milliseconds apart{250};
    const steady_time now = net::loop::now();
    if (now - clients_seen_at_ >= apart) {
        clients_seen_at_ = now;
        for (auto& w : workers_) {
            w->post([&w = *w] { w.cross_clients(); });
        }
    }
}

std::vector<carried_credentials> supervisor::credentials() {
    std::vector<carried_credentials> all;
    shared_.pools.run(pool::pool_directory::outside, [&](pool::pool_core& core, pool::actions&) {
        for (const auto& [name, db] : core.databases()) {
            for (const auto& [user, of] : db->pool_of_user) {
                if (of->learned.keys || !of->learned.password.empty()) {
                    all.push_back({name, of->user, of->learned.password, of->learned.keys});
                }
            }
        }
    });
    return all;
}

/// Servers first: they are there when clients ask for them.
void supervisor::give_connections(bool now) {
    shared_.pools.run(
        pool::pool_directory::outside,
        [now](pool::pool_core& core, pool::actions& out) { core.retire(now, out); }
    );
    for (auto& w : workers_) {
        w->post([&w = *w, now] { w.give_clients(now); });
    }
}

/// In the new process, and in the old one, when it could not be sent.
void supervisor::take_client(session::carried_client&& who, descriptor socket, descriptor server) {
    worker& next = worker_of(worker_of_key(who.cancel_key));
    next.expect_client();
    next.post([&next,
               number = socket.release(),
               server_number = server.release(),
               who = std::make_shared<const session::carried_client>(std::move(who))] {
        next.take_client(number, server_number, *who);
    });
}

// The new process.

void supervisor::begin_accepting() {
    on_first_worker(taking_over_->stopped(), [this] {
        for (const auto& each : listeners_) {
            each->resume();
        }
    });
}

/// The primaries of routed databases, for nobody gets a server before they are known.
void supervisor::get_ready() {
    constexpr seconds patience{5};
    constexpr milliseconds look_again{10};
    const steady_time until = net::loop::now() + patience;
    const auto known = [this] {
        return shared_.pools.run(
            pool::pool_directory::outside,
            [](pool::pool_core& core, pool::actions&) {
                const auto& all = core.databases();
                return std::none_of(all.begin(), all.end(), [](const auto& entry) {
                    return entry.second->no_primary.load();
                });
            }
        );
    };
    while (!known() && net::loop::now() < until && !taking_over_->stopped().is_set()) {
        std::this_thread::sleep_for(look_again);
    }
}

void supervisor::learn(carried_credentials&& known) {
    shared_.pools.run(pool::pool_directory::outside, [&](pool::pool_core& core, pool::actions&) {
        pool::database_entry* db = core.find_database(known.database);
        if (db != nullptr) {
            pool::pool& of = core.find_pool(*db, known.user);
            of.learned.password = std::move(known.password);
            of.learned.keys = known.keys;
        }
    });
}

void supervisor::take_server(pool::carried_server&& what, descriptor socket) {
    const auto at = static_cast<std::uint32_t>(what.key.process_id) % workers_.size();
    worker& next = *workers_[at];
    next.post([&next,
               number = socket.release(),
               what = std::make_shared<const pool::carried_server>(std::move(what))] {
        next.take_server(*what, number);
    });
}

void supervisor::took_over() {
    shared_.predecessor.set(taking_over_->cancels());
    on_first_worker(taking_over_->stopped(), [this] {
        for (const auto& each : listeners_) {
            if (auto done = each->take_charge(); !done) {
                log::error("{}", done.error().message);
            }
        }
    });
    taking_over_->drop_rest();
    open_door();
    log::info("online restart: process {} has given way", taking_over_->process());
    in_charge_();
}

void supervisor::stayed_behind(const std::string& why) {
    log::error("online restart failed, the old process goes on: {}", why);
    loop_.post([this] {
        stayed_behind_ = true;
        stop();
    });
}

void supervisor::is_alone() {
    shared_.predecessor.set(std::nullopt);
    log::info("online restart: process {} has ended", taking_over_->process());
}

}  // namespace pgweir::server
