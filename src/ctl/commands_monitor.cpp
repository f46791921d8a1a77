// Commands that look: check, lag, health, monitor, dashboard. See commands.hpp.

#include "cluster/dashboard.hpp"
#include "cluster/dashboard_source.hpp"
#include "cluster/files.hpp"
#include "cluster/lag_source.hpp"
#include "cluster/schedule.hpp"
#include "ctl/commands.hpp"
#include "ctl/context.hpp"
#include "ctl/shared.hpp"
#include "ctl/terminal.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <optional>
#include <thread>

namespace pgweir::ctl {

namespace {

namespace fs = std::filesystem;
using cluster::lag_figures;
using cluster::lag_level;
using cluster::lag_thresholds;
using cluster::node;

result<lag_thresholds> thresholds_of(const std::string& warn, const std::string& critical) {
    lag_thresholds limits;
    const auto first = cluster::parse_limits(warn, limits.warn);
    const auto second = cluster::parse_limits(critical, limits.critical);
    if (!first) {
        return failure{"--warn " + first.error().message};
    }
    if (!second) {
        return failure{"--critical " + second.error().message};
    }
    return lag_thresholds{*first, *second};
}

boost::json::value json_of(const std::optional<std::uint64_t>& bytes) {
    return bytes ? boost::json::value(*bytes) : boost::json::value(nullptr);
}

/// Seconds.
boost::json::value json_of(const std::optional<microseconds>& time) {
    return time ? boost::json::value(std::chrono::duration<double>(*time).count())
                : boost::json::value(nullptr);
}

boost::json::value json_of(const std::vector<lag_figures>& all, const lag_thresholds& limits) {
    boost::json::array entries;
    for (const lag_figures& each : all) {
        boost::json::object entry{
            {"standby", each.standby},
            {"state", each.state},
            {"sync_state", each.sync_state},
            {"verdict", std::string(to_string(cluster::judge(each, limits)))}};
        entry["pending_bytes"] = json_of(each.pending_bytes);
        entry["write_lag_bytes"] = json_of(each.write_bytes);
        entry["flush_lag_bytes"] = json_of(each.flush_bytes);
        entry["replay_lag_bytes"] = json_of(each.replay_bytes);
        entry["write_lag"] = json_of(each.write_time);
        entry["flush_lag"] = json_of(each.flush_time);
        entry["replay_lag"] = json_of(each.replay_time);
        entry["unreplayed_bytes"] = json_of(each.unreplayed_bytes);
        entry["since_last_replayed"] = json_of(each.since_last_replayed);
        entries.emplace_back(std::move(entry));
    }
    return entries;
}

std::string clock_text() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    ::localtime_r(&now, &local);
    std::array<char, 40> text{};
    const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S%z", &local);
    return {text.data(), length};
}

/// One look at the lag. The exit code is the verdict.
int look_at_lag(context& in, const lag_thresholds& limits, const lag_options& wanted) {
    const auto all = cluster::ask_lag(in.settings, in.secrets.prober);
    if (!all) {
        in.out->say(fmt::format("{} LAG UNKNOWN - {}\n", clock_text(), all.error().message));
        if (in.out->is_json()) {
            in.out->complain(all.error().message);
        }
        return static_cast<int>(lag_level::unknown);
    }
    if (wanted.table) {
        in.out->say(cluster::lag_table(*all, limits));
    } else {
        in.out->say(fmt::format("{} {}\n", clock_text(), cluster::lag_line(*all, limits)));
    }
    in.out->attach("standbys", json_of(*all, limits));
    return static_cast<int>(cluster::judge(*all, limits));
}

result<void> standby_is_healthy(const context& in, const node& server, const std::string& max_lag) {
    const auto limits = cluster::parse_limits(max_lag, {UINT64_MAX, microseconds::max()});
    if (!limits) {
        return failure{"--max-lag " + limits.error().message};
    }
    const auto figures = cluster::ask_standby_lag(in.settings, server, in.secrets.prober);
    if (!figures) {
        return figures.error();
    }
    if (cluster::judge(*figures, {*limits, *limits}) != lag_level::ok) {
        return failure{fmt::format(
            "{} of WAL received and not replayed, {} behind, WAL receiver {}",
            cluster::readable_bytes(figures->unreplayed_bytes),
            cluster::readable_time(cluster::lag_time(*figures)),
            figures->state.empty() ? "absent" : figures->state
        )};
    }
    return {};
}

result<void> primary_is_healthy(const context& in, const node& server) {
    auto opened = cluster::connection::open(
        {server.host,
         server.port,
         in.settings.prober.name,
         "postgres",
         in.secrets.prober,
         cluster::connection_kind::ordinary,
         seconds(3)}
    );
    if (!opened) {
        return opened.error();
    }
    const auto recovery = opened->value("SELECT pg_is_in_recovery()");
    if (!recovery) {
        return failure{recovery.error().message};
    }
    return *recovery == "f" ? result<void>{} : failure{"it is in recovery: it is a standby"};
}

/// Without a name: of a primary the one that is it now, of a standby the only one.
result<const node*> choose_for_health(const context& in, const health_options& wanted) {
    if (wanted.role == cluster::server_role::standby && wanted.name.empty()) {
        return choose_standby(in.settings, "");
    }
    const node* server = wanted.name.empty() ? &in.settings.primary : in.settings.find(wanted.name);
    if (server == nullptr) {
        return failure{fmt::format("no server is called {}", wanted.name)};
    }
    return server;
}

result<void> write_files(
    const common_options& options,
    const fs::path& folder,
    const std::vector<cluster::scheduled_file>& files
) {
    for (const auto& file : files) {
        const fs::path path = folder / file.name;
        const auto present = cluster::read_text(path);
        const bool already = present && *present && **present == file.text;
        const bool dry = options.mode == cluster::run_mode::dry;
        if (!already && !dry) {
            if (const auto copy = cluster::back_up(path); !copy) {
                return copy.error();
            }
            if (const auto written = cluster::write_text(path, file.text, 0644); !written) {
                return written.error();
            }
        }
        using cluster::step_outcome;
        options.out->step(
            {path.string(), cluster::act::remove_path{}},
            already ? step_outcome::already
            : dry   ? step_outcome::would
                    : step_outcome::done,
            ""
        );
    }
    return {};
}

/// Takes away what install wrote, and no other file that has its name.
result<bool> remove_files(
    const common_options& options,
    const fs::path& folder,
    const std::vector<cluster::scheduled_file>& files
) {
    using cluster::step_outcome;
    bool any = false;
    for (const auto& file : files) {
        const fs::path path = folder / file.name;
        const auto present = cluster::read_text(path);
        if (!present) {
            return present.error();
        }
        const std::string first_line = file.text.substr(0, file.text.find('\n') + 1);
        const bool there = present->has_value();
        if (there && !(*present)->starts_with(first_line)) {
            return failure{fmt::format(
                "{} is not by pgweirctl monitor install: look at it, and remove it by hand",
                path.string()
            )};
        }
        any = any || there;
        const bool dry = options.mode == cluster::run_mode::dry;
        std::error_code error;
        if (there && !dry && !fs::remove(path, error)) {
            return failure{fmt::format("cannot remove {}: {}", path.string(), error.message())};
        }
        options.out->step(
            {"no " + path.string(), cluster::act::remove_path{}},
            !there ? step_outcome::already
            : dry  ? step_outcome::would
                   : step_outcome::done,
            ""
        );
    }
    return any;
}

bool by_systemd(scheduler kind) {
    std::error_code error;
    return kind == scheduler::systemd ||
           (kind == scheduler::automatic && fs::exists("/run/systemd/system", error));
}

fs::path folder_for(const monitor_options& wanted, bool systemd) {
    if (!wanted.folder.empty()) {
        return wanted.folder;
    }
    return systemd ? "/etc/systemd/system" : "/etc/cron.d";
}

std::string own_path() {
    std::error_code error;
    const auto path = fs::read_symlink("/proc/self/exe", error);
    return error ? "pgweirctl" : path.string();
}

}  // namespace

int check(const common_options& options, bool exercise) {
    const auto made = make_context(options, password_need::existing, purpose::looking);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    context& in = **made;
    in.out->say(fmt::format("Checks of cluster {}\n", in.settings.name));
    const bool all_hold = verify(
        in, cluster::all_checks(in.settings), exercise ? exercises::made : exercises::skipped
    );
    warn_of_pending(in);
    return all_hold ? 0 : 1;
}

int lag(const common_options& options, const lag_options& wanted) {
    const auto unknown = static_cast<int>(lag_level::unknown);
    const auto limits = thresholds_of(wanted.warn, wanted.critical);
    if (!limits) {
        options.out->complain(limits.error().message);
        return unknown;
    }
    if (wanted.watch && options.out->is_json()) {
        options.out->complain("--watch prints lines, --json one object: one of them must go");
        return unknown;
    }
    const auto made = make_context(options, password_need::existing, purpose::looking);
    if (!made) {
        options.out->complain(made.error().message);
        return unknown;
    }
    context& in = **made;
    int verdict = look_at_lag(in, *limits, wanted);
    while (wanted.watch) {
        std::this_thread::sleep_for(std::chrono::duration<double>(wanted.interval));
        verdict = look_at_lag(in, *limits, wanted);
    }
    return verdict;
}

int health(const common_options& options, const health_options& wanted) {
    const auto made = make_context(options, password_need::existing, purpose::looking);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    const context& in = **made;
    const auto server = choose_for_health(in, wanted);
    if (!server) {
        return in.out->complain(server.error().message);
    }
    const auto healthy = wanted.role == cluster::server_role::primary
                             ? primary_is_healthy(in, **server)
                             : standby_is_healthy(in, **server, wanted.max_lag);
    if (!healthy) {
        return in.out->complain(
            fmt::format("{} is not healthy: {}", (*server)->name, healthy.error().message)
        );
    }
    in.out->say(fmt::format("{} is healthy\n", (*server)->name));
    return 0;
}

int install_monitor(const common_options& options, const monitor_options& wanted) {
    const auto settings = read_settings(options);
    if (!settings) {
        return options.out->complain(settings.error().message);
    }
    if (const auto limits = thresholds_of(wanted.warn, wanted.critical); !limits) {
        return options.out->complain(limits.error().message);
    }
    const bool systemd = by_systemd(wanted.kind);
    cluster::scheduled_check what;
    what.cluster = settings->name;
    what.command = {
        own_path(),
        "--config",
        fs::absolute(options.config).string(),
        "--root",
        settings->root.string()};
    for (const std::string& each : options.overrides) {
        what.command.insert(what.command.end(), {"--set", each});
    }
    what.command.emplace_back("lag");
    if (!wanted.warn.empty()) {
        what.command.insert(what.command.end(), {"--warn", wanted.warn});
    }
    if (!wanted.critical.empty()) {
        what.command.insert(what.command.end(), {"--critical", wanted.critical});
    }
    what.user = settings->os_user;
    what.log = settings->log_dir() / "lag.log";
    const char* path = std::getenv("PATH");
    const auto folders = cluster::bin_folders(path != nullptr ? path : "");
    what.bin_dir =
        settings->bin_dir.empty() && !folders.empty() ? folders.front() : settings->bin_dir;
    const fs::path folder = folder_for(wanted, systemd);
    const auto files = systemd ? cluster::systemd_units(what)
                               : std::vector<cluster::scheduled_file>{cluster::cron_entry(what)};
    if (const auto written = write_files(options, folder, files); !written) {
        return options.out->complain(written.error().message);
    }
    if (systemd) {
        options.out->say(fmt::format(
            "Now: systemctl daemon-reload && systemctl enable --now {}\n", files.back().name
        ));
    } else {
        options.out->say(
            fmt::format("cron runs it from now on; its lines go to {}\n", what.log.string())
        );
    }
    return 0;
}

int remove_monitor(const common_options& options, const monitor_options& wanted) {
    const auto settings = read_settings(options);
    if (!settings) {
        return options.out->complain(settings.error().message);
    }
    cluster::scheduled_check what;
    what.cluster = settings->name;
    bool any_unit = false;
    for (const bool systemd : {true, false}) {
        const bool wants =
            wanted.kind == scheduler::automatic || systemd == (wanted.kind == scheduler::systemd);
        if (!wants) {
            continue;
        }
        const auto files = systemd
                               ? cluster::systemd_units(what)
                               : std::vector<cluster::scheduled_file>{cluster::cron_entry(what)};
        const auto removed = remove_files(options, folder_for(wanted, systemd), files);
        if (!removed) {
            return options.out->complain(removed.error().message);
        }
        any_unit = any_unit || (systemd && *removed);
    }
    if (any_unit) {
        options.out->say(fmt::format(
            "Now: systemctl disable --now {}; systemctl daemon-reload\n",
            cluster::systemd_units(what).back().name
        ));
    }
    return 0;
}

int dashboard(const common_options& options, double interval) {
    const auto made = make_context(options, password_need::existing, purpose::looking);
    if (!made) {
        return options.out->complain(made.error().message);
    }
    const context& in = **made;
    cluster::dashboard_history history;
    const lag_thresholds limits;
    auto view = cluster::look_around(in.settings, in.secrets);
    history.add(view, std::chrono::steady_clock::now());
    if (!terminal::is_there()) {
        in.out->say(cluster::draw_dashboard(view, history, limits, {100, 1000, false}));
        return 0;
    }
    terminal screen;
    const milliseconds period(static_cast<long>(interval * 1000));
    for (;;) {
        screen.show(cluster::draw_dashboard(view, history, limits, terminal::size()));
        switch (screen.wait(period)) {
            case terminal::event::quit:
                return 0;
            case terminal::event::resized:
                break;
            case terminal::event::time:
                view = cluster::look_around(in.settings, in.secrets);
                history.add(view, std::chrono::steady_clock::now());
                break;
        }
    }
}

}  // namespace pgweir::ctl
