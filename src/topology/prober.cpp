#include "topology/prober.hpp"

#include "topology/asking_thread.hpp"
#include "topology/probe.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>

namespace pgweir::topology {

namespace {

constexpr milliseconds between_questions{2};
constexpr milliseconds shortest_pause{20};
constexpr milliseconds longest_pause{500};

steady_time now() noexcept {
    return std::chrono::steady_clock::now();
}

}  // namespace

microseconds answer_limit(microseconds interval) noexcept {
    return std::max<microseconds>(seconds(1), 3 * interval);
}

microseconds pause_after(int failures, microseconds interval) noexcept {
    if (failures <= 1) {
        return shortest_pause;
    }
    const microseconds most = std::max<microseconds>(longest_pause, interval);
    const microseconds first = std::min<microseconds>(interval, milliseconds(100));
    return std::min(most, first * (1 << std::min(failures - 2, 10)));
}

struct prober::state {
    state(const server_access& access, microseconds every, callback callee)
        : to(access), told(std::move(callee)), interval(every) {}

    const server_access to;
    const callback told;
    asking_thread thread;
    std::atomic<microseconds> interval;
    std::atomic<bool> question{false};  // somebody wants an answer now
    std::atomic<bool> attempt{false};   // or an attempt

    std::mutex mutex;
    std::vector<transaction_number> running;  // under `mutex`: to be asked about
};

/// What the thread does; all of it on that thread.
class prober::thread_body {
public:
    explicit thread_body(std::shared_ptr<state> shared)
        : shared_(std::move(shared)), probe_(shared_->to) {}

    void run() {
        while (!thread().stopping()) {
            if (probe_.connected() || connect()) {
                ask();
            }
        }
    }

private:
    asking_thread& thread() noexcept { return shared_->thread; }

    microseconds interval() const { return shared_->interval.load(); }

    std::vector<transaction_number> running() const {
        const std::lock_guard lock(shared_->mutex);
        return shared_->running;
    }

    bool connect() {
        const microseconds urgent = answer_limit(interval());
        const microseconds limit =
            failures_ == 0 ? urgent : std::max(urgent, shared_->to.connect_limit);
        const auto done = probe_.connect(thread().until(now() + limit));
        if (!done) {
            fail(done.error().message);
        }
        return done.has_value();
    }

    void ask() {
        shared_->question = false;
        shared_->attempt = false;
        const steady_time asked_at = now();
        const auto limit = thread().until(asked_at + answer_limit(interval()));
        const auto said = probe_.ask(running(), limit);
        if (said) {
            failures_ = 0;
            answered_ = true;
            tell({report::kind::answered, *said, {}});
            return wait_for_next(asked_at);
        }
        end_connection(said.error().message);
    }

    /// One that is gone is made anew at once, if it has worked; silence and refusals have been
    /// waited for, or are not cured by that.
    void end_connection(const std::string& why) {
        const bool gone = !probe_.alive();
        probe_.close();
        if (gone && std::exchange(answered_, false)) {
            return tell({report::kind::broken, {}, why});
        }
        fail(why);
    }

    void fail(const std::string& why) {
        answered_ = false;
        failures_++;
        tell({report::kind::failed, {}, why});
        const steady_time earliest = now() + shortest_pause;
        const steady_time next = now() + pause_after(failures_, interval());
        while (!thread().stopping() && now() < next) {
            if (shared_->attempt.exchange(false)) {
                sleep_until(earliest);
                return;
            }
            thread().wait(-1, readiness::nothing, next);
        }
    }

    void sleep_until(steady_time when) {
        while (!thread().stopping() && now() < when) {
            thread().wait(-1, readiness::nothing, when);
        }
    }

    /// Until it is time for the next question, somebody wants it, or the connection ends.
    void wait_for_next(steady_time asked_at) {
        while (!thread().stopping()) {
            const bool wanted = shared_->question || shared_->attempt;
            const steady_time due =
                asked_at + (wanted ? microseconds(between_questions) : interval());
            if (now() >= due) {
                return;
            }
            if (thread().wait(probe_.socket(), readiness::readable, due) == wait_result::ready &&
                !probe_.alive()) {
                return end_connection("the connection is lost");
            }
        }
    }

    void tell(const report& what) {
        thread().tell([&] { shared_->told(what); });
    }

    std::shared_ptr<state> shared_;
    probe probe_;
    int failures_ = 0;
    bool answered_ = false;  // by this connection
};

prober::prober(const server_access& to, microseconds interval, callback told)
    : state_(std::make_shared<state>(to, interval, std::move(told))) {
    state_->thread.start("topology", [shared = state_] { thread_body(shared).run(); });
}

prober::~prober() {
    stop(milliseconds(100));
}

void prober::set_interval(microseconds interval) {
    state_->interval = interval;
    state_->thread.wake();
}

void prober::ask_now() {
    if (!state_->question.exchange(true)) {
        state_->thread.wake();
    }
}

void prober::ask_about(std::vector<transaction_number> running) {
    const std::lock_guard lock(state_->mutex);
    state_->running = std::move(running);
}

void prober::hurry() {
    if (!state_->attempt.exchange(true)) {
        state_->thread.wake();
    }
}

void prober::stop(milliseconds patience) {
    state_->thread.stop(patience);
}

}  // namespace pgweir::topology
