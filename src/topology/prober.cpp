#include "topology/prober.hpp"

#include "topology/interrupt.hpp"
#include "topology/probe.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <string>
#include <thread>
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
        : to(access), interval(every), told(std::move(callee)) {}

    const server_access to;
    interrupt wake;
    std::atomic<microseconds> interval;
    std::atomic<bool> stopped{false};
    std::atomic<bool> question{false};  // somebody wants an answer now
    std::atomic<bool> attempt{false};   // or an attempt

    std::mutex telling;  // held while `told` runs, so that stop() knows when it does not
    const callback told;

    std::mutex ending;
    std::condition_variable changed;
    bool ended = false;  // under `ending`

    std::thread handle;  // the owner's
};

/// What the thread does; all of it on that thread.
class prober::thread_body {
public:
    explicit thread_body(std::shared_ptr<state> shared)
        : shared_(std::move(shared)), probe_(shared_->to) {}

    void run() {
        while (!shared_->stopped) {
            if (probe_.connected() || connect()) {
                ask();
            }
        }
        const std::lock_guard lock(shared_->ending);
        shared_->ended = true;
        shared_->changed.notify_all();
    }

private:
    patience until(steady_time when) {
        return {shared_->wake, [this] { return shared_->stopped.load(); }, when};
    }

    microseconds interval() const { return shared_->interval.load(); }

    bool connect() {
        const microseconds urgent = answer_limit(interval());
        const microseconds limit =
            failures_ == 0 ? urgent : std::max(urgent, shared_->to.connect_limit);
        const auto done = probe_.connect(until(now() + limit));
        if (!done) {
            fail(done.error().message);
        }
        return done.has_value();
    }

    void ask() {
        shared_->question = false;
        shared_->attempt = false;
        const steady_time asked_at = now();
        const auto said = probe_.ask(until(asked_at + answer_limit(interval())));
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
        while (!shared_->stopped && now() < next) {
            if (shared_->attempt.exchange(false)) {
                sleep_until(earliest);
                return;
            }
            shared_->wake.wait(-1, readiness::nothing, next);
        }
    }

    void sleep_until(steady_time when) {
        while (!shared_->stopped && now() < when) {
            shared_->wake.wait(-1, readiness::nothing, when);
        }
    }

    /// Until it is time for the next question, somebody wants it, or the connection ends.
    void wait_for_next(steady_time asked_at) {
        while (!shared_->stopped) {
            const bool wanted = shared_->question || shared_->attempt;
            const steady_time due =
                asked_at + (wanted ? microseconds(between_questions) : interval());
            if (now() >= due) {
                return;
            }
            if (shared_->wake.wait(probe_.socket(), readiness::readable, due) ==
                    wait_result::ready &&
                !probe_.alive()) {
                return end_connection("the connection is lost");
            }
        }
    }

    void tell(const report& what) {
        const std::lock_guard lock(shared_->telling);
        if (!shared_->stopped) {
            shared_->told(what);
        }
    }

    std::shared_ptr<state> shared_;
    probe probe_;
    int failures_ = 0;
    bool answered_ = false;  // by this connection
};

prober::prober(const server_access& to, microseconds interval, callback told)
    : state_(std::make_shared<state>(to, interval, std::move(told))) {
    // Signals are for those who wait for them.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    state_->handle = std::thread([shared = state_] {
        ::pthread_setname_np(::pthread_self(), "topology");
        thread_body(shared).run();
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

prober::~prober() {
    stop(milliseconds(100));
}

void prober::set_interval(microseconds interval) {
    state_->interval = interval;
    state_->wake.raise();
}

void prober::ask_now() {
    if (!state_->question.exchange(true)) {
        state_->wake.raise();
    }
}

void prober::hurry() {
    if (!state_->attempt.exchange(true)) {
        state_->wake.raise();
    }
}

void prober::stop(milliseconds patience) {
    if (!state_->handle.joinable()) {
        return;
    }
    {
        const std::lock_guard lock(state_->telling);
        state_->stopped = true;
    }
    state_->wake.raise();
    std::unique_lock lock(state_->ending);
    const bool ended = state_->changed.wait_for(lock, patience, [this] { return state_->ended; });
    lock.unlock();
    ended ? state_->handle.join() : state_->handle.detach();
}

}  // namespace pgweir::topology
