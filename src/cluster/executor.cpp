#include "cluster/executor.hpp"

#include "cluster/data_directory.hpp"
#include "cluster/files.hpp"
#include "cluster/machine_facts.hpp"
#include "cluster/plans.hpp"
#include "cluster/ports.hpp"

#include <fmt/format.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>

namespace pgweir::cluster {

namespace {

namespace fs = std::filesystem;

/// SQLSTATE of "duplicate_object".
constexpr std::string_view duplicate_object = "42710";

/// The last lines of a server's log: why it did not start.
std::string tail_of(const fs::path& log) {
    const auto text = read_text(log);
    if (!text || !*text) {
        return {};
    }
    std::string_view rest = **text;
    std::size_t from = rest.size();
    for (int lines = 0; lines < 9 && from != std::string_view::npos && from > 0; ++lines) {
        from = rest.rfind('\n', from - 1);
    }
    return std::string(from == std::string_view::npos ? rest : rest.substr(from + 1));
}

std::string gigabytes(std::uint64_t bytes) {
    return fmt::format("{:.1f} GB", static_cast<double>(bytes) / (1ULL << 30U));
}

std::string first_line_of(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

fs::path incoming_path(const node& server) {
    return server.data.string() + ".incoming";
}

/// PostgreSQL's words for a slot that somebody else uses.
bool is_in_use(const failure& why) {
    return why.message.find("is active for PID") != std::string::npos;
}

/// What has been made under another name takes its place, whole.
result<note> move_in(const fs::path& incoming, const fs::path& data) {
    std::error_code error;
    fs::remove(data, error);  // an empty directory may be in the way
    fs::rename(incoming, data, error);
    if (error) {
        return failure{fmt::format(
            "cannot rename {} to {}: {}", incoming.string(), data.string(), error.message()
        )};
    }
    return note{};
}

}  // namespace

executor::executor(
    const cluster_settings& cluster,
    const cluster_secrets& secrets,
    std::filesystem::path bin_dir,
    program_runner& programs
)
    : cluster_(cluster), secrets_(secrets), bin_dir_(std::move(bin_dir)), programs_(programs) {}

result<bool> executor::is_done(const action& what) {
    return std::visit([this](const auto& each) { return done(each); }, what);
}

result<note> executor::perform(const action& what) {
    return std::visit([this](const auto& each) { return act_on(each); }, what);
}

// Connections

// What is done here waits for no standby: the one that is waited for may be down, and this may be
// what brings it back.
result<connection> executor::connect_locally(const node& server, const std::string& database)
    const {
    // A server that runs since before its settings were ours is where it says itself.
    const auto place = socket_of(server.data);
    return connection::open(
        {place ? place->folder : cluster_.run_dir().string(),
         place ? place->port : server.port,
         cluster_.superuser,
         database,
         std::nullopt,
         connection_kind::ordinary,
         seconds(5),
         "-c synchronous_commit=local"}
    );
}

result<connection> executor::connect_as(const act::ensure_login& what) const {
    const bool replicates = what.use == act::ensure_login::purpose::replication;
    return connection::open(
        {cluster_.primary.host,
         cluster_.primary.port,
         what.role,
         "postgres",
         what.password,
         replicates ? connection_kind::replication : connection_kind::ordinary}
    );
}

result<connection> executor::connect_from_afar(const node& server) const {
    return connection::open(
        {server.host,
         server.port,
         cluster_.replication.name,
         "postgres",
         secrets_.replication,
         connection_kind::ordinary}
    );
}

result<connection> executor::connect_for_replication() const {
    return connect_as(
        {cluster_.replication.name, secrets_.replication, act::ensure_login::purpose::replication}
    );
}

result<standby_minimums> executor::ask_minimums() const {
    auto primary = connect_for_replication();
    if (!primary) {
        return primary.error();
    }
    standby_minimums minimums;
    const std::array<std::pair<const char*, std::uint32_t*>, 5> wanted{{
        {"max_connections", &minimums.max_connections},
        {"max_worker_processes", &minimums.max_worker_processes},
        {"max_wal_senders", &minimums.max_wal_senders},
        {"max_prepared_transactions", &minimums.max_prepared_transactions},
        {"max_locks_per_transaction", &minimums.max_locks_per_transaction},
    }};
    for (const auto& [name, target] : wanted) {
        const auto value = primary->value(fmt::format("SHOW {}", name));
        if (!value || !*value) {
            return failure{fmt::format(
                "the primary does not tell its {}: {}",
                name,
                value ? std::string("no value") : value.error().message
            )};
        }
        *target = static_cast<std::uint32_t>(std::stoul(**value));
    }
    return minimums;
}

result<int> executor::ask_primary_major() const {
    auto primary = connect_for_replication();
    if (!primary) {
        return primary.error();
    }
    const auto version = primary->value("SHOW server_version");
    if (!version || !*version) {
        return failure{version ? "the primary does not tell its version" : version.error().message};
    }
    return major_in(**version);
}

// Programs

result<program_output> executor::run(
    const std::string& program, const std::vector<std::string>& arguments, program_progress progress
) const {
    auto output = programs_.run(bin_dir_ / program, arguments, progress);
    if (output && output->exit_code != 0) {
        return failure{
            fmt::format("{} failed (exit code {}):\n{}", program, output->exit_code, output->text)};
    }
    return output;
}

result<note> executor::run_pg_ctl(const node& server, const std::vector<std::string>& arguments) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), {"-D", server.config.string(), "-w", "-t", "120"});
    auto output = run("pg_ctl", all);
    if (!output) {
        return failure{fmt::format(
            "{}The last lines of {}:\n{}",
            output.error().message,
            cluster_.log_of(server).string(),
            tail_of(cluster_.log_of(server))
        )};
    }
    return note{};
}

// Folders and files

result<bool> executor::done(const act::make_directory& what) const {
    std::error_code error;
    if (!fs::is_directory(what.path, error)) {
        return false;
    }
    using if_there = act::make_directory::if_there;
    const unsigned mode = mode_of(what.path);
    return mode == what.mode || what.existing == if_there::keep ||
           (what.existing == if_there::keep_private && mode == 0750);
}

result<note> executor::act_on(const act::make_directory& what) {
    const auto made = make_directories(what.path, what.mode);
    return made ? result<note>{note{}} : made.error();
}

result<bool> executor::done(const act::write_file& what) const {
    const auto text = read_text(what.path);
    if (!text) {
        return text.error();
    }
    return *text && **text == what.text.view() && mode_of(what.path) == what.mode;
}

result<note> executor::act_on(const act::write_file& what) {
    std::string text;
    if (what.kind == act::write_file::content::shown) {
        const auto copy = back_up(what.path);
        if (!copy) {
            return copy.error();
        }
        text = *copy ? "the old one is " + (*copy)->string() : "";
    }
    const auto written = write_text(what.path, what.text.view(), what.mode);
    return written ? result<note>{note{text}} : written.error();
}

result<bool> executor::done(const act::keep_password& what) const {
    const auto text = read_text(what.path);
    if (!text) {
        return text.error();
    }
    const bool ours = what.path.parent_path() == cluster_.secrets_dir();
    return *text && first_line_of(**text) == what.password.view() &&
           (!ours || mode_of(what.path) == 0600);
}

result<note> executor::act_on(const act::keep_password& what) {
    const auto written = write_text(what.path, std::string(what.password.view()) + "\n", 0600);
    return written ? result<note>{note{}} : written.error();
}

result<bool> executor::done(const act::place_block& what) const {
    const auto text = read_text(what.path);
    if (!text) {
        return text.error();
    }
    return *text && with_block(**text, what.block, what.where) == **text;
}

result<note> executor::act_on(const act::place_block& what) {
    const auto text = read_text(what.path);
    if (!text) {
        return text.error();
    }
    const auto copy = back_up(what.path);
    if (!copy) {
        return copy.error();
    }
    const unsigned mode = *text ? mode_of(what.path) : 0600;
    const auto written =
        write_text(what.path, with_block(*text ? **text : "", what.block, what.where), mode);
    if (!written) {
        return written.error();
    }
    return note{*copy ? "the old one is " + (*copy)->string() : std::string{}};
}

// Requirements

result<bool> executor::done(const act::require_port& what) const {
    return server_runs(what.server.data) || !port_problem(what.server.listen, what.server.port);
}

result<note> executor::act_on(const act::require_port& what) {
    const auto problem = port_problem(what.server.listen, what.server.port);
    return problem ? result<note>{failure{*problem}} : note{};
}

result<bool> executor::done(const act::require_disk& what) const {
    std::error_code error;
    if (fs::exists(what.unless_exists, error)) {
        return true;
    }
    return gather_facts(what.path).disk_free_bytes >= what.bytes;
}

result<note> executor::act_on(const act::require_disk& what) {
    return failure{fmt::format(
        "{} has {} free, and {} are needed: free some space, or choose another place with --root",
        what.path.string(),
        gigabytes(gather_facts(what.path).disk_free_bytes),
        gigabytes(what.bytes)
    )};
}

result<bool> executor::done(const act::require_primary_data& what) const {
    if (!is_data_directory(what.server.data)) {
        return failure{"there is no data directory yet"};
    }
    return !is_standby_data(what.server.data);
}

result<note> executor::act_on(const act::require_primary_data& what) {
    if (!is_data_directory(what.server.data)) {
        return failure{
            fmt::format("{} is no data directory of PostgreSQL", what.server.data.string())};
    }
    return failure{fmt::format(
        "{} belongs to a standby (it has standby.signal): name the primary's data directory in "
        "cluster.ini",
        what.server.data.string()
    )};
}

// Servers

result<bool> executor::done(const act::init_data& what) const {
    return is_data_directory(what.server.data);
}

result<note> executor::act_on(const act::init_data& what) {
    const fs::path& data = what.server.data;
    if (!is_vacant(data)) {
        return failure{fmt::format(
            "{} is not empty, and no data directory of PostgreSQL: name another one with data_dir, "
            "or move away what is in it",
            data.string()
        )};
    }
    const auto incoming = incoming_path(what.server);
    std::error_code error;
    fs::remove_all(incoming, error);
    std::vector<std::string> arguments = what.arguments;
    arguments.push_back("--pgdata=" + incoming.string());
    if (const auto output = run("initdb", arguments); !output) {
        return output.error();
    }
    return move_in(incoming, data);
}

// Whether its children still use the data is told by its shared memory, which PostgreSQL checks
// too.
void executor::forget_ended_process(const node& server) const {
    if (left_behind_by_ended_process(server.data)) {
        std::error_code error;
        fs::remove(server.data / "postmaster.pid", error);
        fs::remove(cluster_.run_dir() / fmt::format(".s.PGSQL.{}.lock", server.port), error);
    }
}

// A process alone is not enough: it may have been started a moment ago.
result<bool> executor::done(const act::start_server& what) const {
    return server_runs(what.server.data) && connect_locally(what.server, "postgres").has_value();
}

result<note> executor::act_on(const act::start_server& what) {
    if (server_runs(what.server.data)) {
        return wait_until_it_answers(what.server);
    }
    if (!is_data_directory(what.server.data)) {
        return failure{fmt::format(
            "{} has no data directory yet ({}): run pgweirctl {} first",
            what.server.name,
            what.server.data.string(),
            what.server.role == server_role::primary ? "init" : "add-standby " + what.server.name
        )};
    }
    forget_ended_process(what.server);
    return run_pg_ctl(what.server, {"start", "-l", cluster_.log_of(what.server).string()});
}

result<note> executor::wait_until_it_answers(const node& server) const {
    const auto limit = std::chrono::steady_clock::now() + seconds(60);
    for (;;) {
        const auto opened = connect_locally(server, "postgres");
        if (opened) {
            return note{"it was starting"};
        }
        if (std::chrono::steady_clock::now() > limit || !server_runs(server.data)) {
            return failure{fmt::format(
                "{}\nThe last lines of {}:\n{}",
                opened.error().message,
                cluster_.log_of(server).string(),
                tail_of(cluster_.log_of(server))
            )};
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

result<bool> executor::done(const act::stop_server& what) const {
    return !server_runs(what.server.data);
}

result<note> executor::act_on(const act::stop_server& what) {
    const bool fast = what.how == act::stop_server::manner::fast;
    return run_pg_ctl(what.server, {"stop", "-m", fast ? "fast" : "immediate"});
}

namespace {

/// A file's time comes from a clock that ticks a few milliseconds apart, so one that seems just
/// older than a reload may be younger.
constexpr std::chrono::milliseconds file_clock_tick{10};

/// When the youngest of the server's configuration files was written, in seconds since 1970. Asked
/// of the file system, because PostgreSQL's pg_stat_file() knows whole seconds only.
double configured_at(const std::filesystem::path& folder) {
    double youngest = 0;
    for (const char* name : {"postgresql.conf", "pgweir.conf", "pg_hba.conf", "pg_ident.conf"}) {
        struct ::stat file {};

        if (::stat((folder / name).c_str(), &file) == 0) {
            youngest = std::max(
                youngest,
                static_cast<double>(file.st_mtim.tv_sec) +
                    static_cast<double>(file.st_mtim.tv_nsec) / 1e9
            );
        }
    }
    return youngest + std::chrono::duration<double>(file_clock_tick).count();
}

}  // namespace

// Settings that the server read at its last start or reload are in use; younger files are not.
result<bool> executor::done(const act::apply_settings& what) const {
    auto server = connect_locally(what.server, "postgres");
    if (!server) {
        return server.error();
    }
    const auto answer = server->value(fmt::format(
        "SELECT NOT EXISTS (SELECT FROM pg_settings WHERE pending_restart) AND "
        "NOT EXISTS (SELECT FROM pg_hba_file_rules WHERE error IS NOT NULL) AND "
        "extract(epoch FROM pg_conf_load_time()) > {:.6f}",
        configured_at(what.server.config)
    ));
    if (!answer) {
        return failure{answer.error().message};
    }
    return *answer == "t";
}

result<note> executor::act_on(const act::apply_settings& what) {
    auto server = connect_locally(what.server, "postgres");
    if (!server) {
        return server.error();
    }
    const auto wrong = server->value(
        "SELECT string_agg(format('%s:%s: %s = %s: %s', sourcefile, sourceline, name, setting, "
        "error), E'\\n') FROM pg_file_settings WHERE error IS NOT NULL AND "
        "error <> 'setting could not be applied'"
    );
    if (!wrong) {
        return failure{wrong.error().message};
    }
    if (*wrong) {
        return failure{
            fmt::format("{} does not accept its settings:\n{}", what.server.name, **wrong)};
    }
    const auto wrong_rules = server->value(
        "SELECT string_agg(format('line %s: %s', line_number, error), E'\\n') "
        "FROM pg_hba_file_rules WHERE error IS NOT NULL"
    );
    if (!wrong_rules) {
        return failure{wrong_rules.error().message};
    }
    if (*wrong_rules) {
        return failure{fmt::format(
            "{} does not accept its access rules, and keeps the old ones: {}\n{}",
            what.server.name,
            (what.server.config / "pg_hba.conf").string(),
            **wrong_rules
        )};
    }
    // What a reload cannot change shows in this view before the reload does anything.
    const auto needs_restart = server->value(
        "SELECT EXISTS (SELECT FROM pg_file_settings WHERE error = 'setting could not be applied') "
        "OR EXISTS (SELECT FROM pg_settings WHERE pending_restart)"
    );
    if (!needs_restart) {
        return failure{needs_restart.error().message};
    }
    if (*needs_restart == "t") {
        auto restarted = run_pg_ctl(
            what.server, {"restart", "-m", "fast", "-l", cluster_.log_of(what.server).string()}
        );
        return restarted ? result<note>{note{"restarted"}} : restarted;
    }
    std::this_thread::sleep_for(file_clock_tick);
    const auto reloaded = run_pg_ctl(what.server, {"reload"});
    if (!reloaded) {
        return reloaded.error();
    }
    // A reload is a signal: what comes next relies on its effect.
    for (int tries = 0; tries < 100; ++tries) {
        if (const auto in_use = done(what); in_use && *in_use) {
            return note{"reloaded"};
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return failure{fmt::format(
        "{} has not taken over its settings; see {}",
        what.server.name,
        cluster_.log_of(what.server).string()
    )};
}

// Roles and objects

result<bool> executor::done(const act::sql& what) const {
    auto server = connect_locally(cluster_.primary, what.database);
    if (!server) {
        return server.error();
    }
    const auto answer = server->value(what.probe);
    if (!answer) {
        return failure{answer.error().message};
    }
    return *answer == "t";
}

result<note> executor::act_on(const act::sql& what) {
    auto server = connect_locally(cluster_.primary, what.database);
    if (!server) {
        return server.error();
    }
    const auto answer = server->query(what.statement);
    return answer ? result<note>{note{}} : failure{answer.error().message};
}

result<bool> executor::done(const act::ensure_login& what) const {
    auto server = connect_locally(cluster_.primary, "postgres");
    if (!server) {
        return server.error();
    }
    // Without a password a try would only put a FATAL into the server's log.
    const auto has_password = server->value(
        "SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = $1", {what.role}
    );
    return has_password && *has_password == "t" && connect_as(what).has_value();
}

result<note> executor::act_on(const act::ensure_login& what) {
    auto server = connect_locally(cluster_.primary, "postgres");
    if (!server) {
        return server.error();
    }
    const auto verifier = server->scram_verifier(what.role, what.password);
    if (!verifier) {
        return failure{verifier.error().message};
    }
    const auto set = server->query(
        fmt::format("ALTER ROLE {} PASSWORD {}", identifier(what.role), server->quoted(*verifier))
    );
    if (!set) {
        return failure{set.error().message};
    }
    const auto tried = connect_as(what);
    return tried ? result<note>{note{"password set"}} : tried.error();
}

// Standbys

result<bool> executor::done(const act::wait_for_primary&) const {
    return connect_for_replication().has_value();
}

result<note> executor::act_on(const act::wait_for_primary& what) {
    const auto limit = std::chrono::steady_clock::now() + what.limit;
    for (;;) {
        auto tried = connect_for_replication();
        if (tried) {
            return note{};
        }
        // A server that starts says so; a wrong password or a missing rule does not heal.
        const auto& reason = tried.error().message;
        const bool may_heal = reason.find("starting up") != reason.npos ||
                              reason.find("Connection refused") != reason.npos ||
                              reason.find("timeout") != reason.npos;
        if (!may_heal || std::chrono::steady_clock::now() > limit) {
            return failure{fmt::format(
                "{}\nIs the primary running (pgweirctl status), and do its replication_networks "
                "hold this machine's address?",
                reason
            )};
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(250));
    }
}

result<bool> executor::done(const act::ensure_slot& what) const {
    auto primary = connect_for_replication();
    if (!primary) {
        return primary.error();
    }
    // PostgreSQL 15 and newer; an older one says that it knows no such command.
    const auto answer = primary->value(fmt::format("READ_REPLICATION_SLOT {}", what.slot));
    return answer && answer->has_value();
}

result<note> executor::act_on(const act::ensure_slot& what) {
    auto primary = connect_for_replication();
    if (!primary) {
        return primary.error();
    }
    const auto made = primary->query(fmt::format("CREATE_REPLICATION_SLOT {} PHYSICAL", what.slot));
    if (!made && made.error().sqlstate != duplicate_object) {
        return failure{made.error().message};
    }
    return note{};
}

/// A complete standby of this name, of the cluster that the primary has. When the primary cannot
/// be asked, its name alone decides.
result<bool> executor::is_copy_of_primary(const node& standby) const {
    if (!is_standby_data(standby.data)) {
        return false;
    }
    const auto conf = read_text(standby.data / "postgresql.auto.conf");
    if (!conf) {
        return conf.error();
    }
    const auto identifier = system_identifier(standby.data);
    if (!*conf || application_name_in(**conf) != standby.name || !identifier) {
        return false;
    }
    auto primary = connect_for_replication();
    if (!primary) {
        return true;
    }
    const auto theirs = primary->value("IDENTIFY_SYSTEM");
    return theirs && *theirs == std::to_string(*identifier);
}

result<bool> executor::done(const act::free_data_directory& what) const {
    if (is_vacant(what.server.data)) {
        return true;
    }
    return is_copy_of_primary(what.server);
}

result<note> executor::act_on(const act::free_data_directory& what) {
    if (server_runs(what.server.data)) {
        return failure{fmt::format(
            "a server runs in {} that is no standby of this primary: stop it first (pgweirctl stop "
            "{}); its data is then moved aside, not deleted",
            what.server.data.string(),
            what.server.name
        )};
    }
    forget_ended_process(what.server);
    const auto name = set_aside(what.server.data);
    return name ? result<note>{note{"what was there is now " + name->string()}} : name.error();
}

result<bool> executor::done(const act::base_backup& what) const {
    return is_copy_of_primary(what.server);
}

result<program_output> executor::copy_primary(const node& standby, const fs::path& target) const {
    return run(
        "pg_basebackup", base_backup_arguments(cluster_, standby, target), program_progress::shown
    );
}

// The copy is made under another name, so that a data directory is complete or not there.
result<note> executor::act_on(const act::base_backup& what) {
    const auto incoming = incoming_path(what.server);
    std::error_code error;
    end_programs_with_argument(incoming.string());
    fs::remove_all(incoming, error);
    // The slot is free only when the primary has noticed that an earlier copy ended.
    auto output = copy_primary(what.server, incoming);
    for (int tries = 0; !output && is_in_use(output.error()) && tries < 20; ++tries) {
        std::this_thread::sleep_for(std::chrono::milliseconds(250));
        fs::remove_all(incoming, error);
        output = copy_primary(what.server, incoming);
    }
    if (!output) {
        // pg_basebackup has a process that receives WAL, which may outlive it.
        end_programs_with_argument(incoming.string());
        return output.error();
    }
    const auto marked = write_text(made_mark(what.server), what.server.name + "\n", 0600);
    return marked ? move_in(incoming, what.server.data) : marked.error();
}

}  // namespace pgweir::cluster
