#include "server/taking_over.hpp"

#include "base/log.hpp"

#include <fmt/format.h>

#include <pthread.h>
#include <sys/resource.h>

#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

namespace pgweir::server {

namespace {

using handover::kind;
using handover::socket_facts;

constexpr seconds short_patience{10};

/// The old process may be talking to another one first.
constexpr seconds long_patience{90};

/// This process may open as many files as the other one has open, and some of its own.
result<void> has_room_for(int process) {
    constexpr ::rlim_t own = 64;
    std::error_code ignored;
    const std::filesystem::directory_iterator open(
        fmt::format("/proc/{}/fd", process), std::filesystem::directory_options::none, ignored
    );
    const auto needed = static_cast<::rlim_t>(std::distance(begin(open), end(open))) + own;
    ::rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= needed) {
        return {};
    }
    return failure{fmt::format(
        "this process may open {} files, and process {} has {} open: raise the limit (ulimit -Hn, "
        "LimitNOFILE=)",
        limit.rlim_max,
        process,
        needed - own
    )};
}

failure senseless() {
    return {"what the running process says makes no sense"};
}

}  // namespace

result<std::unique_ptr<taking_over>> taking_over::begin(const std::string& door) {
    auto knocked = handover::knock(door);
    if (!knocked) {
        return knocked.error();
    }
    if (!*knocked) {
        return std::unique_ptr<taking_over>();
    }
    std::unique_ptr<taking_over> made(new taking_over(*std::move(*knocked)));
    if (auto known = made->channel_.check_peer(); !known) {
        return known.error();
    }
    made->channel_.use(&made->stop_);
    if (auto done = made->greet(); !done) {
        return done.error();
    }
    return made;
}

taking_over::~taking_over() {
    stop();
}

/// The next message; a refusal is an error in the words of the other process.
result<handover::message> taking_over::next(microseconds patience) {
    auto got = channel_.receive(patience);
    if (!got) {
        return got.error();
    }
    if (got->what.what == kind::refusal) {
        return failure{fmt::format(
            "process {} refuses: {}",
            process_,
            handover::get_refusal(got->what.body).value_or("for no known reason")
        )};
    }
    if (!got->descriptors.empty()) {
        return senseless();
    }
    return std::move(got->what);
}

result<void> taking_over::greet() {
    process_ = channel_.peer_process();
    if (auto room = has_room_for(process_); !room) {
        return room;
    }
    handover::hello hello;
    hello.program = PGWEIR_VERSION;
    if (auto sent = channel_.send(handover::put(hello), short_patience); !sent) {
        return sent;
    }
    auto answer = next(long_patience);
    if (!answer) {
        return answer.error();
    }
    const auto welcome =
        answer->what == kind::welcome ? handover::get_welcome(answer->body) : std::nullopt;
    if (!welcome || welcome->speaks != handover::version) {
        return senseless();
    }
    log::info("online restart: takes over from process {} (pgweir {})", process_, welcome->program);
    cancels_ = {welcome->cancel_address, static_cast<int>(welcome->cancel_port)};
    notify_socket_ = welcome->notify_socket;
    return receive_sockets(welcome->sockets);
}

result<void> taking_over::receive_sockets(std::uint32_t count) {
    while (count != 0) {
        auto got = channel_.receive(short_patience);
        if (!got) {
            return got.error();
        }
        auto facts =
            got->what.what == kind::sockets ? handover::get_sockets(got->what.body) : std::nullopt;
        if (!facts || facts->empty() || facts->size() > count ||
            facts->size() != got->descriptors.size()) {
            return senseless();
        }
        count -= static_cast<std::uint32_t>(facts->size());
        for (std::size_t at = 0; at < facts->size(); at++) {
            socket_facts& one = (*facts)[at];
            if (one.what == socket_facts::purpose::door) {
                door_ = std::move(got->descriptors[at]);
                door_name_ = std::move(one.path);
                continue;
            }
            sockets_.push_back(
                {std::move(got->descriptors[at]),
                 std::move(one.path),
                 one.what == socket_facts::purpose::passed}
            );
        }
    }
    return {};
}

std::unique_ptr<handover::door> taking_over::take_door(const std::string& name) {
    if (!door_ || name != door_name_) {
        return nullptr;
    }
    auto made = handover::door::inherited(std::move(door_), name);
    return made ? std::move(*made) : nullptr;
}

void taking_over::drop_rest() noexcept {
    for (const net::lent_socket& one : sockets_) {
        if (!one.path.empty()) {
            ::unlink(one.path.c_str());
        }
    }
    sockets_.clear();
    if (door_) {
        if (door_name_.starts_with('/')) {
            ::unlink(door_name_.c_str());
        }
        door_ = descriptor();
    }
}

void taking_over::start(taker& owner) {
    owner_ = &owner;
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "hand-over");
        run();
    });
}

void taking_over::stop() {
    stop_.set();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void taking_over::run() {
    if (auto done = take_place(); !done) {
        if (!stop_.is_set()) {
            owner_->stayed_behind(done.error().message);
        }
        return;
    }
    owner_->took_over();
    const auto over = take_connections();
    if (stop_.is_set()) {
        return;
    }
    if (!over) {
        log::error("online restart: no more clients come: {}", over.error().message);
        const handover::process_end end(process_);
        channel_ = handover::channel(descriptor());  // it keeps those whom it has not sent yet
        end.wait(stop_);
        if (stop_.is_set()) {
            return;
        }
    }
    owner_->is_alone();
}

/// Until the old process hangs up. An error: it still has clients, but what it says makes no sense,
/// or this process cannot take them.
result<void> taking_over::take_connections() {
    std::size_t clients = 0;
    std::size_t servers = 0;
    for (;;) {
        auto got = channel_.receive(microseconds::max());
        if (!got) {
            log::info("online restart: {} clients and {} servers have come over", clients, servers);
            return channel_.is_open() ? result<void>(got.error()) : result<void>();
        }
        const std::string_view body = got->what.body;
        std::vector<descriptor>& sockets = got->descriptors;
        if (got->what.what == kind::credentials && sockets.empty()) {
            auto known = get_credentials(body);
            wipe(got->what.body);
            if (!known) {
                return senseless();
            }
            owner_->learn(*std::move(known));
        } else if (got->what.what == kind::client) {
            auto who = get_client(body);
            if (!who || sockets.size() != (who->server ? 2 : 1)) {
                return senseless();
            }
            descriptor server = who->server ? std::move(sockets[1]) : descriptor();
            servers += who->server ? 1 : 0;
            clients++;
            owner_->take_client(*std::move(who), std::move(sockets[0]), std::move(server));
        } else if (got->what.what == kind::server && sockets.size() == 1) {
            auto what = get_server(body);
            if (!what) {
                return senseless();
            }
            servers++;
            owner_->take_server(*std::move(what), std::move(sockets[0]));
        } else {
            return senseless();
        }
    }
}

result<void> taking_over::take_place() {
    owner_->get_ready();
    if (auto sent = channel_.send(handover::put(kind::ready), short_patience); !sent) {
        return sent;
    }
    auto mine = next(short_patience);
    if (!mine) {
        return mine.error();
    }
    if (!handover::is_plain(*mine, kind::yours)) {
        return senseless();
    }
    owner_->begin_accepting();
    if (owner_->is_to_end()) {
        channel_ = handover::channel(descriptor());  // so that it accepts again at once
        return failure{"this process has been told to end"};
    }
    auto told = channel_.send(handover::put(kind::accepting), short_patience);
    auto done = told ? channel_.receive(short_patience) : told.error();
    if (done && done->what.what == kind::refusal) {
        return failure{handover::get_refusal(done->what.body).value_or("for no known reason")};
    }
    if (!done) {
        // It accepts nothing any more, and has said nothing against it: it is dead or dying.
        log::warning("online restart: process {} is not heard of any more", process_);
    }
    return {};
}

}  // namespace pgweir::server
