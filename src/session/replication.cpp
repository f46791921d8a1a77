#include "session/replication.hpp"

#include "base/error.hpp"
#include "net/loop.hpp"
#include "pool/pool_directory.hpp"

#include <optional>
#include <utility>

namespace pgweir::session {

using protocol::frame_scanner;

namespace {

/// Of the log-in; what comes behind it is not looked at.
constexpr std::uint32_t whole_limit = 1024 * 1024;

/// How often somebody who waits for room looks whether there is some, and how many looks later an
/// idle server has to make room once more.
constexpr milliseconds between_looks{20};
constexpr int looks_for_an_idle_one = 50;

}  // namespace

replication::replication(
    replicating_client& client, pool::server_host& host, pool::pool& of, startup_parameters wanted
)
    : client_(client),
      host_(host),
      pool_(of),
      wanted_(std::move(wanted)),
      scanner_(protocol::all_types, whole_limit, whole_limit) {
    id = host.new_server_id();
}

replication::~replication() {
    close();
}

void replication::close() noexcept {
    over_ = true;
    clear();
    connector_.reset();
    opening_.reset();
    stream_.reset();
    login_.reset();
    if (std::exchange(counted_, false)) {
        host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions& out) {
            core.closed(*this, net::loop::now(), out);
        });
    }
}

void replication::over(std::string_view sqlstate, std::string_view message) {
    const std::string code(sqlstate);  // what they are parts of ends here
    const std::string text(message);
    close();
    client_.on_replication_over(code, text);
}

// Connecting and logging in.

void replication::open(steady_time give_up_at) {
    give_up_at_ = give_up_at;
    const steady_time now = net::loop::now();
    std::optional<std::pair<std::string, std::string>> failure;
    host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions& out) {
        if (core.failing(pool_, now)) {
            failure.emplace(pool_.failure_sqlstate, pool_.failure);
            return;
        }
        const bool make_room = attempts_++ % looks_for_an_idle_one == 0;
        counted_ = core.open_apart(*this, pool_, host_.id(), make_room, now, out);
    });
    if (failure) {
        return over(failure->first, failure->second);
    }
    if (counted_) {
        return connect();
    }
    if (now >= give_up_at_) {
        const error_text& text = text_of(errc::query_wait_timeout);
        return over(text.sqlstate, text.message);
    }
    host_.loop().set(*this, now + between_looks);
}

void replication::on_deadline(steady_time /*now*/) {
    if (counted_) {
        return over("08006", "the server does not answer in time (server_connect_timeout)");
    }
    open(give_up_at_);
}

void replication::connect() {
    pool::server_address to = host_.address_of(pool_, listed);
    for (auto& each : wanted_) {
        to.login.startup.push_back(std::move(each));
    }
    terms_ = std::move(to.tls);
    address_ = to.where;
    login_ = std::make_shared<pool::server_login>(
        std::move(to.login), host_.parameters(), &host_.scram_cache()
    );
    if (to.where.host.empty()) {
        return over("08001", "it is not known where its server is");
    }
    if (to.connect_timeout.count() > 0) {
        host_.loop().set(*this, net::loop::now() + to.connect_timeout);
    }
    connector_ = std::make_unique<net::connector>(
        host_.loop(),
        to.where,
        to.options,
        microseconds(0),
        [this](int socket, std::error_code why) { on_connected(socket, why); }
    );
}

void replication::on_connected(int socket, std::error_code why) {
    connector_.reset();
    if (socket < 0) {
        return over("08001", "cannot connect: " + why.message());
    }
    socket_ = socket;
    if (terms_.context == nullptr) {
        return on_opened({host_.loop().streams().adopt(socket, *this), nullptr, {}, {}});
    }
    opening_ = std::make_unique<pool::tls_opening>(
        host_.loop(),
        socket,
        std::move(terms_),
        address_.port,
        [this](pool::opened_stream opened) { on_opened(std::move(opened)); }
    );
}

void replication::on_opened(pool::opened_stream opened) {
    opening_.reset();
    if (opened.stream == nullptr) {
        return over(opened.sqlstate.empty() ? "08001" : opened.sqlstate, opened.why);
    }
    stream_ = std::move(opened.stream);
    stream_->set_handler(*this);
    tls_ = std::move(opened.tls);
    std::string out;
    login_->start(out);
    stream_->send(out);
}

void replication::on_received(std::string_view bytes) {
    if (ready_) {
        return client_.on_replicated(bytes);
    }
    on_login(bytes);
}

void replication::on_login(std::string_view bytes) {
    if (tls_ != nullptr) {
        login_->set_end_point(tls_->end_point());
    }
    scanner_.feed(bytes);
    while (!over_) {
        switch (scanner_.next()) {
            case frame_scanner::event::end:
                return;
            case frame_scanner::event::header:
            case frame_scanner::event::head:
            case frame_scanner::event::malformed:
                return over("08P01", text_of(errc::server_protocol).message);
            case frame_scanner::event::message:
                break;
        }
        std::string out;
        const auto outcome = login_->on_message(scanner_.type(), scanner_.body(), out);
        after_login_step(outcome, out);
        if (ready_) {
            const std::string_view rest = bytes.substr(scanner_.position());
            if (!over_ && !rest.empty()) {
                client_.on_replicated(rest);
            }
            return;
        }
    }
}

void replication::after_login_step(pool::server_login::outcome outcome, std::string& out) {
    using step = pool::server_login::outcome;
    stream_->send(out);
    wipe(out);
    switch (outcome) {
        case step::wait:
            return;
        case step::failed:
            return over(login_->sqlstate().empty() ? "08006" : login_->sqlstate(), login_->why());
        case step::ask:
            return host_.ask(
                login_->take_question(),
                [this, login = std::weak_ptr(login_)](const auth::slow_answer& answer) {
                    if (const auto still = login.lock()) {
                        std::string more;
                        const auto next = still->on_answer(answer, more);
                        after_login_step(next, more);
                    }
                }
            );
        case step::ready:
            break;
    }
    clear();
    ready_ = true;
    host_.pools().run(host_.id(), [&](pool::pool_core& core, pool::actions&) {
        core.occupy(*this);
    });
    const auto login = std::move(login_);
    key_ = login->key();
    client_.on_replication(login->welcome());
}

// Replicating.

void replication::on_drained() {
    if (ready_) {
        client_.on_replication_drained();
    }
}

void replication::on_closed(std::error_code why) {
    if (ready_) {
        return over({}, {});
    }
    over(
        "08006",
        why ? "the connection to the server is lost: " + why.message()
            : "the server has closed the connection"
    );
}

}  // namespace pgweir::session
