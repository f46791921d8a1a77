#include "router/large_stack.hpp"

#include <csignal>
#include <cstddef>
#include <system_error>
#include <utility>

namespace pgweir::router {

namespace {

constexpr std::size_t stack_bytes = std::size_t{256} * 1024 * 1024;

void check(int error, const char* what) {
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), what);
    }
}

}  // namespace

large_stack_thread::large_stack_thread(std::function<void()> work) : work_(std::move(work)) {
    pthread_attr_t attributes;
    check(pthread_attr_init(&attributes), "attributes of a thread");
    sigset_t all;
    sigfillset(&all);  // signals are the main thread's
    int error = pthread_attr_setstacksize(&attributes, stack_bytes);
    if (error == 0) {
        error = pthread_attr_setsigmask_np(&attributes, &all);
    }
    if (error == 0) {
        error = pthread_create(&thread_, &attributes, &large_stack_thread::run, this);
    }
    pthread_attr_destroy(&attributes);
    check(error, "thread with a large stack");
    running_ = true;
}

void* large_stack_thread::run(void* self) noexcept {
    static_cast<large_stack_thread*>(self)->work_();
    return nullptr;
}

void large_stack_thread::join() noexcept {
    if (running_) {
        pthread_join(thread_, nullptr);
        running_ = false;
    }
}

void with_large_stack(std::function<void()> work) {
    large_stack_thread thread(std::move(work));
    thread.join();
}

}  // namespace pgweir::router
