#include "cluster/access_rules.hpp"

#include <fmt/format.h>

namespace pgweir::cluster {

namespace {

constexpr std::string_view block_begin =
    "# pgweir begin: written by pgweirctl, changes between these lines are replaced\n";
constexpr std::string_view block_end = "# pgweir end\n";

/// A network takes one column when it is CIDR, samehost, samenet or a host name: always one here.
std::string rule(
    std::string_view database,
    std::string_view user,
    std::string_view network,
    std::string_view method,
    std::string_view type = "host"
) {
    return fmt::format("{:<7} {:<15} {:<15} {:<20} {}\n", type, database, user, network, method);
}

std::string local_rule(std::string_view user, std::string_view method) {
    return fmt::format("{:<7} {:<15} {:<15} {:<20} {}\n", "local", "all", user, "", method);
}

/// Doubles quotes, as PgBouncer's user list wants them.
std::string list_quoted(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        quoted += c == '"' ? "\"\"" : std::string(1, c);
    }
    return quoted + "\"";
}

}  // namespace

std::string hba_rules(const cluster_settings& cluster) {
    std::string text = fmt::format(
        "{:<7} {:<15} {:<15} {:<20} {}\n", "# TYPE", "DATABASE", "USER", "ADDRESS", "METHOD"
    );
    text +=
        "# The superuser has no password: only over the Unix socket, as the servers' own user.\n";
    text += local_rule(cluster.superuser, "peer map=pgweir");
    text +=
        "# Replication: that role alone, from the standbys' addresses alone. pg_rewind reads "
        "files\n"
        "# through the database postgres.\n";
    const std::string_view type = cluster.tls.given() ? "hostssl" : "host";
    for (const auto& network : cluster.replication_networks) {
        text += rule("replication", cluster.replication.name, network, "scram-sha-256", type);
        text += rule("postgres", cluster.replication.name, network, "scram-sha-256", type);
    }
    text += rule("replication", "all", "all", "reject");
    text += "# Applications, pgweir and its prober.\n";
    text += local_rule("all", "scram-sha-256");
    for (const auto& network : cluster.client_networks) {
        text += rule("all", "all", network, "scram-sha-256");
    }
    return text;
}

std::string ident_rules(const cluster_settings& cluster, std::string_view system_user) {
    return fmt::format(
        "# MAPNAME       SYSTEM-USERNAME         PG-USERNAME\n{:<15} {:<23} {}\n",
        "pgweir",
        system_user,
        cluster.superuser
    );
}

std::string with_block(std::string_view existing, std::string_view block, placement where) {
    const std::string marked = fmt::format("{}{}{}", block_begin, block, block_end);
    const auto begin = existing.find(block_begin);
    const auto end = existing.find(block_end, begin == existing.npos ? 0 : begin);
    if (begin != existing.npos && end != existing.npos) {
        return fmt::format(
            "{}{}{}", existing.substr(0, begin), marked, existing.substr(end + block_end.size())
        );
    }
    if (where == placement::alone || existing.empty()) {
        return marked;
    }
    if (where == placement::first) {
        return marked + std::string(existing);
    }
    const std::string_view separator = existing.back() == '\n' ? "" : "\n";
    return fmt::format("{}{}{}", existing, separator, marked);
}

std::string include_line() {
    return "include_if_exists = 'pgweir.conf'\ninclude_if_exists = 'pgweir_sync.conf'\n";
}

std::string pgpass_text(const std::string& role, const secret& password) {
    std::string escaped;
    for (const char c : password.view()) {
        if (c == ':' || c == '\\') {
            escaped.push_back('\\');
        }
        escaped.push_back(c);
    }
    return fmt::format("*:*:*:{}:{}\n", role, escaped);
}

std::string userlist_text(
    const cluster_settings& cluster, const secret& application, const secret& console
) {
    return fmt::format(
        "{} {}\n{} {}\n",
        list_quoted(cluster.application.name),
        list_quoted(application.view()),
        list_quoted(cluster.console.name),
        list_quoted(console.view())
    );
}

}  // namespace pgweir::cluster
