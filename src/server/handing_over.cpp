#include "server/handing_over.hpp"

#include "base/log.hpp"
#include "pool/server_connection.hpp"
#include "server/service_manager.hpp"

#include <fmt/format.h>

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace pgweir::server {

namespace {

using handover::kind;
using handover::socket_facts;

/// For what the other process has at hand.
constexpr seconds short_patience{10};

/// It connects to nobody and reads files, but the machine may be slow.
constexpr seconds start_patience{60};

}  // namespace

handing_over::~handing_over() {
    stop();
}

void handing_over::start(std::unique_ptr<handover::door> door) {
    door_ = std::move(door);
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "hand-over");
        run();
    });
}

void handing_over::stop() {
    stop_.set();
    if (thread_.joinable()) {
        thread_.join();
    }
    door_.reset();
}

void handing_over::run() {
    for (;;) {
        auto caller = door_->accept(stop_);
        if (stop_.is_set()) {
            return;
        }
        if (!caller) {
            log::error("online restart is not to be had any more: {}", caller.error().message);
            door_.reset();
            return;
        }
        if (auto known = caller->check_peer(); !known) {
            log::warning("online restart refused: {}", known.error().message);
            continue;
        }
        if (talk(*caller)) {
            door_.reset();  // from now on only the next process is behind it
            return give_connections(*caller);
        }
    }
}

/// True if this process has been given away.
bool handing_over::talk(handover::channel& to) {
    auto greeted = greet(to);
    if (!greeted) {
        log::warning("online restart refused: {}", greeted.error().message);
        // It may be gone, and then there is nobody to tell.
        (void)to.send(handover::put_refusal(greeted.error().message), short_patience);
        return false;
    }
    auto changed = change_places(to);
    if (!changed) {
        log::error("online restart failed, this process goes on: {}", changed.error().message);
        (void)to.send(handover::put_refusal(changed.error().message), short_patience);
        owner_.accept_again();
        return false;
    }
    return true;
}

result<void> handing_over::greet(handover::channel& to) {
    auto first = to.receive(short_patience);
    if (!first) {
        return first.error();
    }
    const auto hello =
        first->what.what == kind::hello ? handover::get_hello(first->what.body) : std::nullopt;
    if (!hello) {
        return failure{"what the new process says makes no sense"};
    }
    if (hello->speaks != handover::version) {
        return failure{fmt::format(
            "hand-over of version {}, which this process ({}) does not know: stop it, then start "
            "the new one",
            hello->speaks,
            PGWEIR_VERSION
        )};
    }
    if (const std::string reason = owner_.refusal(); !reason.empty()) {
        return failure{reason};
    }
    log::info(
        "online restart: process {} (pgweir {}) wants to take over",
        to.peer_process(),
        hello->program
    );
    return {};
}

result<void> handing_over::change_places(handover::channel& to) {
    const auto cancels = owner_.cancel_entrance();
    if (!cancels) {
        return cancels.error();
    }
    net::lent_sockets sockets = owner_.lend();
    std::vector<socket_facts> facts;
    std::vector<int> numbers;
    for (const net::lent_socket& one : sockets) {
        facts.push_back(
            {one.passed ? socket_facts::purpose::passed : socket_facts::purpose::clients, one.path}
        );
        numbers.push_back(one.socket.get());
    }
    facts.push_back({socket_facts::purpose::door, door_->name()});
    numbers.push_back(door_->number());
    handover::welcome welcome;
    welcome.program = PGWEIR_VERSION;
    welcome.sockets = static_cast<std::uint32_t>(facts.size());
    welcome.notify_socket = service_manager_address();
    welcome.cancel_address = cancels->host;
    welcome.cancel_port = static_cast<std::uint32_t>(cancels->port);
    if (auto sent = to.send(handover::put(welcome), short_patience); !sent) {
        return sent;
    }
    for (std::size_t at = 0; at < facts.size(); at += handover::most_descriptors) {
        const std::size_t end = std::min(at + handover::most_descriptors, facts.size());
        const auto part = [&](auto& all) {
            using list = std::decay_t<decltype(all)>;
            return list(
                all.begin() + static_cast<std::ptrdiff_t>(at),
                all.begin() + static_cast<std::ptrdiff_t>(end)
            );
        };
        if (auto sent = to.send(handover::put(part(facts)), short_patience, part(numbers)); !sent) {
            return sent;
        }
    }
    sockets.clear();
    if (auto ready = await(to, kind::ready, start_patience); !ready) {
        return ready;
    }
    // It has had time to be told to end since it was asked first.
    if (const std::string reason = owner_.refusal(); !reason.empty()) {
        return failure{reason};
    }
    owner_.stop_accepting();
    if (auto sent = to.send(handover::put(kind::yours), short_patience); !sent) {
        return sent;
    }
    if (auto accepts = await(to, kind::accepting, short_patience); !accepts) {
        return accepts;
    }
    door_->own_file(false);
    owner_.give(to.peer_process());
    if (auto sent = to.send(handover::put(kind::done), short_patience); !sent) {
        // It accepts already, and finds out by itself.
        log::warning("online restart: {}", sent.error().message);
    }
    return {};
}

// Clients and servers.

void handing_over::send(session::carried_client&& who, descriptor socket, descriptor server) {
    send({std::move(who), std::move(socket), std::move(server)});
}

void handing_over::send(pool::carried_server&& what, descriptor socket) {
    send({std::move(what), std::move(socket), {}});
}

void handing_over::send(leaving&& one) {
    under_way_++;
    {
        const std::lock_guard lock(mutex_);
        leaving_.push_back(std::move(one));
    }
    changed_.notify_one();
}

/// Those who have come since; waits a moment if there are none.
std::deque<handing_over::leaving> handing_over::next_leaving() {
    constexpr milliseconds moment{50};
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, moment, [this] { return !leaving_.empty(); });
    return std::exchange(leaving_, {});
}

/// Until the process ends. Without a next process, clients stay where they are.
void handing_over::give_connections(handover::channel& to) {
    bool there = true;
    const auto lost = [&](const failure& why) {
        log::error("online restart: clients stay in this process: {}", why.message);
        owner_.give_connections(false);
        there = false;
    };
    if (auto given = give_credentials(to); given) {
        owner_.give_connections(true);
    } else {
        lost(given.error());
    }
    while (!stop_.is_set()) {
        std::deque<leaving> all = next_leaving();
        if (there && !to.is_open()) {
            lost({"the next process takes nobody any more"});
        }
        for (leaving& one : all) {
            auto given = there ? give(to, one) : failure{};
            if (!given && there) {
                lost(given.error());
            }
            if (!given) {
                keep(std::move(one));
            }
            under_way_--;
        }
    }
}

result<void> handing_over::give(handover::channel& to, const leaving& one) {
    std::vector<int> sockets{one.socket.get()};
    if (one.server) {
        sockets.push_back(one.server.get());
    }
    return to.send(
        std::visit([](const auto& what) { return put(what); }, one.what), short_patience, sockets
    );
}

/// A server that nobody has is opened again when it is needed.
void handing_over::keep(leaving&& one) {
    if (auto* who = std::get_if<session::carried_client>(&one.what)) {
        owner_.take_client(std::move(*who), std::move(one.socket), std::move(one.server));
    } else {
        pool::terminate(one.socket);
    }
}

result<void> handing_over::give_credentials(handover::channel& to) {
    for (const carried_credentials& one : owner_.credentials()) {
        handover::message said = put(one);
        auto sent = to.send(said, short_patience);
        wipe(said.body);
        if (!sent) {
            return sent;
        }
    }
    return {};
}

/// The next message has to be this one.
result<void> handing_over::await(
    handover::channel& from, handover::kind what, microseconds patience
) {
    auto next = from.receive(patience);
    if (!next) {
        return next.error();
    }
    if (next->what.what == kind::refusal) {
        return failure{handover::get_refusal(next->what.body).value_or("for no known reason")};
    }
    if (!handover::is_plain(next->what, what)) {
        return failure{"what the new process says makes no sense"};
    }
    return {};
}

}  // namespace pgweir::server
