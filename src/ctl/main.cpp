// pgweirctl: sets up and runs the PostgreSQL servers that pgweir stands in front of.

#include "ctl/commands.hpp"
#include "ctl/output.hpp"
#include "ctl/process.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <sys/stat.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace pgweir::ctl;

constexpr const char* examples = R"(
Examples:
  pgweirctl init                          make the primary of conf/cluster.ini and start it
  pgweirctl init --dry-run                print what would be done
  pgweirctl add-standby standby1          make a standby from a base backup and start it
  pgweirctl status                        role, timeline, replication and lag of each server
  pgweirctl check                         the thirty checks, as far as they change nothing
  pgweirctl switchover --to standby1      change places without losing a transaction
  pgweirctl promote                       the primary is lost: the best standby takes its place
  pgweirctl rejoin primary                the old primary comes back as a standby
  pgweirctl stop standby1                 stop one server; without a name all of them
  pgweirctl --root /srv/pg init           another place for data, logs and passwords
  pgweirctl --set primary.port=5440 --set standby1.port=5441 init

Every command can be run again: what is so already is left alone. A file that is changed and a
directory that is in the way are kept as *.backup. Exit code: 0 when all is well, else 1; of lag
that of monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.)";

/// Where cluster.ini is looked for when no option names it.
std::string default_config() {
    for (const char* place : {"cluster.ini", "conf/cluster.ini"}) {
        std::error_code error;
        if (std::filesystem::exists(place, error)) {
            return place;
        }
    }
    return "/etc/pgweir/cluster.ini";
}

struct command_line {
    common_options common;
    std::string config = default_config();
    bool dry_run = false;
    bool json = false;
    std::string name;
    std::vector<std::string> names;
    std::string settings_of = "primary";
    bool access_rules = false;
    assumed_machine machine;
    bool exercise = false;
    bool keep_data = false;
    bool sure = false;
    bool force = false;
    double hold_seconds = 30;
    double interval = 5;
    lag_options lag;
    health_options health;
    std::string health_role;
    monitor_options monitor;
    int exit_code = 0;

    /// Runs a command with its common options and an output of its own.
    template <typename Command>
    void run(const CLI::App& command, Command&& with) {
        output out(json ? output_format::json : output_format::text, command.get_name());
        common.config = config;
        common.mode = dry_run ? pgweir::cluster::run_mode::dry : pgweir::cluster::run_mode::real;
        common.out = &out;
        exit_code = out.finish(with(common));
    }
};

void add_common(CLI::App& app, command_line& line) {
    app.add_option("-c,--config", line.config, "The cluster's file")->capture_default_str();
    app.add_option("--root", line.common.root, "Folder for data, logs and passwords");
    app.add_option("--set", line.common.overrides, "section.key=value, wins over the file")
        ->expected(1)
        ->take_all();
    app.add_flag("-n,--dry-run", line.dry_run, "Print what would be done, and do nothing");
    app.add_flag("--json", line.json, "Print one JSON object instead of lines");
}

/// A subcommand, and what it calls.
template <typename Command>
CLI::App* add_command(
    CLI::App& app, command_line& line, const char* name, const char* description, Command&& with
) {
    CLI::App* command = app.add_subcommand(name, description);
    command->callback([command, &line, with] { line.run(*command, with); });
    return command;
}

void add_making(CLI::App& app, command_line& line) {
    add_command(app, line, "init", "Make the primary: data, settings, roles, slots", init);
    add_command(
        app,
        line,
        "add-standby",
        "Make a standby from a base backup",
        [&line](const common_options& options) { return add_standby(options, line.name); }
    )->add_option("name", line.name, "As in [standby.NAME]; the only one if left out");
    auto* remove = add_command(
        app,
        line,
        "remove-standby",
        "Stop a standby for good: its slot and its data go",
        [&line](const common_options& options) {
            return remove_standby(options, line.name, line.keep_data);
        }
    );
    remove->add_option("name", line.name, "Its name; the only one if left out");
    remove->add_flag("--keep-data", line.keep_data, "Leave its data directory");
    add_command(
        app,
        line,
        "backup",
        "Take a verified base backup; old ones go",
        [](const common_options& options) { return backup(options); }
    );
    add_command(
        app,
        line,
        "destroy",
        "Stop all servers and delete what pgweirctl has made",
        [&line](const common_options& options) { return destroy(options, line.sure); }
    )->add_flag("--yes", line.sure, "Yes, the data too");
}

void add_running(CLI::App& app, command_line& line) {
    const char* names = "primary, or a standby's name; all if left out";
    add_command(
        app,
        line,
        "start",
        "Start the servers that are on this machine",
        [&line](const common_options& options) { return start(options, line.names); }
    )->add_option("name", line.names, names);
    add_command(
        app,
        line,
        "stop",
        "Stop them: the primary first, loss-free",
        [&line](const common_options& options) { return stop(options, line.names); }
    )->add_option("name", line.names, names);
    add_command(
        app,
        line,
        "restart",
        "Stop them and start them again",
        [&line](const common_options& options) { return restart(options, line.names); }
    )->add_option("name", line.names, names);
    add_command(app, line, "status", "State of each server", status);
}

void add_changing(CLI::App& app, command_line& line) {
    auto* change = add_command(
        app,
        line,
        "switchover",
        "The primary and a standby change places, loss-free",
        [&line](const common_options& options) {
            return switchover(options, line.name, line.hold_seconds);
        }
    );
    change->add_option("--to", line.name, "The new primary; the standby that has most if left out");
    change->add_option("--wait", line.hold_seconds, "Seconds for running transactions to end")
        ->capture_default_str()
        ->check(CLI::Range(0.1, 3600.0));
    auto* takes_over = add_command(
        app,
        line,
        "promote",
        "The primary is lost: a standby takes its place",
        [&line](const common_options& options) { return promote(options, line.name, line.force); }
    );
    takes_over->add_option("name", line.name, "The standby; the one that has most if left out");
    takes_over->add_flag(
        "--force", line.force, "Even if another standby has, or may have, commits that it lacks"
    );
    add_command(
        app,
        line,
        "rejoin",
        "Make an old primary, or a standby that lost its way, follow again",
        [&line](const common_options& options) { return rejoin(options, line.name); }
    )
        ->add_option("name", line.name, "The server")
        ->required();
}

void add_looking(CLI::App& app, command_line& line) {
    add_command(
        app,
        line,
        "check",
        "Thirty checks of servers, replication, pooler and monitoring",
        [&line](const common_options& options) { return check(options, line.exercise); }
    )->add_flag("--exercise", line.exercise, "Also those that write rows and fill the pool");

    const auto add_limits = [](CLI::App* to, std::string& warn, std::string& critical) {
        to->add_option("--warn", warn, "Bytes, a time or both [10MB,5s]");
        to->add_option("--critical", critical, "Likewise [100MB,60s]");
    };
    auto* lag_command = add_command(
        app,
        line,
        "lag",
        "How far each standby is behind; exit codes of monitoring plugins",
        [&line](const common_options& options) { return lag(options, line.lag); }
    );
    add_limits(lag_command, line.lag.warn, line.lag.critical);
    lag_command->add_flag("--watch", line.lag.watch, "Again and again");
    lag_command->add_option("--interval", line.lag.interval, "Seconds between two looks")
        ->capture_default_str()
        ->check(CLI::Range(0.1, 3600.0));
    lag_command->add_flag("--table", line.lag.table, "All figures, instead of one line for a log");

    auto* health_command = add_command(
        app,
        line,
        "health",
        "Exit code 0 if a server is well: for containers and load balancers",
        [&line](const common_options& options) {
            using pgweir::cluster::server_role;
            line.health.role =
                line.health_role == "primary" ? server_role::primary : server_role::standby;
            return health(options, line.health);
        }
    );
    health_command->add_option("role", line.health_role, "primary or standby")
        ->required()
        ->check(CLI::IsMember({"primary", "standby"}));
    health_command->add_option("name", line.health.name, "Which server");
    health_command->add_option("--max-lag", line.health.max_lag, "Of a standby, such as 10MB,30s");

    auto* monitor = app.add_subcommand("monitor", "The lag check, every five minutes");
    monitor->require_subcommand(1);
    auto* install = add_command(
        *monitor,
        line,
        "install",
        "Write a timer of systemd or an entry of cron",
        [&line](const common_options& options) { return install_monitor(options, line.monitor); }
    );
    add_limits(install, line.monitor.warn, line.monitor.critical);
    auto* uninstall = add_command(
        *monitor,
        line,
        "remove",
        "Take away what install has written",
        [&line](const common_options& options) { return remove_monitor(options, line.monitor); }
    );
    for (auto* each : {install, uninstall}) {
        each->add_flag_callback("--systemd", [&line] { line.monitor.kind = scheduler::systemd; });
        each->add_flag_callback("--cron", [&line] { line.monitor.kind = scheduler::cron; });
        each->add_option("--folder", line.monitor.folder, "Instead of the system's own");
    }
    monitor->fallthrough();

    add_command(
        app,
        line,
        "dashboard",
        "Everything at a glance, refreshed; q leaves",
        [&line](const common_options& options) { return dashboard(options, line.interval); }
    )
        ->add_option("--interval", line.interval, "Seconds between two looks")
        ->capture_default_str()
        ->check(CLI::Range(0.1, 3600.0));
}

void add_showing(CLI::App& app, command_line& line) {
    auto* show = add_command(
        app,
        line,
        "settings",
        "Print the generated settings of a server",
        [&line](const common_options& options) {
            return show_settings(
                options,
                line.settings_of,
                line.access_rules ? settings_part::access_rules : settings_part::server,
                line.machine
            );
        }
    );
    show->add_option("name", line.settings_of, "primary, or a standby's name")
        ->capture_default_str();
    show->add_flag("--hba", line.access_rules, "The access rules (pg_hba.conf) instead");
    show->add_option("--memory", line.machine.memory, "As if the machine had this much, say 16GB");
    show->add_option("--disk", line.machine.disk, "As if the disk were this large, say 500GB");
    show->add_option("--postgres", line.machine.postgres_major, "As if it were this major version");
}

int run(int argc, char** argv) {
    CLI::App app("Sets up and runs a PostgreSQL primary and its standbys for pgweir.", "pgweirctl");
    command_line line;
    app.footer(examples);
    app.set_version_flag("-V,--version", "pgweirctl " PGWEIR_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    add_common(app, line);
    add_making(app, line);
    add_running(app, line);
    add_changing(app, line);
    add_looking(app, line);
    add_showing(app, line);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 1;
    }
    return line.exit_code;
}

}  // namespace

int main(int argc, char** argv) {
    // Modes are set where files are made; the caller's umask must not make them stricter or laxer.
    ::umask(022);
    try {
        pgweir::ctl::forget_postgres_variables();
        return run(argc, argv);
    } catch (const std::exception& error) {
        fmt::print(stderr, "pgweirctl: {}\n", error.what());
        return 1;
    }
}
