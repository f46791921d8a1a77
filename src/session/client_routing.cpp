// Where the requests of a client go when its database is routed: carries out what routed_session
// decides, waits for servers that are fresh enough, and takes back what a standby refuses.

#include "base/log.hpp"
#include "net/loop.hpp"
#include "pool/pool_directory.hpp"
#include "session/client.hpp"
#include "session/routing_state.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace pgweir::session {

namespace {

using protocol::request;

/// A segment that is longer is not waited for: it goes to the primary.
constexpr std::size_t segment_limit = reply_guard::request_limit;

/// What an insert position may be ahead of what is flushed though nothing is to be sent: the header
/// of a page of the log, of the first of a segment at most.
constexpr std::uint64_t page_header = 40;

/// A function has dropped it behind our back; the primary's is prepared anew.
constexpr std::string_view no_such_statement = "26000";

/// A position that the primary has told after all that the marks speak of.
bool is_sampled(const router::cluster_view& view, const router::read_marks& marks) noexcept {
    return view.sampled_at > std::max(marks.written, marks.seen);
}

bool nothing_is_unseen(config::read_consistency asked) noexcept {
    return asked == config::read_consistency::session ||
           asked == config::read_consistency::database;
}

/// Hears the texts of a segment again, to tell the judge that they were refused.
class messenger final : public router::judge {
public:
    messenger(router::judge& to, std::string_view sqlstate) : to_(to), sqlstate_(sqlstate) {}

    router::judgement of(std::string_view text, const router::name_scope& scope) noexcept override {
        to_.refused(text, scope, sqlstate_);
        return {};
    }

    std::uint64_t epoch() const noexcept override { return to_.epoch() + 1; }  // none is kept

    void refused(std::string_view, const router::name_scope&, std::string_view) noexcept override {}

private:
    router::judge& to_;
    std::string_view sqlstate_;
};

repair_reason reason_of(std::string_view sqlstate) noexcept {
    if (sqlstate == "40001" || sqlstate == "40P01") {
        return repair_reason::conflict;
    }
    if (sqlstate.starts_with("57P") || sqlstate.starts_with("08")) {
        return repair_reason::lost;
    }
    return sqlstate == "25006" ? repair_reason::refused : repair_reason::other;
}

}  // namespace

// Log-in.

void client::enter_routing() {
    const config::routing where = wanted->terms.routing;
    if (where == config::routing::off) {
        return;
    }
    routing_ = std::make_unique<routing_state>(*this, *wanted, listener_route_);
    host_.want_names(wanted->database);
}

/// Settings of ours that came with the startup packet: no server is told.
void client::take_routing_options() {
    if (!routing_) {
        return;
    }
    pool::extra_values extras;
    for (const auto& [name, value] : parameters_->extras()) {
        const auto own = settable_parameter(name);
        if (!own) {
            extras.emplace(name, value);
        } else if (!routing_->session.begin_with(*own, value)) {
            ignore_value(name, value);
        }
    }
    if (extras.size() != parameters_->extras().size()) {
        parameters_ = host_.parameters().intern(parameters_->values(), std::move(extras));
    }
}

// The way of a segment.

routing_terms client::terms_of_routing() const {
    const pool::client_terms& configured = routing_->home.terms;
    const config::pool_mode mode = configured.mode.load(std::memory_order_relaxed);
    routing_terms terms;
    terms.where = configured.routing.load(std::memory_order_relaxed);
    terms.consistency = configured.consistency.load(std::memory_order_relaxed);
    terms.keeps_server = mode == config::pool_mode::session;
    terms.defer_begin = mode == config::pool_mode::transaction &&
                        host_.current_runtime()->configuration->global.deferred_begin;
    terms.read_by_default = parameters_->values()[pool::parameter_store::default_read_only] == "on";
    if (const auto& view = host_.view_of(routing_->home.database)) {
        terms.sampled_at = view->sampled_at;
        terms.inserted = view->inserted;
    }
    return terms;
}

config::read_consistency client::consistency() const noexcept {
    const pool::client_terms& configured = routing_->home.terms;
    return routing_->session.consistency(configured.consistency.load(std::memory_order_relaxed));
}

/// What the next read has to show.
router::read_marks client::marks_of_read(config::read_consistency asked) const {
    router::read_marks marks = routing_->session.marks;
    switch (asked) {
        case config::read_consistency::eventual:
        case config::read_consistency::primary:
            marks.written = steady_time::min();
            marks.seen = steady_time::min();
            break;
        case config::read_consistency::own_writes:
            marks.seen = steady_time::min();
            break;
        case config::read_consistency::session:
            break;
        case config::read_consistency::database:
            marks.written = std::max(marks.written, routing_->home.database.written_at.load());
            break;
    }
    return marks;
}

segment_court client::court_of(router::judge& judge, std::size_t length) {
    return {
        judge,
        routing_->scope(parameters_),
        [this](std::string_view name) -> std::optional<segment_court::named> {
            const auto found = statements_ ? statements_->text_of(name) : std::nullopt;
            return found ? std::optional(segment_court::named{found->words, found->number})
                         : std::nullopt;
        },
        routing_->verdicts,
        host_.current_runtime()->configuration->global.max_prepared_statements > 0,
        host_.statements().has_room(std::min(length, segment_limit)) &&
            (!statements_ || statements_->has_room()),
    };
}

/// Requests at a boundary, with no server leased. REQUIRES: pending_ is empty.
void client::route(std::string_view bytes) {
    using step = routed_session::step;
    routing_state& r = *routing_;
    const segment_court court = court_of(host_.judge(), bytes.size());
    const routing_terms terms = terms_of_routing();
    std::string out;
    while (!bytes.empty()) {
        r.begins_with_query = bytes[0] == 'Q';
        if (r.begins_with_query && no_simple_queries()) {
            return refuse(errc::query_disallowed);
        }
        out.clear();
        const auto plan = r.session.next(bytes, segment_limit, terms, court, backslashes(), out);
        r.harmless = plan.harmless;
        switch (plan.what) {
            case step::answered:
            case step::refused:
                answered_here(out);
                bytes.remove_prefix(plan.length);
                continue;
            case step::wait:
                pending_.insert(0, bytes);
                return;
            case step::sample:
                if (await_sample(bytes)) {
                    return;
                }
                put_no_position(out);
                answered_here(out);
                bytes.remove_prefix(plan.length);
                continue;
            case step::primary:
                if (await_primary(bytes)) {
                    return;
                }
                if (plan.why == router::reason::unknown_name) {
                    host_.miss_name(r.home.database);
                }
                host_.routing().to_primary[static_cast<std::size_t>(plan.why)].add(1);
                break;
            case step::read:
                if (go_read(bytes, plan) || await_primary(bytes)) {
                    return;
                }
                break;
            case step::standby:
                if (go_fixed(bytes, plan) || await_primary(bytes)) {
                    return;
                }
                break;
        }
        return go_home(bytes, plan.what == step::read);
    }
}

/// A segment was answered without a server.
void client::answered_here(std::string_view out) {
    const steady_time now = net::loop::now();
    routing_->forget_waits();
    give(out);
    stats().query_count.add(1);
    host_.routing().answered.add(1);
    request_at_ = now;
    if (begun_here() != in_transaction_) {
        in_transaction_ = begun_here();
        if (in_transaction_) {
            transaction_at_ = now;
        } else {
            stats().xact_count.add(1);
            stats().xact_time.add(now - transaction_at_);
        }
    }
    watch();
}

/// SHOW pgweir.last_write needs a position that the primary has told after the write: true if it
/// waits for one.
bool client::await_sample(std::string_view bytes) {
    routing_state& r = *routing_;
    const steady_time now = net::loop::now();
    if (host_.view_of(r.home.database) == nullptr) {
        return false;  // nobody asks the servers any more
    }
    if (r.waits_for != view_wait::sample) {
        r.wait_until = end_of_patience(now);
    }
    if (now >= r.wait_until) {
        return false;
    }
    host_.request_sample(r.home.database, router::awaited::fresh_standby);
    await_view(bytes, r.wait_until, view_wait::sample);
    return true;
}

/// Until when there may be no server at all for what is asked.
steady_time client::end_of_patience(steady_time now) const {
    const microseconds failover =
        host_.current_runtime()->configuration->global.failover_wait_timeout;
    const microseconds limit =
        failover.count() > 0
            ? failover
            : routing_->home.terms.query_wait_timeout.load(std::memory_order_relaxed);
    return limit.count() > 0 ? now + limit : never;
}

/// The primary has not told where its log ends.
void client::put_no_position(std::string& out) const {
    protocol::put_error(out, protocol::severity::error, errc::no_primary);
    protocol::put_ready_for_query(
        out,
        begun_here() ? protocol::transaction_status::in_transaction
                     : protocol::transaction_status::idle
    );
}

/// To the primary. `read`: a standby might have answered it, too.
void client::go_home(std::string_view bytes, bool read) {
    routing_->forget_waits();
    routing_->primary_next = false;
    routing_->lease = routing_state::use::home;
    routing_->could_be_read = read;
    wanted = &routing_->home;
    relay_requests(bytes);
    if (read) {
        wait_for_view_too();
    }
}

/// A standby may have shown the session what the primary does not show yet: true if it waits for
/// that.
bool client::await_primary(std::string_view bytes) {
    routing_state& r = *routing_;
    const router::cluster_view_ptr& view = host_.view_of(r.home.database);
    if (!nothing_is_unseen(consistency()) || view == nullptr ||
        router::primary_shows(*view, r.session.marks)) {
        r.shown_until = steady_time::min();
        return false;
    }
    const steady_time now = net::loop::now();
    if (r.shown_until == steady_time::min()) {
        r.shown_until = now + host_.current_runtime()->configuration->global.primary_wait_timeout;
    }
    if (now >= r.shown_until) {
        r.shown_until = steady_time::min();
        host_.routing().not_shown.add(1);
        return false;
    }
    host_.request_sample(r.home.database, router::awaited::showing_primary);
    await_view(bytes, r.shown_until, view_wait::showing_primary);
    return true;
}

/// Sends the segment at the front to a server that is read from, or lets it wait for one. False if
/// the primary is to have it.
bool client::go_read(std::string_view bytes, const routed_session::plan& to) {
    routing_state& r = *routing_;
    const config::settings& global = host_.current_runtime()->configuration->global;
    const bool primary_next = std::exchange(r.primary_next, false);
    r.use_view(host_.view_of(r.home.database));
    const router::cluster_view_ptr& view = r.view;
    if (primary_next || view == nullptr) {
        return false;
    }
    const router::candidates all = router::readable(*view, true, global.read_from_primary);
    const config::read_consistency asked = consistency();
    const router::read_marks marks = marks_of_read(asked);
    const steady_time now = net::loop::now();
    // What was seen on one host can only be lost on another one.
    const bool keeps = nothing_is_unseen(asked);
    const auto find = [&](pool::pool_core& core) -> std::pair<std::optional<std::size_t>, bool> {
        const router::candidates open = r.let_in(core, all, now);
        const auto found = keeps ? r.kept_host(core, open, marks) : r.any_host(core, open);
        if (!found || router::is_fresh(view->hosts[*found], marks)) {
            return {found, found.has_value()};
        }
        // Another standby may be as far.
        router::candidates fresh;
        for (std::size_t i = 0; i < open.count; i++) {
            const router::host_view& other = view->hosts[open.index[i]];
            if (other.role == router::host_role::standby && router::is_fresh(other, marks)) {
                fresh.add(open.index[i]);
            }
        }
        const auto other = r.any_host(core, fresh);
        if (keeps && other) {
            r.keep_to(&r.pool_of_host(core, *other));
        }
        return {other, true};
    };
    pool::pool* of_host = nullptr;
    std::optional<std::size_t> host = keeps ? r.settled_host(all, marks) : std::nullopt;
    if (host) {
        of_host = r.pools[*host];
    } else {
        bool any = false;
        host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
            std::tie(host, any) = find(core);
            of_host = host ? &r.pool_of_host(core, *host) : nullptr;
        });
        if (!any) {
            return false;
        }
    }
    if (!host) {
        // What is inserted and not flushed is not on its way to anybody.
        const bool unsent =
            is_sampled(*view, marks) && view->inserted.lsn > view->flushed + page_header;
        if (r.wait_until == steady_time::min()) {
            r.wait_until = now + read_patience();
        }
        if ((unsent && view->primary) || now >= r.wait_until) {
            r.wait_until = steady_time::min();
            host_.routing().not_fresh.add(1);
            return false;
        }
        host_.request_sample(r.home.database, router::awaited::fresh_standby);
        await_view(bytes, r.wait_until, view_wait::fresh_standby);
        return true;
    }
    if (std::exchange(r.wait_until, steady_time::min()) != steady_time::min()) {
        host_.routing().waited.add(1);
    }
    if (view->primary == *host) {
        host_.routing().reads_on_primary.add(1);
        return false;
    }
    const std::string_view whole = bytes.substr(0, to.length);
    r.guard.begin();
    r.guard.keep(whole);
    r.begin_before = r.session.deferred();
    if (statements_) {
        statements_->begin_undo();
    }
    r.one_segment = true;
    pending_ = bytes.substr(to.length);
    take_host(*host, *of_host);
    relay_requests(whole);
    wait_for_view_too();
    return true;
}

/// The same for a transaction whose route does not depend on what it asks for. False if the primary
/// is to have it, which the route allows.
bool client::go_fixed(std::string_view bytes, const routed_session::plan& to) {
    routing_state& r = *routing_;
    const config::settings& global = host_.current_runtime()->configuration->global;
    r.use_view(host_.view_of(r.home.database));
    const router::cluster_view_ptr& view = r.view;
    pool::pool* of_host = nullptr;
    std::optional<std::size_t> host;
    if (view != nullptr) {
        const router::candidates all =
            router::readable(*view, true, to.primary_too && global.read_from_primary);
        host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
            const router::candidates open = r.let_in(core, all, net::loop::now());
            host = r.any_host(core, open.count != 0 ? open : all);
            of_host = host ? &r.pool_of_host(core, *host) : nullptr;
        });
    }
    if (!host && to.or_primary) {
        return false;
    }
    host_.routing().fixed.add(1);
    if (!host) {
        if (r.waits_for != view_wait::any_standby) {
            r.wait_until = end_of_patience(net::loop::now());
        }
        await_view(bytes, r.wait_until, view_wait::any_standby);
        return true;
    }
    if (view->primary == *host) {
        return false;
    }
    r.fixed = true;
    r.or_primary = to.or_primary;
    take_host(*host, *of_host);
    relay_requests(bytes);
    wait_for_view_too();
    return true;
}

/// The next lease is of this host's pool.
void client::take_host(std::size_t host, pool::pool& of) {
    routing_state& r = *routing_;
    r.forget_waits();
    r.lease = routing_state::use::read;
    r.host = host;
    r.incarnation = r.view->hosts[host].incarnation;
    wanted = &of;
}

/// How long a read waits for a standby. Without a primary there is nobody else to answer it.
microseconds client::read_patience() const {
    const config::settings& global = host_.current_runtime()->configuration->global;
    const router::cluster_view_ptr& view = host_.view_of(routing_->home.database);
    const bool alone = view != nullptr && !view->primary;
    return alone ? std::max(global.failover_wait_timeout, global.read_wait_timeout)
                 : global.read_wait_timeout;
}

/// The primary takes what was meant for a standby. False if that is not so.
bool client::prefer_home() noexcept {
    routing_state& r = *routing_;
    if (r.lease != routing_state::use::read || (r.fixed && !r.or_primary)) {
        return false;
    }
    r.forget_lease();
    r.lease = routing_state::use::home;
    r.primary_next = true;
    wanted = &r.home;
    return true;
}

/// True if a read whose route is fixed may be asked of another standby than the one that it had.
bool client::has_other_standby() const {
    routing_state& r = *routing_;
    if (r.lease != routing_state::use::read || !r.fixed) {
        return false;
    }
    const router::candidates all = router::readable(*r.view, true, false);
    return host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
        return r.let_in(core, all, net::loop::now()).count != 0;
    });
}

// Waiting.

/// Who has to wait for a server may find a better one in the next view.
void client::wait_for_view_too() {
    if (state_ == state::waiting) {
        host_.await_view(*routing_);
    }
}

/// What is at hand waits for another view of the cluster.
void client::await_view(std::string_view bytes, steady_time until, view_wait what) {
    routing_state& r = *routing_;
    pending_.insert(0, bytes);
    r.lease = routing_state::use::none;
    r.waits_for = what;
    r.deadline = until;
    waiting_since = net::loop::now();
    state_ = state::waiting;
    host_.await_view(r);
    watch();
}

/// Waits, but for no server's turn.
bool client::waits_for_view() const noexcept {
    return routing_ && state_ == state::waiting && routing_->lease == routing_state::use::none;
}

/// Its pool's servers are those of a primary that there is not.
bool client::without_primary() const noexcept {
    return routing_ && wanted->host.empty() && wanted->database.no_primary;
}

void client::on_view() {
    routing_state& r = *routing_;
    if (state_ != state::waiting) {
        return;
    }
    const router::cluster_view_ptr& view = host_.view_of(r.home.database);
    switch (r.lease) {
        case routing_state::use::none:
            break;
        case routing_state::use::home:
            if (!r.could_be_read) {
                return;
            }
            if (view == nullptr || view->primary || !is_shown_by_standby(*view)) {
                return host_.await_view(r);
            }
            leave_queue();  // a standby answers what the primary cannot any more
            break;
        case routing_state::use::read:
            if (view != nullptr && r.still_serves(*view)) {
                return host_.await_view(r);
            }
            leave_queue();
            break;
    }
    route_again();
}

/// True if there is a standby that the next read can go to. The clock of who waits for a primary
/// goes on otherwise.
bool client::is_shown_by_standby(const router::cluster_view& view) const {
    const router::read_marks marks = marks_of_read(consistency());
    const router::candidates all = router::readable(view, true, false);
    return std::any_of(all.index.begin(), all.index.begin() + all.count, [&](std::size_t host) {
        return router::is_fresh(view.hosts[host], marks);
    });
}

/// What waits is looked at anew.
void client::route_again() {
    routing_->forget_lease();
    wanted = &routing_->home;
    state_ = state::idle;
    watch();
    send_pending();
}

/// The wait for a view is over without one that helps.
void client::on_no_view() {
    routing_state& r = *routing_;
    r.unlink();
    switch (r.waits_for) {
        case view_wait::nothing:
        case view_wait::sample:
            break;
        case view_wait::any_standby:
            return refuse(errc::no_standby);
        case view_wait::fresh_standby:
            r.wait_until = steady_time::min();
            host_.routing().not_fresh.add(1);
            r.primary_next = true;
            break;
        case view_wait::showing_primary:
            r.primary_next = true;
            break;
    }
    route_again();
}

/// What has waited is not asked for any more.
void client::forget_route() noexcept {
    routing_->forget_lease();
    routing_->forget_waits();
    wanted = &routing_->home;
}

/// The connection may lead to another incarnation of the server than the one whose position is
/// known.
bool client::is_too_young(const pool::server_connection& server) const {
    const routing_state& r = *routing_;
    if (r.lease != routing_state::use::read || r.fixed) {
        return false;
    }
    const router::cluster_view_ptr& view = host_.view_of(r.home.database);
    return view == nullptr || !r.still_serves(*view) ||
           server.connected_at >= view->hosts[r.host].asked_at;
}

/// The server is given back until its host has been asked once more.
void client::await_older_server(pool::server_connection& server) {
    routing_state& r = *routing_;
    if (r.wait_until == steady_time::min()) {
        r.wait_until = net::loop::now() + read_patience();
    }
    host_.request_sample(r.home.database, router::awaited::fresh_standby);
    r.forget_lease();
    await_view({}, r.wait_until, view_wait::fresh_standby);
    server.end_lease(pool::lease_end::done);
}

// Leases.

/// The request begins a segment, and one before it has not been answered by a server that is only
/// read from: where the next one goes is found out then.
bool client::has_to_be_routed(request what) const noexcept {
    const bool of_copy = what == request::copy_data || what == request::copy_end;
    return routing_ && routing_->segment_sent && !of_copy &&
           routing_->lease == routing_state::use::read && mode_ != config::pool_mode::session &&
           server_ != nullptr && server_->requests().ready_owed() != 0;
}

/// The client believes that it has begun a transaction of which no server knows.
bool client::begun_here() const noexcept {
    return routing_ && routing_->session.begun();
}

/// Sends the BEGIN that was answered here, ahead of the first request of the transaction.
void client::begin_transaction() {
    if (!begun_here()) {
        return;
    }
    using follower = pool::server_connection::follower;
    for (const std::string& text : routing_->session.deferred()) {
        server_->send_ahead(
            text, routing_->begins_with_query ? follower::query : follower::segment
        );
    }
    routing_->session.sent_begin();
    request_begins();
}

/// A setting of ours was set or reset behind other requests, so that a server has confirmed it.
void client::take_own_settings(const std::vector<effect>& steps) {
    for (const effect& step : steps) {
        if (step.what == effect::kind::reset_all || step.what == effect::kind::discard_all) {
            routing_->session.reset_all();
            continue;
        }
        const auto own = settable_parameter(step.to.name);
        if (own && !step.to.value) {
            routing_->session.reset(*own);
        } else if (own && !routing_->session.set(*own, *step.to.value)) {
            ignore_value(step.to.name, *step.to.value);
        }
    }
}

void client::ignore_value(std::string_view name, std::string_view value) const {
    log::warning(
        "client {} {}/{}: {} = \"{}\" is no value of it, and is ignored",
        id_,
        database(),
        user(),
        name,
        value
    );
}

/// What was asked of a server has been answered, or nobody waits for the answer any more.
void client::note_use() {
    routing_state& r = *routing_;
    const steady_time now = net::loop::now();
    r.one_segment = false;
    r.segment_sent = false;
    if (r.lease == routing_state::use::read) {
        r.session.marks.seen = now;
        r.session.marks.seen_incarnation = r.incarnation;
        return;
    }
    if (nothing_is_unseen(consistency()) || !r.harmless) {
        r.session.marks.written = now;
    }
    if (!r.harmless) {
        r.home.database.note_write(now);
    }
}

// Replies that may have to be taken back.

void client::on_guarded(std::string_view bytes) {
    routing_state& r = *routing_;
    using verdict = reply_guard::verdict;
    const verdict found = r.guard.feed(bytes);
    if (found == verdict::hold) {
        return;
    }
    if (found == verdict::refused) {
        const std::string sqlstate(r.guard.why().sqlstate);
        if (may_be_the_standbys(sqlstate) || sqlstate == no_such_statement) {
            return take_back(sqlstate);
        }
        bytes = {};  // held like the rest
    }
    host_.routing().reads_on_standby.add(1);
    give(r.guard.end());
    give(bytes);
}

/// The standby's error is not the client's to see.
void client::take_back(std::string_view sqlstate) {
    routing_state& r = *routing_;
    const repair_reason why = reason_of(sqlstate);
    host_.routing().repaired[static_cast<std::size_t>(why)].add(1);
    log::debug(
        "client {} {}/{}: {} refuses a read with {}, so the primary is asked",
        id_,
        database(),
        user(),
        r.view->hosts[r.host].name,
        sqlstate
    );
    if (why == repair_reason::refused || why == repair_reason::other) {
        messenger to(host_.judge(), sqlstate);
        const std::string_view requests = r.guard.requests();
        const segment_court court = court_of(to, requests.size());
        read_segment(requests, segment_limit, court);
    }
    r.guard.drop();
}

/// All replies to what was taken back have come.
void client::ask_primary(protocol::transaction_status status) {
    routing_state& r = *routing_;
    pool::server_connection* server = std::exchange(server_, nullptr);
    const bool idle = status == protocol::transaction_status::idle;
    session_.lease_over();
    read_on();
    std::string told;
    const std::string requests = r.guard.again(told);
    stream_->send(told);
    if (statements_) {
        statements_->undo();
    }
    r.session.resume_begin(std::move(r.begin_before));
    pending_.replace(0, r.left, requests);  // what of them has not been sent stands there
    r.primary_next = true;
    if (server != nullptr) {
        server->end_lease(idle ? pool::lease_end::done : pool::lease_end::abandoned);
    }
    route_again();
}

/// The server was lost. True if the client has not seen anything of what was asked of it, and
/// another one is asked.
bool client::lost_unseen() {
    routing_state& r = *routing_;
    if (r.lease != routing_state::use::read) {
        note_use();
        r.forget_lease();
        return false;
    }
    if (r.guard.off()) {
        return false;
    }
    if (!r.guard.dropping()) {
        host_.routing().repaired[static_cast<std::size_t>(repair_reason::lost)].add(1);
        r.guard.abandon();
    }
    ask_primary(protocol::transaction_status::idle);
    return true;
}

}  // namespace pgweir::session
