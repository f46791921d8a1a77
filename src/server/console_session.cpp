#include "server/console_session.hpp"

#include "admin/result.hpp"
#include "base/log.hpp"
#include "protocol/message.hpp"
#include "server/supervisor.hpp"
#include "server/worker.hpp"

namespace pgweir::server {

namespace {

/// Messages that a client may send ahead of the answers.
constexpr std::size_t ahead_limit = 1000;

admin::access_level level_of(session::console_access access) {
    return access == session::console_access::admin ? admin::access_level::admin
                                                    : admin::access_level::stats;
}

}  // namespace

console_session::console_session(
    worker& home,
    supervisor& boss,
    session::client& owner,
    session::console_access access,
    std::uint64_t cancel_key
)
    : worker_(home), supervisor_(boss), client_(owner), console_(level_of(access)) {
    std::string out;
    protocol::put_authentication_ok(out);
    admin::put_console_welcome(out);
    protocol::put_cancel_key(out, cancel_key);
    protocol::put_ready_for_query(out, protocol::transaction_status::idle);
    client_.send_console(out);
}

console_session::~console_session() {
    life_->alive = false;
}

void console_session::on_message(char type, std::string_view body) {
    if (console_.busy()) {
        if (waiting_.size() == ahead_limit) {
            return client_.kill(errc::message_too_large);
        }
        waiting_.emplace_back(type, body);
        return;
    }
    std::string out;
    obey(console_.on_message(type, body, out), out);
}

void console_session::obey(admin::console::action what, std::string& out) {
    client_.send_console(out);
    switch (what) {
        case admin::console::action::reply:
            return;
        case admin::console::action::show:
            return show();
        case admin::console::action::run:
            return operate();
        case admin::console::action::close:
            return client_.kill(errc::malformed_message);
    }
}

void console_session::show() {
    supervisor_.gather(
        console_.show(),
        [this, life = life_, &home = worker_](std::shared_ptr<admin::snapshot> data) {
            home.post([this, life, data = std::move(data)] {
                if (life->alive) {
                    std::string out;
                    console_.render(*data, out);
                    answered(out);
                }
            });
        }
    );
}

void console_session::operate() {
    life_->canceled = false;
    log::info("console of client {}: {}", client_.id(), admin::log_text(console_.requested()));
    supervisor_.carry_out(
        console_.requested(),
        [this, life = life_, &home = worker_](const admin::operation_result& how) {
            home.post([this, life, how] {
                if (life->alive) {
                    std::string out;
                    console_.finished(how, out);
                    answered(out);
                }
            });
        },
        [life = life_] {
            using still = supervisor::waiting_for_it;
            return !life->alive ? still::gone : life->canceled ? still::canceled : still::yes;
        }
    );
}

void console_session::answered(std::string& out) {
    client_.send_console(out);
    while (!waiting_.empty() && !console_.busy()) {
        const auto [type, body] = std::move(waiting_.front());
        waiting_.pop_front();
        const auto life = life_;
        on_message(type, body);
        if (!life->alive) {
            return;
        }
    }
}

}  // namespace pgweir::server
