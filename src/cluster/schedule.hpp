#pragma once

// The texts with which the lag check is run every five minutes: units of systemd, an entry of cron.
// Pure.

#include <filesystem>
#include <string>
#include <vector>

namespace pgweir::cluster {

/// What is to be run, by whom, and where its lines go.
struct scheduled_check {
    std::string cluster;               ///< Part of the names of units and files.
    std::vector<std::string> command;  ///< Absolute program, then arguments.
    std::string user;
    std::filesystem::path log;      ///< Of cron; systemd has its journal.
    std::filesystem::path bin_dir;  ///< PostgreSQL's programs: cron's PATH has none.
};

struct scheduled_file {
    std::string name;
    std::string text;
};

/// A service and its timer.
std::vector<scheduled_file> systemd_units(const scheduled_check& what);

/// A file for /etc/cron.d.
scheduled_file cron_entry(const scheduled_check& what);

/// A word as the shell takes it unchanged.
std::string shell_quoted(const std::string& word);

}  // namespace pgweir::cluster
