#include "server/helper_threads.hpp"

#include "base/log.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace pgweir::server {

struct helper_threads::state {
    explicit state(options given) : how(std::move(given)) {}

    struct job {
        std::function<void()> work;
        std::function<void()> deliver;
    };

    const options how;
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<job> waiting;  // this and all below: under the mutex
    std::vector<std::thread> handles;
    int threads = 0;
    int idle = 0;
    bool stopped = false;
};

helper_threads::helper_threads(options how) : state_(std::make_shared<state>(std::move(how))) {}

helper_threads::~helper_threads() {
    stop();
}

bool helper_threads::submit(std::function<void()> work, std::function<void()> deliver) {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopped || state_->waiting.size() >= state_->how.queue) {
        return false;
    }
    const bool all_busy = state_->idle <= static_cast<int>(state_->waiting.size());
    if (all_busy && state_->threads < state_->how.threads) {
        try {
            state_->handles.emplace_back([shared = state_] { run(shared); });
            state_->threads++;
        } catch (const std::system_error& e) {
            log::error("cannot start a helper thread: {}", e.what());
            if (state_->threads == 0) {
                return false;
            }
        }
    }
    state_->waiting.push_back({std::move(work), std::move(deliver)});
    state_->changed.notify_one();
    return true;
}

void helper_threads::run(const std::shared_ptr<state>& shared) {
    ::pthread_setname_np(::pthread_self(), shared->how.name.c_str());
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), shared->how.nice);
    std::unique_lock lock(shared->mutex);
    for (;;) {
        shared->idle++;
        shared->changed.wait(lock, [&] { return shared->stopped || !shared->waiting.empty(); });
        shared->idle--;
        if (shared->stopped) {
            break;
        }
        state::job next = std::move(shared->waiting.front());
        shared->waiting.pop_front();
        lock.unlock();
        try {
            next.work();
        } catch (const std::exception& e) {
            log::error("{}: {}", shared->how.name, e.what());
        }
        lock.lock();
        if (!shared->stopped) {
            next.deliver();
        }
    }
    shared->threads--;
    shared->changed.notify_all();
}

void helper_threads::stop(milliseconds patience) {
    std::unique_lock lock(state_->mutex);
    state_->stopped = true;
    state_->waiting.clear();
    state_->changed.notify_all();
    const bool ended =
        state_->changed.wait_for(lock, patience, [this] { return state_->threads == 0; });
    std::vector<std::thread> handles = std::exchange(state_->handles, {});
    lock.unlock();
    if (!ended) {
        log::warning("{}: left behind, since it does not come to an end", state_->how.name);
    }
    // One that is about to end is waited for too: a signal could find it when nobody else listens.
    for (auto& handle : handles) {
        ended ? handle.join() : handle.detach();
    }
}

}  // namespace pgweir::server
