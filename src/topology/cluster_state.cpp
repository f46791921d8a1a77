#include "topology/cluster_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

namespace pgweir::topology {

using router::host_role;
using router::host_state;
using router::host_view;

namespace {

/// Lines about one standby that is late again and again.
constexpr seconds between_late_notes{10};

std::string megabytes(std::uint64_t bytes) {
    constexpr double million = 1024 * 1024;
    return fmt::format("{:.1f} MB", static_cast<double>(bytes) / million);
}

log::level level_of(host_state state) noexcept {
    switch (state) {
        case host_state::unknown:
        case host_state::serving:
            return log::level::info;
        case host_state::late:
        case host_state::unreachable:
        case host_state::outdated:
            return log::level::warning;
        case host_state::foreign:
        case host_state::fenced:
            break;
    }
    return log::level::error;
}

}  // namespace

cluster_state::cluster_state(
    const std::vector<host_settings>& hosts,
    const lag_limits& limits,
    const memory& remembered,
    std::string user,
    std::uint64_t first_term
)
    : limits_(limits), memory_(remembered), user_(std::move(user)) {
    view_.term = first_term;
    for (const host_settings& each : hosts) {
        hosts_.emplace_back().settings = each;
        host_view& shown = view_.hosts.emplace_back();
        shown.name = each.name;
        shown.port = each.port;
        shown.weight = each.weight;
        shown.why = "not asked yet";
    }
}

std::optional<std::size_t> cluster_state::find(const host_settings& server) const noexcept {
    for (std::size_t index = 0; index < hosts_.size(); index++) {
        const host_settings& own = hosts_[index].settings;
        if (own.name == server.name && own.port == server.port) {
            return index;
        }
    }
    return std::nullopt;
}

std::size_t cluster_state::shared_with(const cluster_state& other) const noexcept {
    return static_cast<std::size_t>(std::count_if(
        other.hosts_.begin(),
        other.hosts_.end(),
        [&](const host& h) { return find(h.settings).has_value(); }
    ));
}

std::optional<cluster_state::reign> cluster_state::translated(
    const std::optional<reign>& of, const cluster_state& from
) const {
    const auto here = of ? find(from.hosts_[of->host].settings) : std::nullopt;
    return here ? std::optional(reign{*here, of->who, of->timeline}) : std::nullopt;
}

void cluster_state::succeed(const cluster_state& before, steady_time now) {
    memory_ = before.memory_.system_identifier != 0 ? before.memory_ : memory_;
    reign_ = translated(before.reign_, before);
    const auto last = translated(before.reign_ ? before.reign_ : before.last_reign_, before);
    last_reign_ = reign_ ? translated(before.last_reign_, before) : last;
    first_heard_at_ = before.first_heard_at_;
    everybody_asked_ = before.everybody_asked_;
    for (std::size_t index = 0; index < hosts_.size(); index++) {
        if (const auto there = before.find(hosts_[index].settings)) {
            const host_settings settings = hosts_[index].settings;
            hosts_[index] = before.hosts_[*there];
            hosts_[index].settings = settings;
            hosts_[index].rival_on = last ? hosts_[index].rival_on : 0;   // it was last's
            view_.hosts[index].state = before.view_.hosts[*there].state;  // which was told
        }
    }
    if (reign_) {
        torn_ = before.torn_;
        samples_ = before.samples_;
        sampled_incarnation_ = before.sampled_incarnation_;
        primary_shows_ = before.primary_shows_;
        view_.primary = reign_->host;
        view_.sampled_at = before.view_.sampled_at;
        view_.inserted = before.view_.inserted;
        view_.flushed = before.view_.flushed;
    }
    for (std::size_t index = 0; index < hosts_.size(); index++) {
        judge(index, now);
    }
}

std::string cluster_state::name_of(std::size_t index) const {
    return fmt::format("{}:{}", hosts_[index].settings.name, hosts_[index].settings.port);
}

std::vector<note> cluster_state::take_notes() {
    return std::exchange(notes_, {});
}

void cluster_state::take(std::size_t index, const report& what, steady_time now) {
    host& of = hosts_[index];
    switch (what.what) {
        case report::kind::answered:
            learn(of, what.said);
            break;
        case report::kind::broken:
            of.reached = of.reached == contact::up ? contact::broken : contact::down;
            of.trouble = what.why;
            break;
        case report::kind::failed:
            of.reached = contact::down;
            of.trouble = what.why;
            break;
    }
    end_first_round(now);
    adopt_system();
    adopt_timeline();
    choose_primary();
    sample_primary();
    if (what.what == report::kind::answered) {
        compare_commits(of);
    }
    for (std::size_t each = 0; each < hosts_.size(); each++) {
        judge(each, now);
    }
}

void cluster_state::learn(host& of, const answer& said) {
    if (of.reached != contact::up || of.said.incarnation != said.incarnation) {
        of.timeline = 0;
        of.received_to = 0;
        of.fresh_as_of = {};
        of.shown = {};
    }
    of.reached = contact::up;
    of.trouble.clear();
    of.said = said;
    const std::uint64_t replayed = said.replayed.value_or(0);
    if (said.timeline != 0) {
        if (said.timeline != of.timeline) {
            of.timeline = said.timeline;
            of.received_to = 0;
        }
        of.received_to = std::max({of.received_to, said.received.value_or(0), replayed});
    } else if (!said.in_recovery || replayed > std::max(of.received_to, said.received.value_or(0))) {
        of.timeline = 0;  // it has more than it has received: from an archive, of any timeline
    }
    if (said.in_recovery || said.timeline != of.rival_on) {
        of.rival_on = 0;
    }
}

// What all servers together say.

bool cluster_state::everybody(contact is) const noexcept {
    return std::all_of(hosts_.begin(), hosts_.end(), [is](const host& h) {
        return h.reached == is;
    });
}

void cluster_state::end_first_round(steady_time now) {
    if (first_heard_at_ == steady_time{}) {
        first_heard_at_ = now;
    }
    const bool all = std::none_of(hosts_.begin(), hosts_.end(), [](const host& h) {
        return h.reached == contact::never;
    });
    everybody_asked_ = everybody_asked_ || all || now - first_heard_at_ >= longest_first_round;
}

bool cluster_state::is_ours(const host& of) const noexcept {
    return memory_.system_identifier != 0 && of.said.system_identifier == memory_.system_identifier;
}

bool cluster_state::calls_itself_primary(const host& of) const noexcept {
    return of.reached == contact::up && is_ours(of) && !of.said.in_recovery;
}

cluster_state::process cluster_state::process_of(const host& of) noexcept {
    return {of.said.system_identifier, of.said.started_at};
}

void cluster_state::adopt_system() {
    struct votes {
        int hosts = 0;
        int primaries = 0;
    };

    std::map<std::uint64_t, votes> systems;
    for (const host& h : hosts_) {
        if (h.reached == contact::up) {
            votes& of = systems[h.said.system_identifier];
            of.hosts++;
            of.primaries += h.said.in_recovery ? 0 : 1;
        }
    }
    if (memory_.system_identifier != 0) {
        if (everybody(contact::up) && systems.size() == 1 &&
            !systems.contains(memory_.system_identifier)) {
            notes_.push_back(
                {log::level::warning,
                 fmt::format(
                     "all servers are of system {} now, and none is of {}: the cluster was made "
                     "anew",
                     systems.begin()->first,
                     memory_.system_identifier
                 )}
            );
            memory_ = {systems.begin()->first, 0};
        }
        return;
    }
    if (!everybody_asked_ || systems.empty()) {
        return;
    }
    const auto rank = [](const auto& entry) {
        return std::pair(entry.second.hosts, entry.second.primaries > 0);
    };
    const auto most =
        std::max_element(systems.begin(), systems.end(), [&](const auto& a, const auto& b) {
            return rank(a) < rank(b);
        });
    const bool clear = std::count_if(systems.begin(), systems.end(), [&](const auto& entry) {
                           return rank(entry) == rank(*most);
                       }) == 1;
    if (clear) {
        memory_ = {most->first, 0};
    }
}

void cluster_state::adopt_timeline() {
    std::uint32_t highest = 0;
    bool all_known = true;
    for (const host& h : hosts_) {
        const bool counts = h.reached == contact::up && is_ours(h) && h.timeline != 0;
        highest = counts ? std::max(highest, h.timeline) : highest;
        all_known = all_known && counts;
    }
    if (highest < memory_.timeline && all_known) {
        notes_.push_back(
            {log::level::warning,
             fmt::format(
                 "all servers are on timeline {} or below, and none is on {} any more: it is given "
                 "up",
                 highest,
                 memory_.timeline
             )}
        );
        memory_.timeline = highest;
    }
    memory_.timeline = std::max(memory_.timeline, highest);
}

void cluster_state::choose_primary() {
    const std::optional<std::size_t> chosen = pick_primary();
    if (!chosen) {
        return begin_reign(std::nullopt);
    }
    const host& primary = hosts_[*chosen];
    if (primary.reached == contact::up) {  // else it stays what it was
        begin_reign(reign{*chosen, process_of(primary), primary.timeline});
    }
    for (host& h : hosts_) {
        const bool rivals = &h != &primary && calls_itself_primary(h) &&
                            h.timeline == reign_->timeline && process_of(h) != reign_->who;
        h.rival_on = rivals ? h.timeline : h.rival_on;
    }
}

std::optional<std::size_t> cluster_state::pick_primary() {
    torn_ = false;
    if (reign_ && reign_->timeline == memory_.timeline) {
        const host& current = hosts_[reign_->host];
        const bool may_come_back = current.reached == contact::broken && is_ours(current);
        if (may_come_back ||
            (calls_itself_primary(current) && current.timeline == memory_.timeline)) {
            return reign_->host;
        }
    }
    if (!everybody_asked_) {
        return std::nullopt;
    }
    std::vector<std::size_t> able;
    for (std::size_t index = 0; index < hosts_.size(); index++) {
        const host& h = hosts_[index];
        if (calls_itself_primary(h) && h.timeline == memory_.timeline && h.rival_on == 0) {
            able.push_back(index);
        }
    }
    if (able.empty()) {
        return std::nullopt;
    }
    const bool one = std::all_of(able.begin(), able.end(), [&](std::size_t index) {
        return process_of(hosts_[index]) == process_of(hosts_[able[0]]);
    });
    if (one) {
        return able[0];
    }
    if (last_reign_ && last_reign_->timeline == memory_.timeline &&
        std::find(able.begin(), able.end(), last_reign_->host) != able.end()) {
        return last_reign_->host;
    }
    torn_ = true;
    return std::nullopt;
}

void cluster_state::begin_reign(std::optional<reign> next) {
    if (next == reign_) {
        return;
    }
    if (next) {
        notes_.push_back(
            {log::level::info,
             fmt::format("{} is the primary, on timeline {}", name_of(next->host), next->timeline)}
        );
        view_.primary = next->host;
    } else {
        const std::string& trouble = hosts_[reign_->host].trouble;
        notes_.push_back(
            {log::level::warning,
             fmt::format(
                 "there is no primary any more; it was {}{}{}",
                 name_of(reign_->host),
                 trouble.empty() ? "" : ": ",
                 trouble
             )}
        );
        view_.primary.reset();
    }
    last_reign_ = reign_ ? reign_ : last_reign_;
    reign_ = next;
    primary_shows_ = {};
    view_.term++;
}

void cluster_state::sample_primary() {
    if (!reign_) {
        return;
    }
    const host& primary = hosts_[reign_->host];
    if (primary.reached != contact::up || !primary.said.inserted) {
        return;
    }
    const answer& said = primary.said;
    if (said.incarnation != sampled_incarnation_) {
        samples_.clear();
        sampled_incarnation_ = said.incarnation;
    }
    const std::uint64_t end = end_of_records(*said.inserted, said.page_size, said.segment_size);
    samples_.add(said.asked_at, end);
    view_.sampled_at = said.asked_at;
    view_.inserted = {primary.timeline, end};
    view_.flushed = said.flushed.value_or(0);
    primary_shows_ = said.snapshot.value_or(commit_snapshot{});
}

void cluster_state::compare_commits(const host& from) {
    for (host& each : hosts_) {
        if (&each == &from && from.said.in_recovery && from.said.snapshot) {
            each.shown.take(from.said.asked_at, from.said.snapshot->end, from.said.unseen);
        }
        // Of another timeline, numbers may mean other transactions.
        if (each.said.in_recovery && each.timeline != 0 && reign_ &&
            each.timeline == reign_->timeline) {
            each.shown.compare(primary_shows_);
        }
    }
}

// What to think of each server.

void cluster_state::judge(std::size_t index, steady_time now) {
    host& of = hosts_[index];
    host_view& out = view_.hosts[index];
    const host_state before = out.state;
    out = host_view{};
    out.name = of.settings.name;
    out.port = of.settings.port;
    out.weight = of.settings.weight;
    out.address = of.said.address;
    if (of.reached == contact::never) {
        out.why = "not asked yet";
        return;
    }
    if (of.reached != contact::up) {
        const bool coming_back = of.reached == contact::broken;
        out.role = !coming_back          ? host_role::unknown
                   : of.said.in_recovery ? host_role::standby
                                         : host_role::primary;
        out.state = host_state::unreachable;
        out.why = of.trouble;
        return tell(index, before, now);
    }
    out.role = of.said.in_recovery ? host_role::standby : host_role::primary;
    out.system_identifier = of.said.system_identifier;
    out.incarnation = of.said.incarnation;
    out.asked_at = of.said.asked_at;
    const auto& position = of.said.in_recovery ? of.said.replayed : of.said.inserted;
    out.position = {position ? of.timeline : 0, position.value_or(0)};
    if (of.said.in_recovery) {
        // Right after a start a receiver says where it began.
        out.received = std::max(of.said.received.value_or(0), of.said.replayed.value_or(0));
    }
    if (!is_ours(of)) {
        const bool decided = memory_.system_identifier != 0;
        out.state = decided || everybody_asked_ ? host_state::foreign : host_state::unknown;
        out.why = decided ? fmt::format(
                                "its system identifier is {}, and the cluster's is {}",
                                of.said.system_identifier,
                                memory_.system_identifier
                            )
                  : everybody_asked_
                      ? "the servers are of several clusters: take those that are not meant out of "
                        "the list of hosts, then RELOAD"
                      : "the other servers have not been asked yet";
    } else if (of.said.in_recovery) {
        judge_standby(of, out);
    } else {
        judge_primary(of, index, out);
    }
    tell(index, before, now);
}

void cluster_state::judge_primary(const host& of, std::size_t index, host_view& out) const {
    out.fresh_as_of = of.said.asked_at;
    out.state = host_state::fenced;
    const std::string claim = fmt::format("calls itself primary on timeline {}", of.timeline);
    if (reign_ && reign_->host == index) {
        out.state = host_state::serving;
    } else if (of.timeline < memory_.timeline) {
        out.why = fmt::format(
            "{}, but there is timeline {} now: stop it, and make it a standby of the new primary "
            "(pg_rewind, or a new base backup)",
            claim,
            memory_.timeline
        );
    } else if (reign_ && process_of(of) == reign_->who) {
        out.why = fmt::format("is the same server as {}", name_of(reign_->host));
    } else if (reign_) {
        out.why = fmt::format(
            "{}, as {} does, which is in use: make it a standby of that one (pg_rewind, or a new "
            "base backup), or take it out of the list of hosts",
            claim,
            name_of(reign_->host)
        );
    } else if (of.rival_on != 0 && last_reign_) {
        out.why = fmt::format(
            "{}, as {} did, which was in use: bring that one back, or take it out of the list of "
            "hosts, then RELOAD",
            claim,
            name_of(last_reign_->host)
        );
    } else if (torn_) {
        out.why = fmt::format(
            "{}, and so does another one, so that neither gets writes: stop the one that is wrong, "
            "or take it out of the list of hosts, then RELOAD",
            claim
        );
    } else {
        out.state = host_state::unknown;
        out.why = "the other servers have not been asked yet";
    }
}

void cluster_state::judge_standby(host& of, host_view& out) const {
    measure(of, out);
    out.state = host_state::late;
    if (of.timeline != 0 && of.timeline < memory_.timeline) {
        out.state = host_state::outdated;
        out.why = fmt::format(
            "is on timeline {}, and there is timeline {} now: it does not follow the new primary",
            of.timeline,
            memory_.timeline
        );
    } else if (!out.lag_bytes) {
        out.why = unknown_lag(of);
    } else if (limits_.bytes != 0 && *out.lag_bytes > static_cast<std::uint64_t>(limits_.bytes)) {
        out.why = fmt::format("is {} behind (max_standby_lag)", megabytes(*out.lag_bytes));
    } else if (limits_.time.count() != 0 && !out.lag_time) {
        out.why = "since when it is behind is not known";
    } else if (limits_.time.count() != 0 && *out.lag_time > limits_.time) {
        out.why = fmt::format(
            "is {:.1f} s behind (max_standby_lag_time)",
            std::chrono::duration<double>(*out.lag_time).count()
        );
    } else {
        out.state = host_state::serving;
    }
}

/// How far behind it is, and how fresh.
void cluster_state::measure(host& of, host_view& out) const {
    if (of.timeline != 0 && of.timeline == view_.inserted.timeline && of.said.replayed) {
        const std::uint64_t replayed = *of.said.replayed;
        const std::uint64_t end = view_.inserted.lsn;
        // What came after the last time that its receiver was seen does not count.
        const std::uint64_t surely = std::min(replayed, of.received_to);
        of.fresh_as_of = std::max(of.fresh_as_of, samples_.reached(surely));
        out.lag_bytes = end > replayed ? end - replayed : 0;
        if (*out.lag_bytes == 0) {
            out.lag_time = microseconds(0);
        } else if (of.fresh_as_of != steady_time{}) {
            out.lag_time = std::chrono::duration_cast<microseconds>(
                std::max(view_.sampled_at, of.fresh_as_of) - of.fresh_as_of
            );
        } else {
            out.lag_time = of.said.commit_age;
        }
    }
    out.fresh_as_of = of.fresh_as_of;
    out.shown_by_primary = of.shown.shown_at();
}

std::string cluster_state::unknown_lag(const host& of) const {
    if (of.said.receiver == receiver_state::hidden) {
        return fmt::format(
            "the user \"{0}\" may not see how far it is: GRANT pg_monitor TO \"{0}\"", user_
        );
    }
    if (of.timeline == 0) {
        return "its timeline is not known: it receives nothing from the primary";
    }
    return "how far behind it is is not known: the primary has not answered yet";
}

void cluster_state::tell(std::size_t index, host_state before, steady_time now) {
    host& of = hosts_[index];
    const host_view& out = view_.hosts[index];
    if (out.state == before || out.state == host_state::unknown) {
        return;
    }
    if (out.state == host_state::late || before == host_state::late) {
        const bool again =
            of.late_noted_at != steady_time{} && now - of.late_noted_at < between_late_notes;
        const bool between = (out.state == host_state::late || out.state == host_state::serving) &&
                             (before == host_state::late || before == host_state::serving);
        if (again && between) {
            return;
        }
        of.late_noted_at = now;
    }
    notes_.push_back(
        {level_of(out.state),
         fmt::format(
             "{}: {}, {}{}{}",
             name_of(index),
             router::name_of(out.role),
             router::name_of(out.state),
             out.why.empty() ? "" : ": ",
             out.why
         )}
    );
}

}  // namespace pgweir::topology
