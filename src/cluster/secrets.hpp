#pragma once

// The passwords of a cluster: given in a file or the environment, or generated. Here they are only
// found or made up in memory; writing the files is a step of the plan, so that a dry run writes
// nothing. Never printed. Any thread; reads files and the system's random numbers.

#include "base/result.hpp"
#include "base/secret.hpp"
#include "cluster/settings.hpp"

#include <string_view>

namespace pgweir::cluster {

/// The application's and the console's are empty where they are not needed: on a machine that has
/// a standby only.
struct cluster_secrets {
    secret application;
    secret replication;
    secret prober;
    secret console;
};

/// What to do about a password that nobody has given.
enum class missing_password { generate, refuse };

/// From the environment, else from the role's file, else generated or refused. Placeholders
/// (CHANGE_ME…) pass in the development profile only.
result<cluster_secrets> find_secrets(const cluster_settings& cluster, missing_password missing);

/// 32 characters of 64 (192 bits) that need no quoting in a URL, a shell or a conninfo.
result<secret> generate_password();

/// Why a password cannot be used, or an empty string.
std::string_view objection_to(std::string_view password, profile value);

}  // namespace pgweir::cluster
