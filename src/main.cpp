// pgweir: the command line, and the order in which the process comes to life.

#include "config/dangers.hpp"
#include "config/effective.hpp"
#include "config/load.hpp"
#include "server/identity.hpp"
#include "server/logging.hpp"
#include "server/service_manager.hpp"
#include "server/supervisor.hpp"
#include "server/taking_over.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

namespace {

using namespace pgweir;

struct command_line {
    std::string file;
    std::string user;
    bool daemon = false;
    bool quiet = false;
    bool reboot = false;
    bool check = false;
    bool show_effective = false;
    int verbose = 0;
};

constexpr const char* description =
    "pgweir: a connection pooler for PostgreSQL. Reads a pgbouncer.ini and takes PgBouncer's "
    "place.";

constexpr const char* examples =
    "Examples:\n"
    "  pgweir /etc/pgweir/pgweir.ini         run in the foreground, log to the terminal\n"
    "  pgweir -d -u postgres pgweir.ini      run in the background as user postgres (needs "
    "pidfile)\n"
    "  pgweir -R -d pgweir.ini               take the place of the process that runs with this "
    "file\n"
    "  pgweir --check pgweir.ini             say what is wrong or dangerous, and end: 0 nothing, 1 "
    "dangers,\n"
    "                                        2 errors with which it would not start\n"
    "  pgweir --show-effective pgweir.ini    each setting with its value, and where that was said\n"
    "  psql -p 6432 -U pgbouncer pgbouncer   the console: SHOW HELP\n"
    "\n"
    "Signals: HUP reload, TERM end when the clients have gone, INT end when the servers are free\n"
    "(twice: at once), QUIT end at once, USR1 pause, USR2 resume.";

int fail(const std::string& message) {
    log::write(log::level::fatal, "{}", message);
    if (server::is_starting_in_background()) {
        fmt::print(stderr, "pgweir: {}\n", message);  // the log is not the terminal
    }
    return 1;
}

/// Reads everything as a start would, and says what is wrong with it, or dangerous.
int check(const command_line& options) {
    constexpr int dangerous = 1;
    constexpr int wrong = 2;
    const auto refuse = [](const std::string& message) {
        fmt::print("error: {}\n", message);
        return wrong;
    };
    const auto settings = config::load(options.file);
    if (!settings) {
        return refuse(settings.error().message);
    }
    const auto runtime = server::load_runtime(*settings);
    if (!runtime) {
        return refuse(runtime.error().message);
    }
    if (const auto done = server::check_clusters(**runtime); !done) {
        return refuse(done.error().message);
    }
    int dangers = 0;
    const auto warn = [&](const std::vector<config::warning>& all) {
        for (const config::warning& one : all) {
            fmt::print("warning: {}\n", one.text);
            dangers++;
        }
    };
    warn((*settings)->warnings);
    warn((*runtime)->users->warnings());
    for (const config::finding& one :
         config::dangers_of(**settings, server::raise_descriptor_limit())) {
        const bool danger = one.how == config::severity::danger;
        fmt::print("{}: {}\n", danger ? "danger" : "note", one.text);
        dangers += danger ? 1 : 0;
    }
    if (dangers == 0) {
        fmt::print("{}: good\n", options.file);
    }
    return dangers == 0 ? 0 : dangerous;
}

int show_effective(const command_line& options) {
    const auto settings = config::load(options.file);
    if (!settings) {
        return fail("cannot load config file: " + settings.error().message);
    }
    fmt::print("{}", config::effective_text(**settings));
    return 0;
}

/// At once, unless there is a process before this one, whose file it is until it has given way.
result<void> claim_pid_file(
    const std::string& path, const server::taking_over* before, server::pid_file& to
) {
    if (before != nullptr) {
        return server::pid_file::check(path, before->process());
    }
    auto made = server::pid_file::make(path);
    if (!made) {
        return made.error();
    }
    to = std::move(*made);
    return {};
}

int run(const command_line& options) {
    auto settings = config::load(options.file);
    if (!settings) {
        return fail("cannot load config file: " + settings.error().message);
    }
    const config::settings& global = (*settings)->global;
    if (auto done = server::become_user(options.user.empty() ? global.user : options.user); !done) {
        return fail(done.error().message);
    }
    if (options.daemon) {
        if (global.pidfile.empty()) {
            return fail("-d needs the setting pidfile");
        }
        if (auto done = server::go_into_background(); !done) {
            return fail(done.error().message);
        }
    }
    const bool silent = options.quiet || options.daemon;
    server::logging log(
        silent ? server::logging::console::off : server::logging::console::on, options.verbose
    );
    if (auto done = log.configure(global); !done) {
        return fail(done.error().message);
    }
    auto runtime = server::load_runtime(*settings);
    if (!runtime) {
        return fail(runtime.error().message);
    }
    std::unique_ptr<server::taking_over> before;
    if (options.reboot) {
        auto found = server::taking_over::begin(server::door_name(global));
        if (!found) {
            return fail("cannot take over from the running process: " + found.error().message);
        }
        before = std::move(*found);
    }
    const int predecessor = before ? before->process() : 0;
    if (before) {
        server::use_service_manager(before->notify_socket());
    } else if (options.reboot) {
        log::info("no process to take over from: an ordinary start");
    }
    server::pid_file pid;
    if (auto done = claim_pid_file(global.pidfile, before.get(), pid); !done) {
        return fail(done.error().message);
    }
    for (const config::warning& w : (*settings)->warnings) {
        log::warning("{}", w.text);
    }
    for (const config::warning& w : (*runtime)->users->warnings()) {
        log::warning("{}", w.text);
    }
    const unsigned long descriptors = server::raise_descriptor_limit();
    log::info(
        "pgweir {} starts from {}: max_client_conn {}, descriptors {}",
        PGWEIR_VERSION,
        options.file,
        global.max_client_conn,
        descriptors
    );
    const auto engine = server::choose_engine(global.io_engine);
    if (!engine) {
        return fail(engine.error().message);
    }
    server::supervisor boss(*runtime, *engine, log);
    if (auto done = boss.watch_clusters(); !done) {
        return fail(done.error().message);
    }
    if (auto done = boss.listen(std::move(before)); !done) {
        return fail(done.error().message);
    }
    const auto in_charge = [&] {
        if (predecessor != 0) {
            auto made = server::pid_file::make(global.pidfile, predecessor);
            if (made) {
                pid = std::move(*made);
            } else {
                log::error("{}", made.error().message);
            }
        }
        server::tell_of_readiness();
        server::tell_parent();
    };
    const int code = boss.run(in_charge) ? 0 : 1;
    if (boss.waits_for_a_name()) {
        // The system's resolver cannot be called off, and taking down its thread would wait for it.
        pid = server::pid_file();
        ::_exit(code);
    }
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    command_line options;
    CLI::App app{description};
    app.footer(examples);
    app.set_version_flag(
        "-V,--version", fmt::format("PgBouncer 1.25.2 (pgweir {})", PGWEIR_VERSION)
    );
    app.add_flag(
        "-d,--daemon", options.daemon, "run in the background (needs the setting pidfile)"
    );
    app.add_flag("-q,--quiet", options.quiet, "no log to the terminal");
    app.add_flag("-v,--verbose", options.verbose, "log more; twice: still more");
    app.add_flag(
        "-R,--reboot",
        options.reboot,
        "take the place of the running process, without a client noticing"
    );
    app.add_flag(
        "--check", options.check, "only read FILE, and say what is wrong or dangerous in it"
    );
    app.add_flag(
        "--show-effective",
        options.show_effective,
        "only print what is in force, and where it was said"
    );
    app.add_option("-u,--user", options.user, "become this user");
    app.add_option("FILE", options.file, "configuration file, in pgbouncer.ini's format")
        ->required();
    CLI11_PARSE(app, argc, argv);
    if (options.show_effective) {
        return show_effective(options);
    }
    return options.check ? check(options) : run(options);
}
