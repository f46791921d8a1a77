#pragma once

// Answers the router's question (see judge.hpp) from the cache of verdicts, and has what is not
// there analysed by a thread of its own, which has the stack that PostgreSQL's grammar needs. Until
// that has answered, a text is not judged, and the primary takes it. What waits for analysis is
// bounded in number and bytes: what finds no room is asked for again when it comes again.
//
// Owns its thread, which ends with it. Any thread may call anything. A catalogue is known by a
// number; its verdicts are found under it and its generation, so that with a new one every verdict
// of the old one is out of reach at once.

#include "router/catalogue.hpp"
#include "router/judge.hpp"
#include "router/large_stack.hpp"
#include "router/shape.hpp"
#include "router/shape_cache.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace pgweir::router {

struct classifier_settings {
    std::size_t verdicts = 65'536;              ///< kept at most; 26 bytes each
    std::size_t waiting = 1'024;                ///< texts that wait for analysis, at most
    std::size_t bytes_waiting = 4 * 1'048'576;  ///< of them
};

struct classifier_figures {
    std::uint64_t analysed = 0;     ///< texts given to the grammar
    std::uint64_t turned_away = 0;  ///< texts that found no room to wait
    std::size_t waiting = 0;
};

class classifier final : public judge {
public:
    explicit classifier(const classifier_settings& settings = {});
    ~classifier();

    classifier(const classifier&) = delete;
    classifier& operator=(const classifier&) = delete;

    judgement of(std::string_view text, const name_scope& scope) noexcept override;

    std::uint64_t epoch() const noexcept override { return epoch_.load(std::memory_order_acquire); }

    void refused(
        std::string_view text, const name_scope& scope, std::string_view sqlstate
    ) noexcept override;

    /// From now on names mean what this snapshot says where a scope has this number; null: nothing
    /// is known of them. Equal ones keep their verdicts, except after a refusal. Number 0, and
    /// those from 4,096 on, have none ever.
    void use_catalogue(std::uint32_t id, catalogue_ptr snapshot);

    classifier_figures figures() const;

    /// For tests: of() again and again until nothing waits for analysis and the text is judged
    /// (once is not enough: what would have to wait for the mutex is turned away).
    judgement settled(std::string_view text, const name_scope& scope);

private:
    static constexpr std::size_t most_catalogues = 4096;

    struct job {
        shape what;
        std::string text;
        std::string role;
        std::string user;
        std::string search_path;
        name_scope scope;  ///< its views are set when the job is done: a job moves
        catalogue_ptr names;
    };

    struct known_catalogue {
        catalogue_ptr snapshot;
        bool refused = false;  ///< since it came
    };

    std::uint64_t generation_of(std::uint32_t id) const noexcept;
    bool ask(const shape& what, std::string_view text, const name_scope& scope) noexcept;
    void wait_until_idle();
    void work();
    static judgement analyse_job(job& one);

    const classifier_settings settings_;
    const shape_key key_;
    shape_cache verdicts_;

    /// 0: there is no catalogue. Odd and even mean nothing.
    std::array<std::atomic<std::uint64_t>, most_catalogues> generations_{};

    mutable std::mutex mutex_;  // for what follows
    std::condition_variable changed_;
    std::deque<job> waiting_;
    std::size_t bytes_waiting_ = 0;
    bool stopping_ = false;
    bool busy_ = false;
    std::uint64_t last_generation_ = 0;
    std::uint64_t analysed_ = 0;
    std::map<std::uint32_t, known_catalogue> catalogues_;

    std::atomic<std::uint64_t> epoch_{1};
    std::atomic<std::uint64_t> turned_away_{0};

    large_stack_thread thread_;  // last: it uses all of the above
};

}  // namespace pgweir::router
