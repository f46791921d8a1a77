#include "cluster/settings.hpp"

#include "base/result.hpp"
#include "cluster/settings_file.hpp"

#include <fmt/format.h>

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace pgweir::cluster {

namespace {

namespace fs = std::filesystem;

/// Reads a value into the settings; returns what was expected, or nothing when it is good.
using setter = std::function<std::string(cluster_settings&, const std::string&)>;
using node_setter = std::function<std::string(node&, const std::string&)>;

bool is_lower_word(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    });
}

/// PostgreSQL cuts identifiers at 63 bytes, silently; replication slots know lower case only.
bool is_name(std::string_view text) {
    return is_lower_word(text) && text.size() <= 63;
}

std::string set_name(std::string& target, const std::string& value) {
    if (!is_name(value)) {
        return "a name of lower-case letters, digits and _, at most 63 long";
    }
    target = value;
    return {};
}

std::string set_text(std::string& target, const std::string& value) {
    if (value.empty() || value.find_first_of("'\n\\") != std::string::npos) {
        return "a value without quotes and backslashes";
    }
    target = value;
    return {};
}

std::string set_path(fs::path& target, const std::string& value) {
    if (value.find_first_of("'\n\\\"") != std::string::npos) {
        return "a path without quotes and backslashes";
    }
    target = value;
    return {};
}

template <typename Number>
std::string set_number(Number& target, const std::string& value, Number low, Number high) {
    Number number{};
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size() || number < low ||
        number > high) {
        return fmt::format("a whole number from {} to {}", low, high);
    }
    target = number;
    return {};
}

std::string set_profile(profile& target, const std::string& value) {
    if (value == "development") {
        target = profile::development;
    } else if (value == "production") {
        target = profile::production;
    } else {
        return "development or production";
    }
    return {};
}

std::string set_switch(bool& target, const std::string& value) {
    if (value != "on" && value != "off") {
        return "on or off";
    }
    target = value == "on";
    return {};
}

std::optional<unsigned> address_bits(const std::string& text) {
    in6_addr address{};
    if (::inet_pton(AF_INET, text.c_str(), &address) == 1) {
        return 32;
    }
    return ::inet_pton(AF_INET6, text.c_str(), &address) == 1 ? std::optional(128U) : std::nullopt;
}

/// Networks as pg_hba.conf takes them: addresses with a mask, host names, samehost, samenet. What
/// was expected, or nothing when it is one.
std::string expected_network(const std::string& text) {
    const auto slash = text.find('/');
    const std::string address = text.substr(0, slash);
    const auto bits = address_bits(address);
    const bool numeric = bits || address.find(':') != address.npos ||
                         address.find_first_not_of("0123456789.") == address.npos;
    if (!numeric) {
        return slash == text.npos ? std::string{} : address + " without a mask: it is a name";
    }
    if (!bits) {
        return fmt::format("networks such as 127.0.0.1/32; {} is no address", address);
    }
    if (slash == text.npos) {
        return fmt::format("{0} with a mask, such as {0}/{1}", address, *bits);
    }
    unsigned mask = 0;
    const std::string expected = set_number(mask, text.substr(slash + 1), 0U, *bits);
    return expected.empty() ? expected : fmt::format("{} as the mask of {}", expected, address);
}

std::string set_networks(std::vector<std::string>& target, const std::string& value) {
    std::vector<std::string> networks;
    std::string word;
    for (const char c : value + " ") {
        if (c != ' ' && c != ',' && c != '\t') {
            word.push_back(c);
        } else if (!word.empty()) {
            networks.push_back(std::exchange(word, {}));
        }
    }
    const bool good = !networks.empty() &&
                      std::none_of(networks.begin(), networks.end(), [](const std::string& each) {
                          return each.find_first_of("\"'#\\") != std::string::npos;
                      });
    if (!good) {
        return "networks such as 127.0.0.1/32 172.25.0.0/16, separated by spaces";
    }
    for (const std::string& each : networks) {
        if (const auto expected = expected_network(each); !expected.empty()) {
            return expected;
        }
    }
    target = std::move(networks);
    return {};
}

std::string set_memory(std::uint64_t& target, const std::string& value) {
    if (value.empty() || value == "auto") {
        target = 0;
        return {};
    }
    const auto bytes = parse_bytes(value);
    if (!bytes || *bytes < (64ULL << 20U)) {
        return "an amount such as 16GB, at least 64MB, or auto";
    }
    target = *bytes;
    return {};
}

const std::map<std::string, setter, std::less<>>& cluster_keys() {
    using s = cluster_settings;
    using v = const std::string&;
    static const std::map<std::string, setter, std::less<>> keys{
        {"name", [](s& to, v x) { return set_name(to.name, x); }},
        {"profile", [](s& to, v x) { return set_profile(to.profile, x); }},
        {"root", [](s& to, v x) { return set_path(to.root, x); }},
        {"bin_dir", [](s& to, v x) { return set_path(to.bin_dir, x); }},
        {"os_user", [](s& to, v x) { return set_text(to.os_user, x); }},
        {"superuser", [](s& to, v x) { return set_name(to.superuser, x); }},
        {"database", [](s& to, v x) { return set_name(to.database, x); }},
        {"app_role", [](s& to, v x) { return set_name(to.application.name, x); }},
        {"app_password_file", [](s& to, v x) { return set_path(to.application.password_file, x); }},
        {"replication_role", [](s& to, v x) { return set_name(to.replication.name, x); }},
        {"replication_password_file",
         [](s& to, v x) { return set_path(to.replication.password_file, x); }},
        {"prober_role", [](s& to, v x) { return set_name(to.prober.name, x); }},
        {"prober_password_file", [](s& to, v x) { return set_path(to.prober.password_file, x); }},
        {"console_admin", [](s& to, v x) { return set_name(to.console.name, x); }},
        {"console_password_file", [](s& to, v x) { return set_path(to.console.password_file, x); }},
        {"client_networks", [](s& to, v x) { return set_networks(to.client_networks, x); }},
        {"replication_networks",
         [](s& to, v x) { return set_networks(to.replication_networks, x); }},
        {"archive_dir", [](s& to, v x) { return set_path(to.archive_dir, x); }},
        {"backups_kept",
         [](s& to, v x) { return set_number<std::uint32_t>(to.backups_kept, x, 1, 1000); }},
        {"sync", [](s& to, v x) { return set_switch(to.synchronous, x); }},
        {"tls_cert_file", [](s& to, v x) { return set_path(to.tls.certificate, x); }},
        {"tls_key_file", [](s& to, v x) { return set_path(to.tls.key, x); }},
        {"tls_ca_file", [](s& to, v x) { return set_path(to.tls.authority, x); }},
        {"max_connections",
         [](s& to, v x) { return set_number<std::uint32_t>(to.max_connections, x, 10, 10000); }},
        {"memory", [](s& to, v x) { return set_memory(to.memory_bytes, x); }},
    };
    return keys;
}

const std::map<std::string, node_setter, std::less<>>& node_keys() {
    using v = const std::string&;
    static const std::map<std::string, node_setter, std::less<>> keys{
        {"host", [](node& to, v x) { return set_text(to.host, x); }},
        {"port", [](node& to, v x) { return set_number<std::uint16_t>(to.port, x, 1, 65535); }},
        {"listen", [](node& to, v x) { return set_text(to.listen, x); }},
        {"data_dir", [](node& to, v x) { return set_path(to.data, x); }},
        {"config_dir", [](node& to, v x) { return set_path(to.config, x); }},
        {"slot", [](node& to, v x) { return set_name(to.slot, x); }},
    };
    return keys;
}

using pooler_setter = std::function<std::string(pooler_address&, const std::string&)>;

const std::map<std::string, pooler_setter, std::less<>>& pooler_keys() {
    using p = pooler_address;
    using v = const std::string&;
    static const std::map<std::string, pooler_setter, std::less<>> keys{
        {"host",
         [](p& to, v x) {
             to.host.clear();
             return x.empty() ? std::string{} : set_text(to.host, x);
         }},
        {"port", [](p& to, v x) { return set_number<std::uint16_t>(to.port, x, 1, 65535); }},
        {"read_database", [](p& to, v x) { return set_name(to.read_database, x); }},
        {"databases_file", [](p& to, v x) { return set_path(to.databases_file, x); }},
        {"routing", [](p& to, v x) { return set_switch(to.routing, x); }},
    };
    return keys;
}

failure complain(const setting_entry& entry, std::string_view what) {
    if (entry.line == 0) {
        return {fmt::format("{}: {}", entry.file, what)};
    }
    return {fmt::format("{}:{}: {}", entry.file, entry.line, what)};
}

template <typename Keys>
std::string key_names(const Keys& keys) {
    std::string names;
    for (const auto& [key, unused] : keys) {
        names += names.empty() ? key : ", " + key;
    }
    return names;
}

template <typename Keys, typename Target>
result<void> apply(const Keys& keys, Target& target, const setting_entry& entry) {
    const auto found = keys.find(entry.key);
    if (found == keys.end()) {
        return complain(
            entry,
            fmt::format(
                "[{}] has no key \"{}\"; it has {}", entry.section, entry.key, key_names(keys)
            )
        );
    }
    const std::string expected = found->second(target, entry.value);
    if (!expected.empty()) {
        return complain(
            entry, fmt::format("{} = \"{}\": expected {}", entry.key, entry.value, expected)
        );
    }
    return {};
}

constexpr std::string_view standby_prefix = "standby.";

result<node*> standby_of(cluster_settings& settings, const setting_entry& entry) {
    const std::string name = entry.section.substr(standby_prefix.size());
    for (node& standby : settings.standbys) {
        if (standby.name == name) {
            return &standby;
        }
    }
    static const std::set<std::string, std::less<>> taken{
        "primary", "cluster", "pooler", "run", "log", "secrets", "pgweir", "backups"};
    if (!is_name(name) || taken.contains(name)) {
        return complain(
            entry,
            fmt::format(
                "\"{}\" cannot be a standby's name: expected lower-case letters, digits and _, and "
                "none of primary, cluster, pooler, run, log, secrets, pgweir, backups",
                name
            )
        );
    }
    node standby;
    standby.name = name;
    standby.role = server_role::standby;
    standby.port = 5433;
    settings.standbys.push_back(standby);
    return &settings.standbys.back();
}

result<void> apply_entry(cluster_settings& settings, const setting_entry& entry) {
    if (entry.section == "cluster") {
        return apply(cluster_keys(), settings, entry);
    }
    if (entry.section == "pooler") {
        return apply(pooler_keys(), settings.pooler, entry);
    }
    if (entry.section == "primary") {
        if (entry.key == "slot") {
            return complain(
                entry,
                "a primary has no slot; slots belong to [standby.NAME] (as a standby, after a "
                "change of primary, it uses primary_slot)"
            );
        }
        return apply(node_keys(), settings.primary, entry);
    }
    if (entry.section.rfind(standby_prefix, 0) == 0) {
        const auto standby = standby_of(settings, entry);
        if (!standby) {
            return standby.error();
        }
        return apply(node_keys(), **standby, entry);
    }
    return complain(
        entry,
        fmt::format(
            "unknown section [{}]: expected [cluster], [primary], [standby.NAME] or [pooler]",
            entry.section
        )
    );
}

void make_absolute(fs::path& path, const fs::path& folder) {
    if (!path.empty()) {
        path = (folder / path).lexically_normal();
        if (!path.has_filename() && path.has_relative_path()) {
            path = path.parent_path();
        }
    }
}

void fill_node(node& server, const cluster_settings& settings, const fs::path& folder) {
    if (server.listen.empty()) {
        server.listen = server.host;
    }
    if (server.data.empty()) {
        server.data = settings.root / server.name;
    }
    if (server.slot.empty()) {
        server.slot = server.name + "_slot";
    }
    make_absolute(server.data, folder);
    if (server.config.empty()) {
        server.config = server.data;
    }
    make_absolute(server.config, folder);
}

void fill_password_file(
    login_role& role,
    std::string_view file_name,
    const cluster_settings& settings,
    const fs::path& folder
) {
    if (role.password_file.empty()) {
        role.password_file = settings.secrets_dir() / file_name;
    }
    make_absolute(role.password_file, folder);
}

void fill_in(cluster_settings& settings, const fs::path& folder) {
    if (settings.root.empty()) {
        settings.root = "pgweir-data";
    }
    make_absolute(settings.root, folder);
    make_absolute(settings.bin_dir, folder);
    make_absolute(settings.archive_dir, folder);
    make_absolute(settings.tls.certificate, folder);
    make_absolute(settings.tls.key, folder);
    make_absolute(settings.tls.authority, folder);
    if (settings.pooler.read_database.empty()) {
        settings.pooler.read_database = settings.database + "_standby";
    }
    if (settings.pooler.databases_file.empty()) {
        settings.pooler.databases_file = settings.pooler_dir() / "databases.ini";
    }
    make_absolute(settings.pooler.databases_file, folder);
    fill_password_file(settings.application, "app_password", settings, folder);
    fill_password_file(settings.replication, "replication_password", settings, folder);
    fill_password_file(settings.prober, "prober_password", settings, folder);
    fill_password_file(settings.console, "admin_password", settings, folder);
    settings.primary.name = "primary";
    fill_node(settings.primary, settings, folder);
    for (node& standby : settings.standbys) {
        fill_node(standby, settings, folder);
    }
}

/// What two servers, or two roles, must not share.
result<void> check_distinct(const cluster_settings& settings) {
    std::map<std::string, std::string> owners;
    const auto claim = [&owners](const std::string& what, const std::string& owner) {
        return owners.emplace(what, owner).second;
    };
    for (const node* server : settings.nodes()) {
        const std::string address = fmt::format("{}:{}", server->host, server->port);
        if (!claim(address, server->name)) {
            return failure{fmt::format(
                "{} and {} both have {}: give one another port",
                owners[address],
                server->name,
                address
            )};
        }
        const std::string data = "data directory " + server->data.string();
        if (!claim(data, server->name)) {
            return failure{fmt::format("{} and {} share the {}", owners[data], server->name, data)};
        }
        const std::string slot = "replication slot " + server->slot;
        if (!claim(slot, server->name)) {
            return failure{fmt::format("{} and {} share the {}", owners[slot], server->name, slot)};
        }
    }
    for (const std::string& role :
         {settings.superuser,
          settings.application.name,
          settings.replication.name,
          settings.prober.name}) {
        if (!claim("role " + role, "a role")) {
            return failure{fmt::format(
                "superuser, app_role, replication_role and prober_role must differ, but \"{}\" "
                "comes twice",
                role
            )};
        }
    }
    return {};
}

result<void> check_tls(const tls_files& tls) {
    if (tls.certificate.empty() != tls.key.empty() ||
        (tls.certificate.empty() && !tls.authority.empty())) {
        return failure{"tls_cert_file and tls_key_file belong together, tls_ca_file to both"};
    }
    return {};
}

/// A path of a Unix socket must fit into sockaddr_un (108 bytes with the final zero).
result<void> check_socket_path(const cluster_settings& settings) {
    const auto longest = settings.run_dir().string() + "/.s.PGSQL.65535.lock";
    if (longest.size() > 107) {
        return failure{fmt::format(
            "the path {} is too long for a Unix socket: choose a shorter root (--root)",
            settings.run_dir().string()
        )};
    }
    return {};
}

/// `section.key=value` from a command line.
result<setting_entry> override_entry(const std::string& text) {
    const auto equals = text.find('=');
    const auto dot = text.substr(0, equals).rfind('.');
    if (equals == std::string::npos || dot == std::string::npos) {
        return failure{
            fmt::format("--set {}: expected section.key=value, such as primary.port=5440", text)};
    }
    setting_entry entry{
        text.substr(0, dot),
        text.substr(dot + 1, equals - dot - 1),
        text.substr(equals + 1),
        "--set " + text,
        0};
    if (entry.section != "cluster" && entry.section != "primary" && entry.section != "pooler" &&
        entry.section.rfind(standby_prefix, 0) != 0) {
        entry.section.insert(0, standby_prefix);
    }
    return entry;
}

}  // namespace

std::string_view to_string(profile value) noexcept {
    return value == profile::production ? "production" : "development";
}

std::string_view to_string(server_role value) noexcept {
    return value == server_role::primary ? "primary" : "standby";
}

std::vector<const node*> cluster_settings::nodes() const {
    std::vector<const node*> all{&primary};
    for (const node& standby : standbys) {
        all.push_back(&standby);
    }
    return all;
}

const node* cluster_settings::find(std::string_view node_name) const {
    for (const node* each : nodes()) {
        if (each->name == node_name) {
            return each;
        }
    }
    return nullptr;
}

result<std::uint64_t> parse_bytes(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    static const std::map<std::string_view, unsigned> shifts{
        {"", 0}, {"B", 0}, {"kB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}};
    const auto shift = shifts.find(unit);
    if (error != std::errc{} || shift == shifts.end() || number > (UINT64_MAX >> shift->second)) {
        return failure{"expected an amount such as 512MB or 16GB"};
    }
    return number << shift->second;
}

result<cluster_settings> settings_from(
    const std::vector<setting_entry>& entries, const std::filesystem::path& folder
) {
    cluster_settings settings;
    for (const setting_entry& entry : entries) {
        if (const auto applied = apply_entry(settings, entry); !applied) {
            return applied.error();
        }
    }
    fill_in(settings, folder);
    if (const auto distinct = check_distinct(settings); !distinct) {
        return distinct.error();
    }
    if (const auto fits = check_socket_path(settings); !fits) {
        return fits.error();
    }
    if (const auto complete = check_tls(settings.tls); !complete) {
        return complete.error();
    }
    return settings;
}

result<cluster_settings> load_settings(
    const std::filesystem::path& file, const std::vector<std::string>& overrides
) {
    auto entries = read_settings_file(file);
    if (!entries) {
        return entries.error();
    }
    for (const std::string& text : overrides) {
        auto entry = override_entry(text);
        if (!entry) {
            return entry.error();
        }
        // An override may not invent a standby: a mistyped name would go unnoticed.
        const bool known =
            entry->section == "cluster" || entry->section == "primary" ||
            entry->section == "pooler" ||
            std::any_of(entries->begin(), entries->end(), [&](const setting_entry& each) {
                return each.section == entry->section;
            });
        if (!known) {
            return failure{fmt::format("{}: the file has no [{}]", entry->file, entry->section)};
        }
        entries->push_back(std::move(*entry));
    }
    return settings_from(*entries, fs::absolute(file).parent_path());
}

}  // namespace pgweir::cluster
