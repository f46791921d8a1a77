#include "router/classifier.hpp"

#include "router/analysis.hpp"
#include "router/first_word.hpp"

#include <utility>

namespace pgweir::router {

namespace {

constexpr judgement not_read(reason why) noexcept {
    return {false, why, false};
}

/// Longer ones are not worth their hashing.
constexpr std::size_t longest_search_path = 1024;

/// Refusals that the next text of its kind would get, too: the standby does not do such things, or
/// does not have them yet. What is over in a moment (conflicts, resources, a stop) is not learnt.
bool is_lasting(std::string_view sqlstate) noexcept {
    if (sqlstate == "25006" || sqlstate == "55000") {
        return true;
    }
    const std::string_view family = sqlstate.substr(0, 2);
    return family == "0A" || family == "3D" || family == "3F" || family == "42" || family == "XX";
}

}  // namespace

classifier::classifier(const classifier_settings& settings)
    : settings_(settings),
      key_(shape_key::random()),
      verdicts_(settings.verdicts),
      thread_([this] { work(); }) {}

classifier::~classifier() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

std::uint64_t classifier::generation_of(std::uint32_t id) const noexcept {
    return id < most_catalogues ? generations_[id].load(std::memory_order_acquire) : 0;
}

judgement classifier::of(std::string_view text, const name_scope& scope) noexcept {
    if (const auto verdict = judge_by_first_word(text, scope.strings)) {
        return *verdict;
    }
    const std::uint64_t generation = generation_of(scope.catalogue);
    if (generation == 0 || !scope.search_path_known ||
        scope.search_path.size() > longest_search_path) {
        return not_read(reason::unknown_name);
    }
    const auto what = shape_of(text, scope, generation, key_);
    if (!what) {
        return not_read(reason::not_understood);
    }
    if (const auto verdict = verdicts_.find(*what)) {
        return *verdict;
    }
    if (!ask(*what, text, scope)) {
        turned_away_.fetch_add(1, std::memory_order_relaxed);
    }
    return not_read(reason::not_judged);
}

/// False if there is no room now, or the mutex is taken: nobody waits here.
bool classifier::ask(const shape& what, std::string_view text, const name_scope& scope) noexcept {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || waiting_.size() >= settings_.waiting ||
        bytes_waiting_ + text.size() > settings_.bytes_waiting) {
        return false;
    }
    const auto names = catalogues_.find(scope.catalogue);
    if (names == catalogues_.end()) {
        return false;
    }
    // The mark comes before the job, and the verdict so after the mark.
    if (!verdicts_.add(what, not_read(reason::not_judged))) {
        return true;
    }
    waiting_.push_back(job{
        what,
        std::string(text),
        std::string(scope.role),
        std::string(scope.user),
        std::string(scope.search_path),
        scope,
        names->second.snapshot,
    });
    bytes_waiting_ += text.size();
    lock.unlock();
    changed_.notify_all();
    return true;
}

void classifier::refused(
    std::string_view text, const name_scope& scope, std::string_view sqlstate
) noexcept {
    const std::uint64_t generation = generation_of(scope.catalogue);
    if (generation == 0 || !is_lasting(sqlstate)) {
        return;
    }
    const auto what = shape_of(text, scope, generation, key_);
    if (!what) {
        return;
    }
    verdicts_.store(*what, not_read(reason::refused));
    epoch_.fetch_add(1, std::memory_order_release);
    const std::lock_guard lock(mutex_);
    const auto names = catalogues_.find(scope.catalogue);
    if (names != catalogues_.end()) {
        names->second.refused = true;
    }
}

void classifier::use_catalogue(std::uint32_t id, catalogue_ptr snapshot) {
    if (id == 0 || id >= most_catalogues) {
        return;
    }
    const std::lock_guard lock(mutex_);
    known_catalogue& now = catalogues_[id];
    const bool same = snapshot != nullptr && now.snapshot != nullptr && !now.refused &&
                      snapshot->digest() == now.snapshot->digest();
    now.snapshot = std::move(snapshot);
    now.refused = false;
    if (!same) {
        const std::uint64_t generation = now.snapshot == nullptr ? 0 : ++last_generation_;
        generations_[id].store(generation, std::memory_order_release);
        epoch_.fetch_add(1, std::memory_order_release);
    }
}

classifier_figures classifier::figures() const {
    const std::lock_guard lock(mutex_);
    return {analysed_, turned_away_.load(std::memory_order_relaxed), waiting_.size()};
}

judgement classifier::settled(std::string_view text, const name_scope& scope) {
    for (;;) {
        const judgement found = of(text, scope);
        wait_until_idle();
        if (found.why != reason::not_judged) {
            return found;
        }
    }
}

void classifier::wait_until_idle() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.empty() && !busy_; });
}

// The thread of its own.

void classifier::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) {
            return;
        }
        job one = std::move(waiting_.front());
        waiting_.pop_front();
        bytes_waiting_ -= one.text.size();
        busy_ = true;
        lock.unlock();
        verdicts_.store(one.what, analyse_job(one));
        lock.lock();
        busy_ = false;
        ++analysed_;
        changed_.notify_all();
    }
}

judgement classifier::analyse_job(job& one) {
    if (one.names == nullptr) {
        return not_read(reason::unknown_name);
    }
    one.scope.role = one.role;
    one.scope.user = one.user;
    one.scope.search_path = one.search_path;
    return one.names->judge(analyse(one.text, one.scope.strings), one.scope);
}

}  // namespace pgweir::router
