#include "topology/catalogue_keeper.hpp"

#include "base/log.hpp"
#include "router/catalogue_builder.hpp"
#include "topology/asking_thread.hpp"
#include "topology/pq_connection.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::topology {

namespace {

constexpr const char* application_name = "pgweir catalogue";

/// Between two looks at a database: in general, when something is not known, after a failure.
constexpr seconds usual_pause{60};
constexpr seconds shortest_pause{5};

/// A catalogue of some hundred thousand functions takes seconds.
constexpr seconds patience_for_all{60};

/// Changes when anything is made, changed or dropped that a catalogue speaks of, in whichever order
/// that is committed.
constexpr std::string_view fingerprint = R"(
select string_agg(what, ' ') from (
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_proc union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_class union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_operator union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_rewrite union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_policy union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_inherits union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_type union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_cast union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_constraint union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_db_role_setting union all
    select concat(count(*), ':', sum(hashint8(xmin::text::bigint))) from pg_catalog.pg_namespace
) parts (what))";

}  // namespace

struct catalogue_keeper::state {
    struct entry {
        std::string name;
        access how;
        std::string seen;  // fingerprint; empty: nothing is loaded
        steady_time looked_at{};
        steady_time due{};
        bool complained = false;
        bool requested = false;  // while it was being looked at
    };

    explicit state(receiver to) : take(std::move(to)) {}

    void run();
    result<void> look(std::uint32_t number, entry& at, const server_access& to);
    result<router::catalogue_ptr> load(pq_connection& from, const patience& limits);

    const receiver take;
    asking_thread thread;

    std::mutex mutex;  // for all below
    std::map<std::uint32_t, entry> entries;
    bool started = false;
    bool stopped = false;
};

catalogue_keeper::catalogue_keeper(receiver take)
    : state_(std::make_shared<state>(std::move(take))) {}

catalogue_keeper::~catalogue_keeper() {
    stop();
}

void catalogue_keeper::want(std::uint32_t database, const std::string& name, access how) {
    const std::lock_guard lock(state_->mutex);
    if (state_->stopped) {
        return;
    }
    auto& entry = state_->entries[database];
    entry.name = name;
    entry.how = std::move(how);
    if (!std::exchange(state_->started, true)) {
        state_->thread.start("catalogue", [shared = state_] { shared->run(); });
    }
    state_->thread.wake();
}

void catalogue_keeper::forget(std::uint32_t database) {
    const std::lock_guard lock(state_->mutex);
    state_->entries.erase(database);
}

void catalogue_keeper::refresh(std::uint32_t database) {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->entries.find(database);
    if (found == state_->entries.end()) {
        return;
    }
    found->second.requested = true;
    const steady_time soon =
        found->second.seen.empty() ? steady_time{} : found->second.looked_at + shortest_pause;
    if (soon < found->second.due) {
        found->second.due = soon;
        state_->thread.wake();
    }
}

void catalogue_keeper::stop(milliseconds patience) {
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopped = true;
    }
    state_->thread.stop(patience);
}

void catalogue_keeper::state::run() {
    while (!thread.stopping()) {
        steady_time next = steady_time::max();
        std::optional<std::uint32_t> number;
        entry now;
        {
            const std::lock_guard lock(mutex);
            for (const auto& [id, one] : entries) {
                if (one.due < next) {
                    next = one.due;
                    number = id;
                }
            }
            if (number) {
                entries[*number].requested = false;
                now = entries[*number];
            }
        }
        const steady_time time = std::chrono::steady_clock::now();
        if (!number || next > time) {
            thread.wait(-1, readiness::nothing, std::min(next, time + usual_pause));
            continue;
        }
        const auto to = now.how();
        const auto done = to ? look(*number, now, *to) : failure{"no server can be asked now"};
        if (!done && to && !thread.stopping() && !std::exchange(now.complained, true)) {
            log::warning(
                "database {}: its functions and tables cannot be read, so what is not known goes "
                "to the primary: {}",
                now.name,
                done.error().message
            );
        }
        now.complained = now.complained && !done;
        const std::lock_guard lock(mutex);
        const auto found = entries.find(*number);
        if (found == entries.end()) {
            continue;  // forgotten meanwhile
        }
        entry& kept = found->second;
        kept.seen = now.seen;
        kept.complained = now.complained;
        kept.looked_at = std::chrono::steady_clock::now();
        const bool soon = !done || kept.requested;
        kept.due = kept.looked_at + (soon ? shortest_pause : usual_pause);
    }
}

/// Loads the catalogue if it has changed.
result<void> catalogue_keeper::state::look(
    std::uint32_t number, entry& at, const server_access& to
) {
    const patience limits = thread.until(std::chrono::steady_clock::now() + patience_for_all);
    auto opened = pq_connection::open(to, application_name, limits);
    if (!opened) {
        return opened.error();
    }
    const auto seen = opened->query(std::string(fingerprint), limits);
    if (!seen) {
        return seen.error();
    }
    if (seen->size() != 1 || (*seen)[0].size() != 1 || !(*seen)[0][0]) {
        return failure{"an answer that makes no sense"};
    }
    if (at.seen == *(*seen)[0][0]) {
        return {};
    }
    auto made = load(*opened, limits);
    if (!made) {
        return made.error();
    }
    at.seen = *(*seen)[0][0];
    thread.tell([&] {
        log::debug("database {}: its functions and tables are known", at.name);
        take(number, std::move(*made));
    });
    return {};
}

result<router::catalogue_ptr> catalogue_keeper::state::load(
    pq_connection& from, const patience& limits
) {
    router::catalogue_builder builder;
    const auto queries = router::catalogue_queries();
    std::vector<std::string_view> values;
    for (std::size_t i = 0; i < queries.size(); i++) {
        bool understood = true;
        const auto each = [&](std::span<const std::optional<std::string_view>> row) {
            values.clear();
            for (const auto& value : row) {
                values.push_back(value.value_or(std::string_view()));
            }
            understood = builder.add(i, values) && understood;
        };
        if (auto done = from.query(std::string(queries[i].sql), each, limits); !done) {
            return done.error();
        }
        if (!understood) {
            return failure{"an answer that makes no sense"};
        }
    }
    auto made = builder.build();
    if (made == nullptr) {
        return failure{"an answer that makes no sense"};
    }
    return made;
}

}  // namespace pgweir::topology
