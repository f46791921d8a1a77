#include "net/loop.hpp"

#include "net/name_cache.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace pgweir::net {

namespace asio = boost::asio;

struct loop::wheel_timer {
    explicit wheel_timer(asio::io_context& context) : timer(context) {}

    asio::steady_timer timer;
};

loop::loop(engine_kind kind)
    : context_(std::make_unique<asio::io_context>(1)),
      wheel_(now()),
      timer_(std::make_unique<wheel_timer>(*context_)),
      engine_(make_engine(kind, *context_)),
      own_names_(std::make_unique<name_cache>()),
      names_(own_names_.get()) {}

loop::~loop() = default;

void loop::share(name_cache& names) noexcept {
    names_ = &names;
    own_names_.reset();
}

void loop::run() {
    const auto work = asio::make_work_guard(*context_);
    context_->run();
}

void loop::stop() noexcept {
    context_->stop();
}

void loop::post(std::function<void()> task) {
    asio::post(*context_, std::move(task));
}

void loop::set(deadline& entry, steady_time at) {
    if (wheel_.set(entry, at)) {
        arm();
    }
}

void loop::arm() {
    const auto next = wheel_.next();
    if (!next) {
        return;
    }
    timer_->timer.expires_at(*next);
    timer_->timer.async_wait([this](boost::system::error_code ec) {
        if (!ec) {
            wheel_.advance(now());
            arm();
        }
    });
}

}  // namespace pgweir::net
