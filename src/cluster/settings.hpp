#pragma once

// What conf/cluster.ini says: the servers of one cluster, where their data lives, its roles and
// networks. Parsing is pure: entries in, settings or a failure that names file, line and what was
// expected. Defaults are filled in and relative paths are resolved against the file's folder, so
// that nothing after this asks "was it set?". Immutable after that. Any thread.

#include "base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::cluster {

/// How large a server may make itself, and which short cuts are tolerable.
enum class profile {
    development,  ///< Shares the machine with everything else; placeholder passwords are accepted.
    production,   ///< The machine belongs to PostgreSQL.
};

enum class server_role { primary, standby };

std::string_view to_string(profile value) noexcept;
std::string_view to_string(server_role value) noexcept;

/// One server: a data directory and an address.
struct node {
    std::string name;  ///< Also its application_name; `primary` for the first primary.
    server_role role = server_role::primary;
    std::string host = "127.0.0.1";  ///< Where others reach it; also where it listens.
    std::uint16_t port = 5432;
    std::string listen;            ///< listen_addresses; the host when not set.
    std::filesystem::path data;    ///< PGDATA.
    std::filesystem::path config;  ///< Of postgresql.conf and pg_hba.conf; Debian's is elsewhere.
    std::string slot;              ///< Its physical slot on the primary, when it is a standby.
};

/// pgweir in front of the servers, whose console the changes of primary talk to.
struct pooler_address {
    std::string host = "127.0.0.1";  ///< Empty: there is none.
    std::uint16_t port = 6432;
    std::string read_database;  ///< Its database for reads on a standby; NAME_standby when not set.
    std::filesystem::path databases_file;  ///< Which pgweir.ini includes: where the servers are.
    bool routing = false;  ///< Its databases have all servers, and find the primary themselves.

    bool exists() const noexcept { return !host.empty(); }
};

/// Certificates for connections to the servers; without them there is no TLS.
struct tls_files {
    std::filesystem::path certificate;
    std::filesystem::path key;
    std::filesystem::path authority;  ///< With it, standbys verify the primary's certificate.

    bool given() const noexcept { return !certificate.empty(); }
};

/// A role that logs in with a password from a file.
struct login_role {
    std::string name;
    std::filesystem::path password_file;
    std::string environment;  ///< Variable that may carry the password instead.
};

struct cluster_settings {
    std::string name = "pgweir";
    cluster::profile profile = cluster::profile::development;
    std::filesystem::path root;        ///< Everything that is made lives below.
    std::filesystem::path bin_dir;     ///< Empty: found by itself.
    std::string os_user = "postgres";  ///< Whom pgweirctl becomes when root starts it.
    std::string superuser = "postgres";
    std::string database = "connect";
    login_role application{"app", {}, "PGWEIR_APP_PASSWORD"};
    login_role replication{"replicator", {}, "PGWEIR_REPLICATION_PASSWORD"};
    login_role prober{"pgweir_prober", {}, "PGWEIR_PROBER_PASSWORD"};
    login_role console{
        "pgweir_admin", {}, "PGWEIR_CONSOLE_PASSWORD"};  ///< Of pgweir, not of PostgreSQL.
    std::vector<std::string> client_networks{"127.0.0.1/32", "::1/128"};
    std::vector<std::string> replication_networks{"127.0.0.1/32", "::1/128"};
    std::filesystem::path archive_dir;  ///< Empty: no archive.
    std::uint32_t backups_kept = 3;     ///< And the archive back to the oldest of them.
    bool synchronous = false;           ///< A commit waits until a standby has it.
    tls_files tls;
    pooler_address pooler;
    std::uint32_t max_connections = 200;
    std::uint64_t memory_bytes = 0;  ///< 0: the machine's.
    node primary;
    std::vector<node> standbys;

    std::filesystem::path run_dir() const { return root / "run"; }

    std::filesystem::path log_dir() const { return root / "log"; }

    std::filesystem::path secrets_dir() const { return root / "secrets"; }

    std::filesystem::path backup_dir() const { return root / "backups"; }

    /// Which server is the primary, when none of them can be asked.
    std::filesystem::path state_file() const { return root / "cluster.state"; }

    std::filesystem::path pooler_dir() const { return root / "pgweir"; }

    std::filesystem::path userlist() const { return pooler_dir() / "userlist.txt"; }

    std::filesystem::path passfile() const { return secrets_dir() / "replication.pgpass"; }

    std::filesystem::path log_of(const node& server) const {
        return log_dir() / (server.name + ".log");
    }

    /// The primary, then the standbys in the order of the file.
    std::vector<const node*> nodes() const;
    const node* find(std::string_view node_name) const;
};

/// One `key = value` of a file, or of a command line (line 0).
struct setting_entry {
    std::string section;
    std::string key;
    std::string value;
    std::string file;
    std::uint32_t line = 0;
};

/// Settings from entries; a later entry of the same key wins. `folder` is what relative paths are
/// relative to.
result<cluster_settings> settings_from(
    const std::vector<setting_entry>& entries, const std::filesystem::path& folder
);

/// Reads a file, with the overrides of a command line (`section.key=value`) on top. The section of
/// a standby is written as its name: `standby1.port=5444`.
result<cluster_settings> load_settings(
    const std::filesystem::path& file, const std::vector<std::string>& overrides
);

/// "4GB", "512MB", "64kB" or plain bytes. A failure says what was expected.
result<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace pgweir::cluster
