// How a server connection leaves this process for the next one, and arrives there (online restart).
//
// It leaves when nothing is owed on it: by itself if it is free, else with the client that has it.
// What is secured by TLS stays: its keys are in OpenSSL's hands.

#include "base/log.hpp"
#include "net/loop.hpp"
#include "net/name_cache.hpp"
#include "net/tls_stream.hpp"
#include "pool/pool_directory.hpp"
#include "pool/server_connection.hpp"
#include "pool/server_host.hpp"
#include "protocol/message.hpp"

#include <fmt/format.h>

#include <sys/socket.h>

#include <utility>

namespace pgweir::pool {

std::string server_address::origin() const {
    std::string text = net::to_string(where);
    text += tls.required ? "\ntls\n" : "\n\n";
    text += connect_query;
    for (const auto& [name, value] : login.startup) {
        fmt::format_to(std::back_inserter(text), "\n{}={}", name, value);
    }
    return text;
}

void terminate(const descriptor& socket) noexcept {
    std::string out;
    protocol::put_terminate(out);
    (void)::send(socket.get(), out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// The process that it leaves.

bool server_connection::may_leave() const noexcept {
    return phase_ == phase::ready && tls_ == nullptr && cancels_.empty() &&
           (!check_before_use_ || holder_ != nullptr) && !soiled_ && requests_.settled() &&
           requests_.status() == protocol::transaction_status::idle && scanner_.at_boundary() &&
           stream_ != nullptr && stream_->queued() == 0;
}

void server_connection::leave() {
    if (holder_ == nullptr && (phase_ != phase::ready || where != state::busy)) {
        return;
    }
    if (holder_ == nullptr && !may_leave()) {
        return end("another process serves now");
    }
    clear();
    leaving_ = true;
    if (stream_->paused()) {
        stream_->resume();
    }
    stream_->release();
}

/// Out of the loop.
void server_connection::left(int socket) {
    stream_.reset();
    leave_wheel();
    const bool whole = scanner_.at_boundary();
    if (!whole) {
        come_back();
    }
    if (holder_ != nullptr) {
        return holder_->on_server_left(whole);
    }
    if (!whole) {
        return end("in the middle of a message that nobody asked for");
    }
    host_->crossed(tell_and_end(socket), socket);
}

/// If it has left, it is here again.
void server_connection::come_back() {
    if (has_left()) {
        leaving_ = false;
        stream_ = net::adopt(host_->loop(), socket_, *this, tls_);
    }
}

carried_server server_connection::tell_and_end(int& socket) {
    const parameter_store& store = host_->parameters();
    carried_server told;
    told.database = owner->database.name;
    told.user = owner->user;
    told.host = owner->host;
    told.origin = host_->address_of(*owner, listed).origin();
    told.listed = static_cast<std::uint32_t>(listed);
    told.address = address_;
    told.key = key_;
    told.connected_at = connected_at;
    told.parameters = store.by_name(*parameters_);
    told.reported = store.by_name(*reported_);
    told.check_before_use = check_before_use_;
    told.has_statements = statements_.size() != 0;
    socket = socket_;
    log::info(
        "server {} {}/{} at {}: goes to the next process",
        id,
        owner->database.name,
        owner->user,
        net::to_string(address_)
    );
    phase_ = phase::gone;
    holder_ = nullptr;
    host_->pools().run(host_->id(), [&](pool_core& core, actions& out) {
        told.close_needed = close_needed;
        told.greeting = owner->greeting ? owner->greeting->messages : std::string();
        core.closed(*this, net::loop::now(), out);
    });
    host_->remove(*this);
    return told;
}

// The process that it comes to.

server_connection::server_connection(
    server_host& host, const carried_server& before, int socket, std::uint64_t server_id
)
    : host_(&host),
      phase_(phase::ready),
      check_before_use_(before.check_before_use),
      socket_(socket),
      scanner_(fresh_scanner()),
      parameters_(host.parameters().intern_named(before.parameters)),
      reported_(host.parameters().intern_named(before.reported)),
      key_(before.key),
      address_(before.address) {
    id = server_id;
    listed = before.listed;
    connected_at = std::min(before.connected_at, net::loop::now());
}

bool server_connection::enter(pool& of, const carried_server& before, bool leased) {
    const server_address now = host_->address_of(of, listed);
    const bool same = now.origin() == before.origin;
    if (!same && !leased) {
        return false;
    }
    const bool old = at_old_address();
    connect_query_ = now.connect_query;
    auto greeting = std::make_shared<const welcome>(welcome{reported_, before.greeting});
    const bool entered = host_->pools().run(host_->id(), [&](pool_core& core, actions&) {
        if (!core.adopt(*this, of, host_->id(), leased)) {
            return false;
        }
        close_needed = before.close_needed || !same || old;
        if (owner->greeting == nullptr && same && !before.greeting.empty()) {
            owner->greeting = std::move(greeting);
        }
        return true;
    });
    if (entered) {
        if (net::is_name(address_)) {
            host_->loop().names().get_to_know(host_->loop(), address_.host);
        }
        stream_ = net::adopt(host_->loop(), socket_, *this, nullptr);
        claimed_ = !leased;
    }
    return entered;
}

void server_connection::arrive(const carried_server& before) {
    log::info(
        "server {} {}/{} at {}: has come over, process {}",
        id,
        owner->database.name,
        owner->user,
        net::to_string(address_),
        key_.process_id
    );
    if (!before.has_statements) {
        return put_back();
    }
    phase_ = phase::task;
    start_task(task_kind::forget, "DEALLOCATE ALL");
}

}  // namespace pgweir::pool
