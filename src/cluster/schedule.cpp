#include "cluster/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace pgweir::cluster {

namespace {

std::string search_path(const scheduled_check& what) {
    const std::string usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    return what.bin_dir.empty() ? usual : what.bin_dir.string() + ":" + usual;
}

/// systemd splits at blanks, knows C's escapes in double quotes, and % is a specifier, $ a
/// variable.
std::string unit_quoted(const std::string& word) {
    std::string quoted = "\"";
    for (const char c : word) {
        if (c == '"' || c == '\\') {
            quoted.push_back('\\');
        }
        quoted.append(c == '%' || c == '$' ? 2 : 1, c);
    }
    return quoted + "\"";
}

template <typename Quote>
std::string joined(const std::vector<std::string>& words, Quote&& quote) {
    std::string line;
    for (const std::string& word : words) {
        line += (line.empty() ? "" : " ") + quote(word);
    }
    return line;
}

}  // namespace

std::string shell_quoted(const std::string& word) {
    const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("_-./,=:").find(c) != std::string_view::npos;
    });
    if (plain) {
        return word;
    }
    std::string quoted = "'";
    for (const char c : word) {
        quoted += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return quoted + "'";
}

std::vector<scheduled_file> systemd_units(const scheduled_check& what) {
    const std::string name = "pgweir-lag-" + what.cluster;
    return {
        {name + ".service",
         fmt::format(
             "# Replication lag of cluster {0}, by pgweirctl monitor install.\n"
             "[Unit]\n"
             "Description=Replication lag of the PostgreSQL cluster {0}\n"
             "\n"
             "[Service]\n"
             "Type=oneshot\n"
             "User={1}\n"
             "Environment=PATH={2}\n"
             "ExecStart={3}\n"
             "# Lag is told by the line in the journal; 3 means that nothing could be found out.\n"
             "SuccessExitStatus=1 2\n"
             "TimeoutStartSec=60\n"
             "NoNewPrivileges=yes\n"
             "ProtectSystem=strict\n"
             "ProtectHome=read-only\n"
             "PrivateDevices=yes\n",
             what.cluster,
             what.user,
             search_path(what),
             joined(what.command, unit_quoted)
         )},
        {name + ".timer",
         fmt::format(
             "# Runs {0}.service every five minutes, by pgweirctl monitor install.\n"
             "[Unit]\n"
             "Description=Replication lag of the PostgreSQL cluster {1}, every five minutes\n"
             "\n"
             "[Timer]\n"
             "OnCalendar=*:0/5\n"
             "AccuracySec=10s\n"
             "Persistent=false\n"
             "\n"
             "[Install]\n"
             "WantedBy=timers.target\n",
             name,
             what.cluster
         )},
    };
}

scheduled_file cron_entry(const scheduled_check& what) {
    // In a crontab % ends the command unless it is escaped.
    std::string command = fmt::format(
        "{} >> {} 2>&1", joined(what.command, shell_quoted), shell_quoted(what.log.string())
    );
    std::string escaped;
    for (const char c : command) {
        escaped += c == '%' ? "\\%" : std::string(1, c);
    }
    // run-parts and cron ignore names with dots.
    return {
        "pgweir-lag-" + what.cluster,
        fmt::format(
            "# Replication lag of cluster {}, by pgweirctl monitor install.\n"
            "SHELL=/bin/sh\n"
            "PATH={}\n"
            "*/5 * * * * {} {}\n",
            what.cluster,
            search_path(what),
            what.user,
            escaped
        )};
}

}  // namespace pgweir::cluster
