#include "session/auth_lookup.hpp"

#include "base/log.hpp"
#include "net/loop.hpp"
#include "pool/pool_directory.hpp"
#include "session/auth_cache.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace pgweir::session {

using protocol::request;
using protocol::transaction_status;

auth_lookup::auth_lookup(session_host& host, auth_query_request what, callback done)
    : host_(host), what_(std::move(what)), done_(std::move(done)) {
    wait_worker = host.id();
}

auth_lookup::~auth_lookup() {
    cancel();
}

void auth_lookup::start() {
    const steady_time now = net::loop::now();
    if (auto known = host_.looked_up_users().find(what_, now)) {
        return finish(*std::move(known));
    }
    pool::server_entry* found = nullptr;
    std::optional<errc> refusal;
    std::string failure;
    host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions& out) {
        pool::database_entry* db = core.find_database(what_.database);
        if (db == nullptr || db->disabled) {
            refusal = db == nullptr ? errc::auth_query_failed : errc::auth_database_disabled;
            return;
        }
        wanted = &core.find_pool(*db, what_.auth_user);
        if (core.failing(*wanted, now)) {
            refusal = errc::server_login_failing;
            failure = wanted->failure;
            return;
        }
        found = core.acquire(*this, now, out);
    });
    if (refusal == errc::auth_query_failed) {
        return refuse(*refusal, {}, "there is no such database");
    }
    if (refusal == errc::auth_database_disabled) {
        return refuse(*refusal, what_.database, {});
    }
    if (refusal) {
        return refuse(*refusal, "(server_login_retry)", failure);
    }
    if (found != nullptr) {
        waiting_since = now;
        ask(static_cast<pool::server_connection&>(*found));
    }
}

void auth_lookup::on_granted(pool::server_connection& server) {
    if (!done_) {
        // It was given up in the moment in which its turn came.
        return server.end_lease(pool::lease_end::done);
    }
    ask(server);
}

void auth_lookup::ask(pool::server_connection& server) {
    server_ = &server;
    server.lease_to(*this, pool::reset_policy::keep);
    pool::pool_stats& stats = wanted->stats[wait_worker];
    stats.server_assignment_count.add(1);
    stats.wait_time.add(net::loop::now() - waiting_since);
    const auto greeting = host_.pools().run(host_.id(), [&](pool::pool_core&, pool::actions&) {
        return wanted->greeting;
    });
    // As a server is when it is opened, whatever a client of this pool has changed: values that a
    // server has reported, so that the statements can go ahead of the query.
    if (greeting && server.parameters() != greeting->parameters) {
        server.set_parameters(greeting->parameters, true);
    }
    send();
}

void auth_lookup::send() {
    std::string out;
    put_auth_query(out, what_);
    // The statement without a name that a client may have left there is gone.
    server_->statements().set_unnamed_owner(host_.statements().next_turn());
    for (const request part :
         {request::parse, request::bind, request::describe, request::execute, request::sync}) {
        server_->requests().sent(part);
    }
    server_->send(out);
}

void auth_lookup::on_parameters_set(std::optional<std::string> error) {
    if (error) {
        refuse(errc::auth_query_failed, {}, *error);
    }
}

void auth_lookup::on_replies(std::string_view bytes) {
    reply_.feed(bytes);
}

bool auth_lookup::is_done(transaction_status status) const noexcept {
    return status == transaction_status::idle;
}

void auth_lookup::on_settled(transaction_status status) {
    pool::pool_stats& stats = wanted->stats[wait_worker];
    stats.query_count.add(1);
    pool::server_connection* server = std::exchange(server_, nullptr);
    looked_up answer = std::move(reply_).result();
    if (status == transaction_status::idle) {
        stats.xact_count.add(1);
        server->end_lease(pool::lease_end::done);
    } else {
        server->end_lease(pool::lease_end::abandoned);  // it begins a transaction: rolled back
    }
    if (answer.what == looked_up::kind::refused) {
        return refuse(answer.code, {}, answer.detail);
    }
    if (answer.what == looked_up::kind::nobody) {
        answer.unknown_as = host_.looked_up_users().usual_kind();
        return finish(std::move(answer));
    }
    host_.looked_up_users().found_kind(auth::classify(answer.password.view()));
    const config::settings& global = host_.current_runtime()->configuration->global;
    if (global.auth_query_cache_time.count() > 0) {
        host_.looked_up_users().put(
            what_,
            answer,
            net::loop::now() + global.auth_query_cache_time,
            static_cast<std::size_t>(global.auth_query_cache_size)
        );
    }
    finish(std::move(answer));
}

/// What the server says is for the log: the client has not proved yet who it is.
void auth_lookup::on_refused(std::string_view, std::string_view message) {
    refuse(errc::auth_query_failed, {}, message);
}

void auth_lookup::on_server_lost(errc code, bool) {
    server_ = nullptr;
    refuse(code, {}, "the server's connection was lost");
}

void auth_lookup::refuse(errc code, std::string_view addition, std::string_view detail) {
    log::error(
        "auth_query on {} as {}: {}{}{}",
        what_.database,
        what_.auth_user,
        text_of(code).message,
        detail.empty() ? "" : ": ",
        detail
    );
    looked_up answer;
    answer.what = looked_up::kind::refused;
    answer.code = code;
    answer.addition = addition;
    answer.detail = detail;
    finish(std::move(answer));
}

/// Told in a turn of its own, so that nobody up the stack finds this object gone.
void auth_lookup::finish(looked_up answer) {
    if (!done_) {
        return;
    }
    host_.loop().post([done = std::exchange(done_, nullptr), answer = std::move(answer)]() mutable {
        done(std::move(answer));
    });
}

void auth_lookup::cancel() {
    done_ = nullptr;
    if (wanted != nullptr) {
        host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
            core.leave(*this);
        });
    }
    if (server_ != nullptr) {
        std::exchange(server_, nullptr)->end_lease(pool::lease_end::abandoned);
    }
}

}  // namespace pgweir::session
