#include "topology/catalogue_loader.hpp"

#include "base/log.hpp"
#include "topology/asking_thread.hpp"
#include "topology/catalogue_schedule.hpp"
#include "topology/pq_connection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace pgweir::topology {

namespace {

constexpr const char* application_name = "pgweir catalogue";

/// For one look or reading, log-in included.
constexpr seconds longest_look{10};
constexpr seconds longest_reading{120};

/// How often rows of the catalogue were changed, as the server's statistics have it: who creates,
/// alters or drops something changes the sum. It says nothing on a standby, which replays changes
/// without counting them, so there it never changes.
constexpr const char* count_of_changes =
    "SELECT pg_catalog.sum(pg_catalog.pg_stat_get_tuples_inserted(c)"
    " + pg_catalog.pg_stat_get_tuples_updated(c) + pg_catalog.pg_stat_get_tuples_deleted(c))"
    " FROM pg_catalog.unnest(ARRAY["
    "'pg_catalog.pg_aggregate', 'pg_catalog.pg_cast', 'pg_catalog.pg_class',"
    " 'pg_catalog.pg_constraint', 'pg_catalog.pg_db_role_setting', 'pg_catalog.pg_inherits',"
    " 'pg_catalog.pg_namespace', 'pg_catalog.pg_operator', 'pg_catalog.pg_policy',"
    " 'pg_catalog.pg_proc', 'pg_catalog.pg_rewrite', 'pg_catalog.pg_type'"
    "]::pg_catalog.regclass[]) AS c";

constexpr std::string_view template_name = "*";

read_place from_template(const read_place& pattern, const std::string& database) {
    read_place made = pattern;
    made.database = database;
    for (server_access& to : made.servers) {
        to.dbname = to.dbname.empty() ? database : to.dbname;
    }
    return made;
}

}  // namespace

struct catalogue_loader::state {
    state(std::vector<std::string> all, view_source source, taker_maker maker)
        : texts(std::move(all)), views(std::move(source)), takers(std::move(maker)) {}

    const std::vector<std::string> texts;
    const view_source views;
    const taker_maker takers;
    asking_thread thread;

    std::mutex mutex;  // for all below
    std::map<std::string, read_place, std::less<>> places;
    catalogue_schedule schedule;
};

/// What the thread does; all of it on that thread.
class catalogue_loader::thread_body {
public:
    explicit thread_body(std::shared_ptr<state> shared) : shared_(std::move(shared)) {}

    void run() {
        while (!thread().stopping()) {
            const auto step = next();
            if (!step) {
                thread().wait(-1, readiness::nothing, due());
                continue;
            }
            carry_out(*step);
        }
    }

private:
    struct complaint {
        std::string why;
        int times = 0;  // in a row
    };

    struct work {
        catalogue_schedule::step step;
        read_place place;
    };

    asking_thread& thread() noexcept { return shared_->thread; }

    static steady_time now() noexcept { return std::chrono::steady_clock::now(); }

    std::optional<work> next() {
        const std::lock_guard lock(shared_->mutex);
        auto step = shared_->schedule.next(now());
        if (!step) {
            return std::nullopt;
        }
        const auto place = shared_->places.find(step->database);
        return work{std::move(*step), place->second};
    }

    steady_time due() {
        const std::lock_guard lock(shared_->mutex);
        return std::min(shared_->schedule.due(), now() + seconds(3600));
    }

    void carry_out(const work& what) {
        const std::string& database = what.step.database;
        const bool looks = what.step.what == catalogue_schedule::deed::look;
        const auto count = looks ? look(what.place) : read(what.place);
        if (thread().stopping()) {
            return;
        }
        if (!count) {
            complain(database, count.error().message);
        } else {
            complaints_.erase(database);
        }
        const std::lock_guard lock(shared_->mutex);
        if (!count) {
            shared_->schedule.failed(database, now());
        } else if (looks) {
            shared_->schedule.looked(database, *count, now());
        } else {
            shared_->schedule.read(database, *count, now());
        }
    }

    /// Each trouble once, and only if it does not go away by itself: at start, the servers have not
    /// answered yet.
    void complain(const std::string& database, const std::string& why) {
        complaint& last = complaints_[database];
        last = {why, last.why == why ? last.times + 1 : 1};
        if (last.times == 2) {
            log::warning("the catalogue of database {} cannot be read: {}", database, why);
        }
    }

    /// The primary, else a standby that may be read from.
    result<server_access> server_for(const read_place& place) {
        const auto view = shared_->views(place.cluster);
        std::optional<std::size_t> chosen = view ? view->primary : std::nullopt;
        for (std::size_t host = 0; view && !chosen && host < view->hosts.size(); host++) {
            if (view->hosts[host].may_be_read()) {
                chosen = host;
            }
        }
        if (!chosen || *chosen >= place.servers.size()) {
            return failure{"none of its servers is there"};
        }
        return place.servers[*chosen];
    }

    result<pq_connection> connect(const read_place& place, const patience& limits) {
        const auto to = server_for(place);
        if (!to) {
            return to.error();
        }
        return pq_connection::open(*to, application_name, limits);
    }

    static result<std::string> count(pq_connection& on, const patience& limits) {
        const auto rows = on.query(count_of_changes, limits);
        if (!rows) {
            return rows.error();
        }
        const bool is_one = rows->size() == 1 && rows->front().size() == 1;
        return result<std::string>(
            boost::system::in_place_value, is_one ? rows->front().front().value_or("") : ""
        );
    }

    result<std::string> look(const read_place& place) {
        const patience limits = thread().until(now() + longest_look);
        auto connection = connect(place, limits);
        if (!connection) {
            return connection.error();
        }
        return count(*connection, limits);
    }

    /// The count is asked for first: what changes during the reading counts for the next one.
    result<std::string> read(const read_place& place) {
        const patience limits = thread().until(now() + longest_reading);
        auto connection = connect(place, limits);
        if (!connection) {
            return connection.error();
        }
        auto counted = count(*connection, limits);
        if (!counted) {
            return counted;
        }
        const row_taker taker = shared_->takers(place.database);
        for (std::size_t text = 0; text < shared_->texts.size(); text++) {
            bool taken = true;
            const auto done = connection->query(
                shared_->texts[text],
                [&](std::span<const std::optional<std::string_view>> row) {
                    values_.clear();
                    for (const auto& value : row) {
                        values_.push_back(value.value_or(std::string_view()));
                    }
                    taken = taken && taker.add(text, values_);
                },
                limits
            );
            if (!done) {
                return done.error();
            }
            if (!taken) {
                return failure{"what it says is not understood"};
            }
        }
        thread().tell([&] { taker.finish(); });
        return counted;
    }

    std::shared_ptr<state> shared_;
    std::vector<std::string_view> values_;  // of the row that is handed on
    std::map<std::string, complaint> complaints_;
};

catalogue_loader::catalogue_loader(
    std::vector<std::string> texts, view_source views, taker_maker takers
)
    : state_(std::make_shared<state>(std::move(texts), std::move(views), std::move(takers))) {
    state_->thread.start("catalogue", [shared = state_] { thread_body(shared).run(); });
}

catalogue_loader::~catalogue_loader() {
    stop(milliseconds(100));
}

void catalogue_loader::use(const std::vector<read_place>& places) {
    const steady_time now = std::chrono::steady_clock::now();
    {
        const std::lock_guard lock(state_->mutex);
        std::map<std::string, read_place, std::less<>> next;
        for (const read_place& each : places) {
            next.emplace(each.database, each);
        }
        // Those that were made from the template, if it is still there.
        const auto pattern = next.find(template_name);
        for (auto& [name, old] : state_->places) {
            if (pattern != next.end() && !next.contains(name)) {
                next.emplace(name, from_template(pattern->second, name));
            }
        }
        std::vector<std::string> names;
        for (const auto& [name, place] : next) {
            if (name != template_name) {
                names.push_back(name);
            }
        }
        state_->places = std::move(next);
        state_->schedule.use(names, now);
    }
    state_->thread.wake();
}

void catalogue_loader::refresh(const std::string& database) {
    const steady_time now = std::chrono::steady_clock::now();
    {
        const std::lock_guard lock(state_->mutex);
        const auto pattern = state_->places.find(template_name);
        if (!state_->schedule.knows(database) && pattern != state_->places.end() &&
            database != template_name) {
            state_->places.emplace(database, from_template(pattern->second, database));
            state_->schedule.add(database, now);
        }
        state_->schedule.request(database, now);
    }
    state_->thread.wake();
}

void catalogue_loader::stop(milliseconds patience) {
    state_->thread.stop(patience);
}

}  // namespace pgweir::topology
