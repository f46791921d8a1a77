#include "topology/asking_thread.hpp"

#include <pthread.h>

#include <csignal>
#include <string>
#include <utility>

namespace pgweir::topology {

void asking_thread::start(const char* name, std::function<void()> body) {
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    handle_ = std::thread([this, name, body = std::move(body)] {
        ::pthread_setname_np(::pthread_self(), name);
        body();
        const std::lock_guard lock(ending_);
        ended_ = true;
        changed_.notify_all();
    });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void asking_thread::stop(milliseconds patience) {
    if (!handle_.joinable()) {
        return;
    }
    {
        const std::lock_guard lock(telling_);
        stopping_ = true;
    }
    wake_.raise();
    std::unique_lock lock(ending_);
    const bool ended = changed_.wait_for(lock, patience, [this] { return ended_; });
    lock.unlock();
    ended ? handle_.join() : handle_.detach();
}

}  // namespace pgweir::topology
