#include "pool/server_connection.hpp"

#include "base/log.hpp"
#include "net/loop.hpp"
#include "net/name_cache.hpp"
#include "net/tls_stream.hpp"
#include "pool/pool_directory.hpp"
#include "pool/reset_query.hpp"
#include "pool/server_host.hpp"
#include "protocol/message.hpp"
#include "protocol/statement_messages.hpp"
#include "sql/gate.hpp"

#include <algorithm>

namespace pgweir::pool {

namespace {

using protocol::frame_scanner;
using protocol::pipeline;
using protocol::transaction_status;

/// Relaying to a client, only these are read whole: who is done, which parameters changed, what was
/// done. Of an error, code and message are in the beginning.
constexpr protocol::type_set relay_types{"ZSC", "E"};

/// The same while the columns of a statement are awaited.
constexpr protocol::type_set describing_types{"ZSCT", "E"};

/// The longest message that is read whole. Rows pass by, however long they are.
constexpr std::uint32_t whole_limit = 1024 * 1024;
constexpr std::uint32_t length_limit = 0x7fffffff;

/// Only these are ever longer than this: a longer one of another type is no PostgreSQL.
constexpr protocol::type_set long_types{"TtDdVENAS"};
constexpr std::uint32_t short_limit = 30000;

/// How long an abandoned query may take to end, and a request of our own, where no query_timeout
/// says otherwise.
constexpr seconds patience{10};

/// Each is a connection of its own, and a client may ask for as many as it likes.
constexpr std::size_t cancels_at_once = 8;

constexpr std::string_view empty_query = "<empty>";
constexpr std::string_view discard_query = "DISCARD ALL";
constexpr std::string_view query_canceled = "57014";
constexpr std::string_view no_such_statement = "26000";
constexpr std::string_view plan_changed = "0A000";
constexpr std::string_view plan_changed_text = "cached plan must not change result type";

/// Tags, with their zero byte.
constexpr std::string_view deallocate_all{"DEALLOCATE ALL", sizeof "DEALLOCATE ALL"};
constexpr std::string_view discard_all{"DISCARD ALL", sizeof "DISCARD ALL"};

}  // namespace

server_connection::server_connection(server_host& host, pool& for_pool, std::uint64_t server_id)
    : host_(&host),
      scanner_(fresh_scanner()),
      parameters_(host.parameters().empty()),
      reported_(parameters_) {
    id = server_id;
    host.pools().run(host.id(), [&](pool_core& core, actions&) {
        core.opened(*this, for_pool, host_->id(), net::loop::now());
    });
}

server_connection::~server_connection() = default;

frame_scanner server_connection::fresh_scanner() {
    return {protocol::all_types, whole_limit, length_limit};
}

// Connecting and logging in.

void server_connection::connect() {
    server_address to = host_->address_of(*owner, listed);
    address_ = to.where;
    terms_ = std::move(to.tls);
    connect_query_ = std::move(to.connect_query);
    login_ = std::make_shared<server_login>(
        std::move(to.login), host_->parameters(), &host_->scram_cache()
    );
    if (address_.host.empty()) {
        return login_failed("it is not known where its server is", {});
    }
    if (to.connect_timeout.count() > 0) {
        host_->loop().set(*this, net::loop::now() + to.connect_timeout);
    }
    connector_ = std::make_unique<net::connector>(
        host_->loop(),
        address_,
        to.options,
        microseconds(0),
        [this](int socket, std::error_code why) { on_connected(socket, why); }
    );
}

void server_connection::on_connected(int socket, std::error_code why) {
    connector_.reset();
    if (socket < 0) {
        return login_failed("cannot connect: " + why.message(), {});
    }
    socket_ = socket;
    phase_ = phase::login;
    if (terms_.context == nullptr) {
        return on_opened({host_->loop().streams().adopt(socket, *this), nullptr, {}, {}});
    }
    opening_ = std::make_unique<tls_opening>(
        host_->loop(),
        socket,
        std::move(terms_),
        address_.port,
        [this](opened_stream opened) { on_opened(std::move(opened)); }
    );
}

bool server_connection::at_old_address() const {
    if (socket_ < 0) {
        return false;
    }
    const net::address peer = net::address::of_peer(socket_);
    return !peer.ip().empty() && !host_->loop().names().may_mean(address_.host, peer.host());
}

void server_connection::on_opened(opened_stream opened) {
    opening_.reset();
    if (opened.stream == nullptr) {
        return login_failed(opened.why, opened.sqlstate);
    }
    stream_ = std::move(opened.stream);
    stream_->set_handler(*this);
    tls_ = std::move(opened.tls);
    std::string out;
    login_->start(out);
    stream_->send(out);
}

void server_connection::on_login_bytes(std::string_view bytes) {
    if (tls_ != nullptr) {
        login_->set_end_point(tls_->end_point());
    }
    std::string out;
    for (;;) {
        switch (scanner_.next()) {
            case frame_scanner::event::end:
                return;
            case frame_scanner::event::header:
            case frame_scanner::event::head:
            case frame_scanner::event::malformed:
                return login_failed(text_of(errc::server_protocol).message, {});
            case frame_scanner::event::message:
                break;
        }
        out.clear();
        const auto outcome = login_->on_message(scanner_.type(), scanner_.body(), out);
        stream_->send(out);
        wipe(out);
        if (outcome == server_login::outcome::failed) {
            return login_failed(login_->why(), login_->sqlstate());
        }
        if (outcome == server_login::outcome::ask) {
            ask();
        }
        if (outcome == server_login::outcome::ready) {
            // What comes behind ReadyForQuery is asynchronous: a notice, say.
            phase_ = phase::ready;
            relay(bytes, scanner_.position());
            if (phase_ != phase::gone) {
                logged_in();
            }
            return;
        }
    }
}

/// The answer may come when this connection has ended, or is no more.
void server_connection::ask() {
    auto answered = [this, login = std::weak_ptr(login_)](const auth::slow_answer& answer) {
        if (login.expired() || phase_ != phase::login) {
            return;
        }
        std::string out;
        const auto outcome = login_->on_answer(answer, out);
        stream_->send(out);
        wipe(out);
        if (outcome == server_login::outcome::failed) {
            login_failed(login_->why(), login_->sqlstate());
        }
    };
    host_->ask(login_->take_question(), std::move(answered));
}

void server_connection::logged_in() {
    key_ = login_->key();
    parameters_ = login_->parameters();
    reported_ = parameters_;
    clear();
    log::info(
        "server {} {}/{} at {}: connected, process {}",
        id,
        owner->database.name,
        owner->user,
        net::to_string(address_),
        key_.process_id
    );
    auto greeting = std::make_shared<const welcome>(welcome{parameters_, login_->welcome()});
    login_.reset();
    host_->pools().run(host_->id(), [&](pool_core&, actions&) {
        if (!close_needed) {
            owner->greeting = std::move(greeting);
        }
        if (listed < owner->database.listed_failed_at.size()) {
            owner->database.listed_failed_at[listed].reset();
            owner->database.listed_tried.clear();
        }
    });
    if (connect_query_.empty()) {
        return put_back();
    }
    phase_ = phase::setup;
    start_task(task_kind::connect_query, connect_query_);
}

void server_connection::login_failed(std::string_view why, std::string_view sqlstate) {
    log::warning(
        "server {} {}/{} at {}: log-in failed: {}",
        id,
        owner->database.name,
        owner->user,
        net::to_string(address_),
        why
    );
    stop_opening();
    host_->pools().run(host_->id(), [&](pool_core& core, actions& out) {
        core.connect_failed(*this, why, sqlstate, net::loop::now(), out);
    });
    host_->remove(*this);
}

void server_connection::stop_opening() {
    phase_ = phase::gone;
    clear();
    connector_.reset();
    opening_.reset();
    stream_.reset();
}

// Leases.

void server_connection::lease_to(lease_holder& holder, reset_policy after) noexcept {
    holder_ = &holder;
    scanner_.set_whole(relay_types);
    phase_ = phase::ready;
    progress_awaited_ = false;
    error_last_ = false;
    failed_ = false;
    work_.begin(requests_.status());
    reset_due_ = after == reset_policy::reset;
    claimed_ = false;
    clear();
}

void server_connection::end_lease(lease_end how) {
    holder_ = nullptr;
    tags_ = tags::ignored;
    if (phase_ == phase::gone) {
        return;
    }
    come_back();
    if (leaving_) {
        return end("client left on the way to the next process");
    }
    if (stream_->paused()) {
        stream_->resume();
    }
    const bool clean = !check_before_use_ && !reset_due_ && !soiled_;
    if (how == lease_end::done && cancels_.empty() && clean) {
        return put_back();
    }
    if (how == lease_end::broken || requests_.needs_sync() || requests_.copy_in_open()) {
        // PostgreSQL rolls back what the client has not finished asking for.
        return end("client left in the middle of a request");
    }
    occupy();
    if (requests_.settled()) {
        return clean_up();
    }
    if (how == lease_end::useless) {
        cancel([] {});
    }
    drain();
}

void server_connection::send_ahead(std::string_view sql, follower behind) {
    for (const protocol::request one : protocol::statement_requests) {
        requests_.sent(one, protocol::origin::injected);
    }
    work_.bound(sql);
    std::string out;
    protocol::put_statement(out, sql);
    stream_->send(out);
    sync_if_skipped_ = behind == follower::query;
}

bool server_connection::set_parameters(const parameter_set_ptr& wanted, bool reported) {
    const std::string sql = host_->parameters().change(*parameters_, *wanted);
    if (sql.empty()) {
        return false;
    }
    wanted_ = wanted;
    wanted_reported_ = reported;
    start_task(task_kind::parameters, sql);
    return true;
}

// Replies.

void server_connection::on_received(std::string_view bytes) {
    scanner_.feed(bytes);
    if (phase_ == phase::login) {
        on_login_bytes(bytes);
    } else {
        relay(bytes, 0);
    }
}

/// `run` is where the bytes begin that are to be forwarded next.
void server_connection::relay(std::string_view bytes, std::size_t run) {
    for (;;) {
        switch (scanner_.next()) {
            case frame_scanner::event::header:
            case frame_scanner::event::head:
            case frame_scanner::event::message:
                if (swallowing_) {
                    swallowing_ = false;
                    run = scanner_.raw_in_chunk() ? scanner_.position() - scanner_.raw().size() : 0;
                }
                if (requests_.local_next()) {
                    if (scanner_.raw_in_chunk()) {
                        const std::size_t begin = scanner_.position() - scanner_.raw().size();
                        forward(bytes.substr(run, begin - run));
                        run = begin;
                    }
                    answer();
                }
                if (!on_reply(bytes, run)) {
                    const bool here = scanner_.raw_in_chunk();
                    const std::size_t begin =
                        here ? scanner_.position() - scanner_.raw().size() : 0;
                    forward(bytes.substr(run, begin - std::min(run, begin)));
                    return make_no_sense("a message that nothing explains");
                }
                continue;
            case frame_scanner::event::malformed:
                forward(bytes.substr(run, scanner_.position() - std::min(run, scanner_.position()))
                );
                return make_no_sense("a message of impossible length");
            case frame_scanner::event::end:
                if (swallowing_) {
                    swallowing_ = scanner_.in_body();
                    run = scanner_.position();
                }
                forward(bytes.substr(run, scanner_.position() - run));
                answer_locals();
                return after_replies();
        }
    }
}

/// The server is not to come back to the pool.
void server_connection::poison() {
    host_->pools().run(host_->id(), [&](pool_core&, actions&) { close_needed = true; });
}

/// The server has said something that it could not have said.
void server_connection::make_no_sense(std::string_view what) {
    log::error("server {} {}/{}: {}", id, owner->database.name, owner->user, what);
    if (settled_now_ && holder_ != nullptr) {
        // The client has all that it asked for, so it need not suffer: the server does not come
        // back.
        settled_now_ = false;
        lease_over_ = false;
        poison();
        holder_->on_settled(requests_.status());
    }
    if (phase_ != phase::gone) {
        lose(errc::server_protocol, what);
    }
}

/// Nobody has the server and nothing is owed: what it says now is read whole, so that the next
/// holder never gets the second half of it.
bool server_connection::nobodys_now() const noexcept {
    return holder_ == nullptr && requests_.settled();
}

/// What a standby reports of itself is not what the client was told of the primary.
bool server_connection::is_the_hosts(std::string_view parameter_status) const noexcept {
    constexpr std::string_view in_hot_standby{"in_hot_standby", sizeof "in_hot_standby"};
    return !owner->host.empty() && parameter_status.starts_with(in_hot_standby);
}

/// One message: to the client, or swallowed. False if the server makes no sense.
bool server_connection::on_reply(std::string_view bytes, std::size_t& run) {
    const char type = scanner_.type();
    if (scanner_.body_length() > short_limit && !long_types.contains(type)) {
        return false;
    }
    const bool own = requests_.own_next();
    std::string instead;  // of an error
    pipeline::verdict verdict{};
    if (type == 'Z') {
        if (scanner_.body_length() != 1) {
            return false;
        }
        verdict = requests_.ready(scanner_.body()[0]);
        if (own) {
            task_over_ = true;
            scanner_.set_whole(nobodys_now() ? protocol::all_types : reply_types());
            take_parameters();
        } else {
            const bool failed = std::exchange(failed_, false);
            error_last_ = false;
            sync_if_skipped_ = false;
            if (tags_ == tags::watched && verdict != pipeline::verdict::desync) {
                holder_->on_ready(requests_.status(), failed);
            }
            settled_now_ = requests_.settled();
            lease_over_ =
                settled_now_ && holder_ != nullptr && holder_->is_done(requests_.status());
            scanner_.set_whole(lease_over_ || nobodys_now() ? protocol::all_types : reply_types());
        }
    } else {
        if (type == 'E' && !own && holder_ != nullptr) {
            instead = error_instead();
        }
        if (type == 'C' && !own && !requests_.injected_next()) {
            on_tag(scanner_.body());
        }
        verdict = requests_.reply(type);
        if (type == 'S') {
            on_parameter(scanner_.body());
            verdict = own || is_the_hosts(scanner_.body()) ? pipeline::verdict::own : verdict;
        } else if (type == 'E') {
            if (own) {
                on_task_error(scanner_.body());
            }
            error_last_ = true;
            failed_ = failed_ || !own;
            if (sync_if_skipped_ && requests_.skipping()) {
                // The Query is skipped like the rest of a segment, which ends with a Sync.
                requests_.sent(protocol::request::sync);
                std::string out;
                protocol::put_sync(out);
                stream_->send(out);
            }
            if (lease_over_) {
                poison();
            }
        } else if (type != 'N') {
            error_last_ = false;
            look_at_statements(type);
        }
    }
    if (verdict == pipeline::verdict::desync) {
        return false;
    }
    if (requests_.has_passed()) {
        settle_statements();
    }
    // What comes behind the last reply of a lease is nobody's.
    const bool swallow = verdict == pipeline::verdict::own || (lease_over_ && type != 'Z');
    swallowing_ = swallow && scanner_.in_body();
    if (!scanner_.raw_in_chunk()) {
        // Begun in an earlier chunk, so nothing of this chunk comes before it.
        if (!swallow) {
            forward(instead.empty() ? scanner_.raw() : instead);
        }
        run = scanner_.position();
    } else if (swallow || !instead.empty()) {
        const std::size_t start = scanner_.position() - scanner_.raw().size();
        forward(bytes.substr(run, start - run));
        forward(swallow ? std::string_view() : instead);
        run = scanner_.position();
    }
    return true;
}

// Prepared statements.

const protocol::type_set& server_connection::reply_types() const noexcept {
    return statements_.describing() ? describing_types : relay_types;
}

void server_connection::look_for_rows() noexcept {
    if (statements_.describing() && task_ == task_kind::none) {
        scanner_.set_whole(describing_types);
    }
}

/// Replies that say something of statements: what has columns, and that all of them are gone.
void server_connection::look_at_statements(char type) {
    if (type == 'C') {
        const std::string_view tag = scanner_.body();
        if (tag == deallocate_all || tag == discard_all) {
            statements_.clear();
            if (holder_ != nullptr) {
                holder_->on_statements_forgotten();
            }
        }
    } else if (statements_.describing() && (type == 'T' || type == 'n')) {
        statements_.rows_described(type == 'T' ? scanner_.body() : std::string_view());
    }
}

/// What the client is told instead of the server's error; empty if that is right for it.
std::string server_connection::error_instead() {
    if (requests_.notice_next()) {
        holder_->on_statement_failed(statements_.queue()[statements_.head()]);
    }
    if (scanner_.in_body()) {
        return {};  // too long to be about names
    }
    std::string error;
    if (requests_.notice_next()) {
        const statement_effect& failed = statements_.queue()[statements_.head()];
        if (failed.what == statement_effect::kind::refuse) {
            failed.statement->retire();
            protocol::put_error(error, protocol::severity::error, plan_changed, plan_changed_text);
            return error;
        }
        if (failed.what == statement_effect::kind::duplicate) {
            error =
                protocol::replace_in_error(scanner_.raw(), failed.statement->name(), failed.name)
                    .value_or(std::string());
        }
        if (failed.moved.by != 0 && error.empty()) {
            error = protocol::move_error(scanner_.raw(), failed.moved.behind, -failed.moved.by)
                        .value_or(std::string());
        }
    }
    std::string named = with_names_of_client(error.empty() ? scanner_.raw() : error);
    return named.empty() ? error : named;
}

/// An error that speaks of a statement of ours, by the client's name; empty if it does not. What it
/// says of the server's statements is noted.
std::string server_connection::with_names_of_client(std::string_view raw) {
    const protocol::error_fields error = protocol::read_error(raw.substr(protocol::header_size));
    if (error.sqlstate == plan_changed) {
        statements_.retire_used_since(
            requests_.segment() - static_cast<std::uint32_t>(requests_.ready_owed())
        );
    }
    const auto named = find_statement_name(error.message);
    if (!named) {
        return {};
    }
    if (error.sqlstate == no_such_statement) {
        statements_.lost(named->number);
    }
    const std::string_view name = holder_->name_of(named->number);
    return name.empty()
               ? std::string()
               : protocol::replace_in_error(raw, named->text, name).value_or(std::string());
}

void server_connection::settle_statements() {
    const pipeline::passed passed = requests_.take_passed();
    for (std::uint32_t i = 0; i < passed.done; i++) {
        const statement_effect effect = statements_.done();
        if (holder_ != nullptr && effect.of_client()) {
            holder_->on_statement(effect, statements_.last_rows());
        }
    }
    for (std::uint32_t i = 0; i < passed.dropped; i++) {
        statements_.dropped();
    }
}

void server_connection::answer_locals() {
    if (requests_.local_next() && !scanner_.in_body()) {
        answer();
    }
}

void server_connection::answer() {
    std::string out;
    while (requests_.local_next()) {
        if (requests_.take_local() == protocol::request::parse) {
            protocol::put_parse_complete(out);
        } else {
            protocol::put_close_complete(out);
        }
        settle_statements();
    }
    forward(out);
}

/// A CommandComplete for the client, its request still the oldest in the pipeline.
void server_connection::on_tag(std::string_view body) {
    const std::string_view tag = body.substr(0, body.find('\0'));
    if (tags_ == tags::watched) {
        holder_->on_tag(tag, requests_.oldest_number());
    } else if (!reset_due_ && !sql::tag_leaves_session_alone(tag)) {
        soil();
    }
}

void server_connection::on_parameter(std::string_view body) {
    const auto parameter = protocol::read_parameter_status(body);
    if (!parameter) {
        return;
    }
    const auto index = host_->parameters().index_of(parameter->name);
    if (!index) {
        return;
    }
    if (wanted_ != nullptr && wanted_reported_) {
        return;  // exactly what was asked for; taken over when all of it is in force
    }
    parameters_ = host_->parameters().with(parameters_, *index, parameter->value);
    if (holder_ != nullptr && wanted_ == nullptr) {
        holder_->on_parameter(*index, parameter->value);
    }
}

void server_connection::forward(std::string_view bytes) {
    if (holder_ != nullptr && !bytes.empty()) {
        holder_->on_replies(bytes);
    }
}

/// What the replies of a chunk lead to, when all that was to be forwarded is.
void server_connection::after_replies() {
    const bool progress = std::exchange(progress_awaited_, false);
    if (task_over_) {
        task_over_ = false;
        on_task_done();
    }
    if (settled_now_) {
        settled_now_ = false;
        if (std::exchange(lease_over_, false)) {
            scanner_.set_whole(relay_types);
        }
        if (phase_ == phase::draining && requests_.settled()) {
            clean_up();
        } else if (holder_ != nullptr && requests_.settled()) {
            return holder_->on_settled(requests_.status());
        }
    }
    if (progress && holder_ != nullptr) {
        holder_->on_progress();
    }
}

void server_connection::on_drained() {
    if (holder_ != nullptr) {
        holder_->on_server_drained();
    }
}

// Requests of our own.

void server_connection::start_task(task_kind what, std::string_view sql) {
    task_ = what;
    task_error_.clear();
    scanner_.set_whole(protocol::all_types);
    requests_.sent(protocol::request::query, protocol::origin::pooler);
    std::string out;
    protocol::put_query(out, sql == empty_query ? std::string_view() : sql);
    stream_->send(out);
    if (holder_ == nullptr) {
        host_->loop().set(*this, net::loop::now() + patience);
    }
}

void server_connection::on_task_error(std::string_view body) {
    const protocol::error_fields error = protocol::read_error(body);
    if (task_ == task_kind::check && error.sqlstate == query_canceled) {
        // The cancel request that was feared came late, and has hit nobody.
        check_before_use_ = true;
        return;
    }
    task_error_ = error.message.empty() ? "error" : std::string(error.message);
}

/// The parameters that were asked for are in force: at once, for what comes next in the same chunk
/// may change them again.
void server_connection::take_parameters() {
    const parameter_set_ptr wanted = std::exchange(wanted_, nullptr);
    if (wanted == nullptr || !task_error_.empty()) {
        return;
    }
    if (wanted_reported_) {
        parameters_ = wanted;
        return;
    }
    // The server has reported what the values really are; what it does not report is what was asked
    // for.
    parameter_values values = wanted->values();
    const parameter_values& known = parameters_->values();
    for (std::size_t i = 0; i < values.size(); i++) {
        values[i] = known[i] && values[i] ? known[i] : values[i];
    }
    parameters_ = host_->parameters().intern(std::move(values), wanted->extras());
}

void server_connection::on_task_done() {
    const task_kind done = std::exchange(task_, task_kind::none);
    std::string error = std::exchange(task_error_, {});
    if (done == task_kind::parameters) {
        if (holder_ != nullptr) {
            holder_->on_parameters_set(
                error.empty() ? std::nullopt : std::optional<std::string>(std::move(error))
            );
        } else if (requests_.settled()) {
            clean_up();
        }
        return;
    }
    if (!error.empty()) {
        log::warning(
            "server {} {}/{}: {} failed: {}",
            id,
            owner->database.name,
            owner->user,
            done == task_kind::connect_query ? "connect_query"
            : done == task_kind::check       ? "server_check_query"
            : done == task_kind::reset       ? "server_reset_query"
            : done == task_kind::forget      ? "DEALLOCATE ALL"
                                             : "rollback",
            error
        );
        return end("a request of the pooler's failed: " + error);
    }
    if (done == task_kind::reset) {
        on_reset_done();
    }
    if (done != task_kind::rollback && requests_.status() != transaction_status::idle) {
        return end("left in a transaction by a request of the pooler's");
    }
    clean_up();
}

void server_connection::on_reset_done() {
    const std::string& usual = host_->settings().server_reset_query;
    const bool discarded = std::exchange(soiled_, false);
    parameters_ = settings_after(
        discarded ? discard_query : usual, host_->parameters(), *parameters_, *reported_
    );
    reset_due_ = reset_due_ && discarded && usual != discard_query;
    setup_due_ = setup_due_ || (discarded && !connect_query_.empty());
}

void server_connection::check() {
    if (phase_ != phase::ready || holder_ != nullptr || where != state::busy) {
        return;
    }
    claimed_ = true;
    phase_ = phase::task;
    start_task(task_kind::check, host_->settings().server_check_query);
}

// From one client to the next.

void server_connection::occupy() {
    if (!claimed_) {
        claimed_ = true;
        host_->pools().run(host_->id(), [&](pool_core& core, actions&) { core.occupy(*this); });
    }
}

/// The client has gone and replies are owed: what can commit is left to finish.
void server_connection::drain() {
    phase_ = phase::draining;
    const microseconds limit = host_->settings().query_timeout;
    host_->loop().set(*this, net::loop::now() + std::max<microseconds>(limit, patience));
}

/// Nothing is owed: does what is needed before another client may have the server, one thing at a
/// time.
void server_connection::clean_up() {
    if (owner->host.empty()) {
        // What its client did not stay for may have been committed just now.
        owner->database.note_write(net::loop::now());
    }
    if (!cancels_.empty()) {
        phase_ = phase::holding;
        host_->loop().set(*this, net::loop::now() + patience);
        return;
    }
    phase_ = phase::task;
    if (requests_.status() != transaction_status::idle) {
        return start_task(task_kind::rollback, "ROLLBACK");
    }
    if (std::exchange(check_before_use_, false)) {
        return start_task(task_kind::check, empty_query);
    }
    if (soiled_) {
        return start_task(task_kind::reset, discard_query);
    }
    if (std::exchange(setup_due_, false)) {
        return start_task(task_kind::connect_query, connect_query_);
    }
    const std::string& reset = host_->settings().server_reset_query;
    if (reset_due_ && !reset.empty()) {
        return start_task(task_kind::reset, reset);
    }
    put_back();
}

void server_connection::put_back() {
    if (scanner_.in_body()) {
        return end("in the middle of a message that nobody asked for");
    }
    scanner_.set_whole(protocol::all_types);
    phase_ = phase::ready;
    claimed_ = false;
    clear();
    const steady_time now = net::loop::now();
    const release_outcome outcome = host_->pools().run(
        host_->id(), [&](pool_core& core, actions& out) { return core.release(*this, now, out); }
    );
    switch (outcome.what) {
        case release_outcome::kind::granted:
            return host_->grant(*outcome.to, *this);
        case release_outcome::kind::parked:
            if (outcome.look_again.count() > 0) {
                host_->loop().set(*this, now + outcome.look_again);
            }
            return;
        case release_outcome::kind::close:
            return end("not needed any more");
        case release_outcome::kind::move:
            return host_->later({action::kind::move, host_->id(), owner, id, outcome.destination});
        case release_outcome::kind::cross:
            return host_->later({action::kind::cross, host_->id(), owner, id});
    }
}

void server_connection::cancel(std::function<void()> done) {
    if (cancels_.size() == cancels_at_once) {
        return done();
    }
    cancels_.push_back(std::move(done));
    check_before_use_ = true;
    host_->send_cancel(*this);
}

void server_connection::cancel_over(bool known) {
    if (!known) {
        poison();  // it might come while another client's query runs
    }
    // Which of several has ended does not matter: the server is held until all have.
    const auto done = std::move(cancels_.back());
    cancels_.pop_back();
    done();
    if (phase_ == phase::holding && cancels_.empty()) {
        clean_up();
    }
}

// Between workers.

void server_connection::detach() {
    if (phase_ != phase::ready || where != state::moving) {
        return;
    }
    if (stream_->queued() != 0 || !scanner_.at_boundary()) {
        return end("busy with something unexpected while idle");
    }
    clear();
    stream_->release();
}

void server_connection::on_released(int socket) {
    if (leaving_) {
        return left(socket);
    }
    stream_.reset();
    if (!scanner_.at_boundary()) {
        stream_ = net::adopt(host_->loop(), socket, *this, tls_);
        return end("in the middle of a message that nobody asked for");
    }
    leave_wheel();
    host_->hand_over(*this, destination);
}

void server_connection::attach(server_host& host) {
    host_ = &host;
    stream_ = net::adopt(host.loop(), socket_, *this, tls_);
    host.pools().run(host.id(), [&](pool_core& core, actions&) { core.arrived(*this, host.id()); });
    put_back();
}

// The end.

void server_connection::on_deadline(steady_time now) {
    switch (phase_) {
        case phase::connecting:
        case phase::login:
            return login_failed("no answer within server_connect_timeout", {});
        case phase::setup:
        case phase::task:
            return end("a request of the pooler's took too long");
        case phase::draining:
            return end("an abandoned query took too long");
        case phase::holding:
            return end("a cancel request took too long");
        case phase::ready: {
            const std::string_view why = host_->pools().run(
                host_->id(), [&](pool_core& core, actions&) { return core.claim_stale(*this, now); }
            );
            if (!why.empty()) {
                return end(why);
            }
            return host_->loop().set(*this, now + seconds(1));
        }
        case phase::gone:
            return;
    }
}

void server_connection::on_closed(std::error_code why) {
    if (phase_ == phase::login) {
        // With a server that is not secured as it has to be, all who wait would fare alike.
        const bool insecure = why.category() == net::tls_category();
        return login_failed(
            why ? "connection lost: " + why.message() : "the server closed the connection",
            insecure ? "08001" : ""
        );
    }
    lose(errc::server_lost, why ? why.message() : "the server closed the connection");
}

void server_connection::close(std::string_view why) {
    if (phase_ == phase::gone) {
        return;
    }
    if (phase_ != phase::connecting && phase_ != phase::login) {
        return lose(errc::server_lost, why);
    }
    log::info("server {} {}/{}: not opened: {}", id, owner->database.name, owner->user, why);
    stop_opening();
    host_->pools().run(host_->id(), [&](pool_core& core, actions& out) {
        core.closed(*this, net::loop::now(), out);
    });
    host_->remove(*this);
}

void server_connection::lose(errc code, std::string_view why) {
    lease_holder* holder = std::exchange(holder_, nullptr);
    // A message that made no sense was not forwarded, so nothing was cut by it.
    const bool told = error_last_ || (code != errc::server_protocol && mid_reply());
    end(why);
    if (holder != nullptr) {
        holder->on_server_lost(code, told);
    }
}

void server_connection::end(std::string_view why) {
    log::info(
        "server {} {}/{} at {}: closed: {}",
        id,
        owner->database.name,
        owner->user,
        net::to_string(address_),
        why
    );
    phase_ = phase::gone;
    clear();
    come_back();
    if (requests_.settled() && !leaving_) {
        std::string out;
        protocol::put_terminate(out);
        stream_->send(out);
    }
    stream_.reset();
    host_->pools().run(host_->id(), [&](pool_core& core, actions& out) {
        core.closed(*this, net::loop::now(), out);
    });
    for (const auto& done : std::exchange(cancels_, {})) {
        done();
    }
    host_->remove(*this);
}

}  // namespace pgweir::pool
