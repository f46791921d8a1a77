#include "cluster/plans.hpp"

#include "cluster/pooler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace pgweir::cluster {

namespace {

namespace fs = std::filesystem;
using content = act::write_file::content;
using if_there = act::make_directory::if_there;

void add(plan& steps, std::string name, action what) {
    steps.push_back({std::move(name), std::move(what)});
}

void add_folders(plan& steps, const plan_inputs& in) {
    const auto& cluster = in.cluster;
    add(steps,
        "folder " + cluster.root.string(),
        act::make_directory{cluster.root, 0755, if_there::keep});
    add(steps, "folder for sockets", act::make_directory{cluster.run_dir(), 0755});
    add(steps, "folder for logs", act::make_directory{cluster.log_dir(), 0750});
    add(steps, "folder for passwords", act::make_directory{cluster.secrets_dir(), 0700});
    if (!cluster.archive_dir.empty()) {
        add(steps, "folder for the WAL archive", act::make_directory{cluster.archive_dir, 0700});
    }
}

void add_hidden(plan& steps, std::string name, const fs::path& path, const std::string& text) {
    add(steps, std::move(name), act::write_file{path, secret(text), 0600, content::hidden});
}

void add_password_file(plan& steps, const login_role& role, const secret& password) {
    add(steps,
        fmt::format("password of role {} in {}", role.name, role.password_file.string()),
        act::keep_password{role.password_file, password});
}

std::vector<std::string> initdb_arguments(const cluster_settings& cluster) {
#ifdef __linux__
    const char* locale = "--locale=C.UTF-8";
#else
    const char* locale = "--locale=C";
#endif
    return {
        "--username=" + cluster.superuser,
        "--encoding=UTF8",
        locale,
        "--data-checksums",
        "--auth-local=peer",
        "--auth-host=scram-sha-256"};
}

std::string create_role(const std::string& role, const std::string& attributes) {
    return fmt::format(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{0}') THEN "
        "CREATE ROLE {1}; END IF; END $$; ALTER ROLE {1} {2}",
        role,
        identifier(role),
        attributes
    );
}

/// A role that exists, has the attribute that its purpose needs, and knows its password.
void add_role(
    plan& steps, const login_role& role, const secret& password, act::ensure_login::purpose use
) {
    const bool replicates = use == act::ensure_login::purpose::replication;
    add(steps,
        "role " + role.name,
        act::sql{
            "postgres",
            create_role(role.name, replicates ? "LOGIN REPLICATION" : "LOGIN"),
            fmt::format(
                "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '{}' AND rolcanlogin{})",
                role.name,
                replicates ? " AND rolreplication" : ""
            )});
    add(steps,
        fmt::format("role {} logs in with its password", role.name),
        act::ensure_login{role.name, password, use});
}

void add_connect(plan& steps, const std::string& database, const std::string& role) {
    add(steps,
        fmt::format("role {} may connect to database {}", role, database),
        act::sql{
            "postgres",
            fmt::format(
                "GRANT CONNECT ON DATABASE {} TO {}", identifier(database), identifier(role)
            ),
            fmt::format(
                "SELECT EXISTS (SELECT FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname "
                "= "
                "'{}' AND a.grantee = '{}'::regrole AND a.privilege_type = 'CONNECT')",
                database,
                identifier(role)
            )});
}

void add_database(plan& steps, const cluster_settings& cluster) {
    add(steps,
        "database " + cluster.database,
        act::sql{
            "postgres",
            fmt::format(
                "CREATE DATABASE {} OWNER {}",
                identifier(cluster.database),
                identifier(cluster.application.name)
            ),
            fmt::format(
                "SELECT EXISTS (SELECT FROM pg_database WHERE datname = '{}')", cluster.database
            )});
    add_connect(steps, cluster.database, cluster.replication.name);
    add_connect(steps, cluster.database, cluster.prober.name);
}

void add_monitoring(plan& steps, const cluster_settings& cluster) {
    add(steps,
        fmt::format("role {} may read statistics (pg_monitor)", cluster.prober.name),
        act::sql{
            "postgres",
            fmt::format("GRANT pg_monitor TO {}", identifier(cluster.prober.name)),
            fmt::format("SELECT pg_has_role('{}', 'pg_monitor', 'MEMBER')", cluster.prober.name)});
    const std::string body = replication_status_body();
    for (const std::string& database : std::set<std::string>{"postgres", cluster.database}) {
        add(steps,
            fmt::format("function pg_replication_status() in database {}", database),
            act::sql{
                database,
                fmt::format(
                    "CREATE OR REPLACE FUNCTION public.pg_replication_status() RETURNS TABLE ("
                    "application_name text, client_addr inet, state text, sync_state text, "
                    "pending_bytes numeric, write_lag_bytes numeric, flush_lag_bytes numeric, "
                    "replay_lag_bytes numeric, write_lag interval, flush_lag interval, "
                    "replay_lag interval) LANGUAGE sql STABLE SET search_path = pg_catalog AS "
                    "$body${}$body$; "
                    "REVOKE ALL ON FUNCTION public.pg_replication_status() FROM PUBLIC; "
                    "GRANT EXECUTE ON FUNCTION public.pg_replication_status() TO pg_monitor",
                    body
                ),
                fmt::format(
                    "SELECT EXISTS (SELECT FROM pg_proc WHERE proname = 'pg_replication_status' "
                    "AND "
                    "pronamespace = 'public'::regnamespace AND prosrc = $body${}$body$)",
                    body
                )});
    }
}

void add_slots(plan& steps, const cluster_settings& cluster) {
    for (const node& standby : cluster.standbys) {
        add(steps,
            fmt::format("replication slot {} for {}", standby.slot, standby.name),
            act::sql{
                "postgres",
                fmt::format("SELECT pg_create_physical_replication_slot('{}')", standby.slot),
                fmt::format(
                    "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{}' AND "
                    "slot_type = 'physical')",
                    standby.slot
                )});
    }
}

/// What pg_rewind asks of a server that it reads from. Whoever replicates can read every file
/// anyway.
void add_rewind_rights(plan& steps, const cluster_settings& cluster) {
    const std::string role = identifier(cluster.replication.name);
    add(steps,
        fmt::format("role {} may read files for pg_rewind", cluster.replication.name),
        act::sql{
            "postgres",
            fmt::format(
                "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean), "
                "pg_catalog.pg_stat_file(text, boolean), pg_catalog.pg_read_binary_file(text), "
                "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO {}",
                role
            ),
            fmt::format(
                "SELECT has_function_privilege('{0}', "
                "'pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)', 'EXECUTE') AND "
                "has_function_privilege('{0}', 'pg_catalog.pg_ls_dir(text, boolean, boolean)', "
                "'EXECUTE')",
                cluster.replication.name
            )});
}

/// A switchover to another machine asks the standby there over the network.
void add_promotion_right(plan& steps, const cluster_settings& cluster) {
    const char* function = "pg_catalog.pg_promote(boolean, integer)";
    add(steps,
        fmt::format("role {} may promote a standby", cluster.replication.name),
        act::sql{
            "postgres",
            fmt::format(
                "GRANT EXECUTE ON FUNCTION {} TO {}", function, identifier(cluster.replication.name)
            ),
            fmt::format(
                "SELECT to_regprocedure('{0}') IS NULL OR has_function_privilege('{1}', '{0}', "
                "'EXECUTE')",
                function,
                cluster.replication.name
            )});
}

void add_made_mark(plan& steps, const node& server) {
    add(steps,
        fmt::format("{}: note that its data directory is ours", server.name),
        act::write_file{made_mark(server), secret(server.name + "\n"), 0600, content::replaced});
}

void add_pooler_files(plan& steps, const plan_inputs& in) {
    add_pooler_folder(steps, in.cluster);
    add_hidden(
        steps,
        "user list of pgweir in " + in.cluster.userlist().string(),
        in.cluster.userlist(),
        userlist_text(in.cluster, in.secrets.application, in.secrets.console)
    );
    add_databases_file(steps, in.cluster);
}

void add_passfile(plan& steps, const plan_inputs& in) {
    add_hidden(
        steps,
        "password file for replication",
        in.cluster.passfile(),
        pgpass_text(in.cluster.replication.name, in.secrets.replication)
    );
}

/// A value inside a conninfo string: quoted, for a path may hold blanks.
std::string conninfo_value(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') {
            quoted.push_back('\\');
        }
        quoted.push_back(c);
    }
    return quoted + "'";
}

}  // namespace

void add_server_files(plan& steps, const plan_inputs& in, const node& server) {
    const auto first_rules = server.role == server_role::primary && !in.data_exists
                                 ? placement::alone
                                 : placement::first;
    add(steps,
        server.name + ": access rules in pg_hba.conf",
        act::place_block{server.config / "pg_hba.conf", hba_rules(in.cluster), first_rules});
    add(steps,
        server.name + ": user map in pg_ident.conf",
        act::place_block{
            server.config / "pg_ident.conf",
            ident_rules(in.cluster, in.system_user),
            placement::last});
    const auto text = server_conf(in.cluster, server, in.facts, in.minimums);
    add(steps,
        server.name + ": settings in pgweir.conf",
        act::write_file{server.config / "pgweir.conf", secret(text), 0600, content::shown});
    add(steps,
        server.name + ": postgresql.conf includes pgweir.conf",
        act::place_block{server.config / "postgresql.conf", include_line(), placement::last});
}

void add_start(plan& steps, const node& server) {
    add(steps, server.name + ": server runs", act::start_server{server});
    add(steps, server.name + ": settings are in use", act::apply_settings{server});
}

std::string synchronous_step_name(const std::vector<std::string>& standbys) {
    const std::string names = sync_standby_names(standbys);
    return names.empty() ? "commits wait for no standby" : "commits wait for " + names;
}

void add_pooler_folder(plan& steps, const cluster_settings& cluster) {
    add(steps, "folder for pgweir", act::make_directory{cluster.pooler_dir(), 0755});
}

void add_databases_file(plan& steps, const cluster_settings& cluster) {
    if (cluster.pooler.exists()) {
        const auto& path = cluster.pooler.databases_file;
        add(steps,
            "pgweir's databases in " + path.string(),
            act::write_file{
                path, secret(databases_text(cluster)), 0644, act::write_file::content::replaced});
    }
}

std::filesystem::path made_mark(const node& server) {
    return server.data.string() + ".made";
}

std::string identifier(std::string_view name) {
    std::string quoted = "\"";
    for (const char c : name) {
        quoted += c == '"' ? "\"\"" : std::string(1, c);
    }
    return quoted + "\"";
}

std::uint64_t needed_disk_bytes() {
    // An empty cluster, the first WAL segments, and room to breathe.
    return 512ULL << 20U;
}

std::string replication_status_body() {
    return R"(
  SELECT r.application_name, r.client_addr, r.state, r.sync_state,
         pg_wal_lsn_diff(here.lsn, r.sent_lsn), pg_wal_lsn_diff(here.lsn, r.write_lsn),
         pg_wal_lsn_diff(here.lsn, r.flush_lsn), pg_wal_lsn_diff(here.lsn, r.replay_lsn),
         r.write_lag, r.flush_lag, r.replay_lag
    FROM pg_stat_replication r,
         (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                      ELSE pg_current_wal_lsn() END AS lsn) here
)";
}

std::string replication_conninfo(const cluster_settings& cluster, const std::string& name) {
    std::string conninfo = fmt::format(
        "host={} port={} user={} application_name={} passfile={}",
        conninfo_value(cluster.primary.host),
        cluster.primary.port,
        conninfo_value(cluster.replication.name),
        conninfo_value(name),
        conninfo_value(cluster.passfile().string())
    );
    if (cluster.tls.given() && cluster.tls.authority.empty()) {
        conninfo += " sslmode=require";
    } else if (cluster.tls.given()) {
        conninfo +=
            " sslmode=verify-ca sslrootcert=" + conninfo_value(cluster.tls.authority.string());
    }
    return conninfo;
}

std::vector<std::string> base_backup_arguments(
    const cluster_settings& cluster, const node& standby, const fs::path& target
) {
    return {
        "-d",
        replication_conninfo(cluster, standby.name),
        "-D",
        target.string(),
        "-Fp",
        "-Xs",
        "-P",
        "-R",
        "-S",
        standby.slot,
        "--checkpoint=fast",
        "--no-password",
        "--label=pgweirctl add-standby " + standby.name};
}

plan primary_plan(const plan_inputs& in) {
    const auto& cluster = in.cluster;
    const node& primary = cluster.primary;
    using purpose = act::ensure_login::purpose;
    plan steps;
    add_folders(steps, in);
    add(steps,
        "space on the disk",
        act::require_disk{primary.data, needed_disk_bytes(), primary.data / "PG_VERSION"});
    add(steps,
        fmt::format("{}: port {} can be used", primary.name, primary.port),
        act::require_port{primary});
    add_password_file(steps, cluster.application, in.secrets.application);
    add_password_file(steps, cluster.replication, in.secrets.replication);
    add_password_file(steps, cluster.prober, in.secrets.prober);
    add_password_file(steps, cluster.console, in.secrets.console);
    if (!in.data_exists) {
        add_made_mark(steps, primary);
    }
    add(steps,
        fmt::format("{}: data directory {}", primary.name, primary.data.string()),
        act::init_data{primary, initdb_arguments(cluster)});
    add(steps, primary.name + ": data directory is no standby's", act::require_primary_data{primary}
    );
    add(steps,
        primary.name + ": data directory is private",
        act::make_directory{primary.data, 0700, if_there::keep_private});
    add_server_files(steps, in, primary);
    add_start(steps, primary);
    add_role(steps, cluster.replication, in.secrets.replication, purpose::replication);
    add_rewind_rights(steps, cluster);
    add_promotion_right(steps, cluster);
    add_role(steps, cluster.prober, in.secrets.prober, purpose::queries);
    add_role(steps, cluster.application, in.secrets.application, purpose::queries);
    add_database(steps, cluster);
    add_monitoring(steps, cluster);
    add_slots(steps, cluster);
    add_passfile(steps, in);
    add_pooler_files(steps, in);
    if (in.sync_standbys) {
        add(steps,
            synchronous_step_name(*in.sync_standbys),
            act::set_synchronous{primary, *in.sync_standbys});
    }
    return steps;
}

plan standby_reach_plan(const plan_inputs& in, const node& standby) {
    plan steps;
    add_folders(steps, in);
    add_passfile(steps, in);
    add(steps,
        fmt::format("primary answers at {}:{}", in.cluster.primary.host, in.cluster.primary.port),
        act::wait_for_primary{});
    add(steps,
        fmt::format("replication slot {} on the primary", standby.slot),
        act::ensure_slot{standby.slot});
    return steps;
}

plan standby_copy_plan(const plan_inputs& in, const node& standby) {
    plan steps;
    add(steps,
        "space on the disk",
        act::require_disk{standby.data, needed_disk_bytes(), standby.data / "standby.signal"});
    add(steps,
        fmt::format("{}: port {} can be used", standby.name, standby.port),
        act::require_port{standby});
    add(steps,
        standby.name + ": nothing in the way of the data directory",
        act::free_data_directory{standby});
    add(steps,
        fmt::format("{}: base backup in {}", standby.name, standby.data.string()),
        act::base_backup{standby});
    add(steps,
        standby.name + ": data directory is private",
        act::make_directory{standby.data, 0700, if_there::keep_private});
    add_server_files(steps, in, standby);
    add(steps,
        standby.name + ": commits wait for nobody while it is a standby",
        act::set_synchronous{standby, {}});
    add_start(steps, standby);
    return steps;
}

plan restart_plan(const std::vector<const node*>& nodes) {
    plan steps = stop_plan(nodes);
    for (step& each : start_plan(nodes)) {
        steps.push_back(std::move(each));
    }
    return steps;
}

plan start_plan(const std::vector<const node*>& nodes) {
    plan steps;
    for (const node* server : nodes) {
        add(steps,
            fmt::format("{}: port {} can be used", server->name, server->port),
            act::require_port{*server});
        add(steps, server->name + ": server runs", act::start_server{*server});
    }
    return steps;
}

plan stop_plan(const std::vector<const node*>& nodes) {
    std::vector<const node*> ordered = nodes;
    std::stable_sort(ordered.begin(), ordered.end(), [](const node* a, const node* b) {
        return a->role == server_role::primary && b->role != server_role::primary;
    });
    plan steps;
    for (const node* server : ordered) {
        add(steps, server->name + ": server stops", act::stop_server{*server});
    }
    return steps;
}

}  // namespace pgweir::cluster
