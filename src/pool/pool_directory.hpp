#pragma once

// The one pool_core that all workers share, its mutex, and the way of its decisions to the workers
// that carry them out.
//
// This is the only lock on the data path: taken twice for a transaction, held for the few
// instructions of a decision, never over a system call. Thread-safe.

#include "pool/pool_core.hpp"

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace pgweir::pool {

/// A worker, as far as it carries out decisions.
class action_target {
public:
    /// On the worker's own thread.
    virtual void carry_out(const action& what) = 0;

    /// Has the worker's thread run a task soon. From any thread.
    virtual void post(std::function<void()> task) = 0;

protected:
    ~action_target() = default;
};

class pool_directory {
public:
    explicit pool_directory(worker_id workers) : core_(workers), workers_(workers) {}

    /// Workers are attached before the first of them runs.
    void attach(worker_id id, action_target& worker) { workers_[id] = &worker; }

    worker_id worker_total() const noexcept { return static_cast<worker_id>(workers_.size()); }

    /// No worker: for callers on another thread, so that all actions are posted.
    static constexpr worker_id outside = ~worker_id{0};

    /// Runs `decide(core, actions)` under the mutex and returns its result; afterwards the actions
    /// for `self`, the calling worker, are carried out at once and the others are posted to their
    /// workers.
    template <typename Decide>
    auto run(worker_id self, Decide&& decide) {
        actions todo;
        if constexpr (std::is_void_v<decltype(decide(core_, todo))>) {
            {
                const std::lock_guard lock(mutex_);
                decide(core_, todo);
            }
            carry_out(self, todo);
        } else {
            auto answer = [&] {
                const std::lock_guard lock(mutex_);
                return decide(core_, todo);
            }();
            carry_out(self, todo);
            return answer;
        }
    }

private:
    void carry_out(worker_id self, const actions& todo) {
        if (!todo.empty()) {
            dispatch(self, todo);
        }
    }

    void dispatch(worker_id self, const actions& todo);

    std::mutex mutex_;
    pool_core core_;  // under mutex_
    std::vector<action_target*> workers_;
};

}  // namespace pgweir::pool
