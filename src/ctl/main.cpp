// pgweirctl: sets up and runs the PostgreSQL servers that pgweir stands in front of.

#include "ctl/commands.hpp"
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
  pgweirctl stop standby1                 stop one server; without a name all of them
  pgweirctl --root /srv/pg init           another place for data, logs and passwords
  pgweirctl --set primary.port=5440 --set standby1.port=5441 init
  pgweirctl settings primary              print the settings that the primary would get

Every command can be run again: what is so already is left alone. A file that is changed and a
directory that is in the way are kept as *.backup. Exit code: 0 when all is well, else 1.)";

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
    std::string standby;
    std::vector<std::string> names;
    std::string settings_of = "primary";
    bool access_rules = false;
    assumed_machine machine;
    int exit_code = 0;

    const common_options& options() {
        common.config = config;
        common.mode = dry_run ? pgweir::cluster::run_mode::dry : pgweir::cluster::run_mode::real;
        return common;
    }
};

void add_common(CLI::App& app, command_line& line) {
    app.add_option("-c,--config", line.config, "The cluster's file")->capture_default_str();
    app.add_option("--root", line.common.root, "Folder for data, logs and passwords");
    app.add_option("--set", line.common.overrides, "section.key=value, wins over the file")
        ->expected(1)
        ->take_all();
    app.add_flag("-n,--dry-run", line.dry_run, "Print what would be done, and do nothing");
}

void add_making(CLI::App& app, command_line& line) {
    auto* init_command =
        app.add_subcommand("init", "Make the primary: data, settings, roles, slots");
    init_command->callback([&line] { line.exit_code = init(line.options()); });

    auto* standby = app.add_subcommand("add-standby", "Make a standby from a base backup");
    standby->add_option("name", line.standby, "As in [standby.NAME]; the only one if left out");
    standby->callback([&line] { line.exit_code = add_standby(line.options(), line.standby); });
}

void add_running(CLI::App& app, command_line& line) {
    auto* start_command = app.add_subcommand("start", "Start the servers that are on this machine");
    start_command->add_option("name", line.names, "primary, or a standby's name; all if left out");
    start_command->callback([&line] { line.exit_code = start(line.options(), line.names); });

    auto* stop_command = app.add_subcommand("stop", "Stop them: the primary first, loss-free");
    stop_command->add_option("name", line.names, "primary, or a standby's name; all if left out");
    stop_command->callback([&line] { line.exit_code = stop(line.options(), line.names); });

    auto* status_command = app.add_subcommand("status", "State of each server");
    status_command->callback([&line] { line.exit_code = status(line.options()); });
}

void add_showing(CLI::App& app, command_line& line) {
    auto* show = app.add_subcommand("settings", "Print the generated settings of a server");
    show->add_option("name", line.settings_of, "primary, or a standby's name")
        ->capture_default_str();
    show->add_flag("--hba", line.access_rules, "The access rules (pg_hba.conf) instead");
    show->add_option("--memory", line.machine.memory, "As if the machine had this much, say 16GB");
    show->add_option("--disk", line.machine.disk, "As if the disk were this large, say 500GB");
    show->add_option("--postgres", line.machine.postgres_major, "As if it were this major version");
    show->callback([&line] {
        line.exit_code = show_settings(
            line.options(),
            line.settings_of,
            line.access_rules ? settings_part::access_rules : settings_part::server,
            line.machine
        );
    });
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
