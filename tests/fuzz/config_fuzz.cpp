// A configuration file from anywhere: it is loaded or refused with its place, and what was loaded
// is consistent. A byte 1 in the input begins the text of a second file, "b", for %include.

#include "config/changes.hpp"
#include "config/keys.hpp"
#include "config/load.hpp"
#include "config/show.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace pgweir;
using namespace pgweir::config;

void require(bool property) {
    if (!property) {
        __builtin_trap();
    }
}

void check_refusal(std::string_view message) {
    require(message.starts_with("a:") || message.starts_with("b:"));
    require(!message.starts_with("a: the parser lost"));
}

/// Whatever was accepted is printed as something that is accepted again and means the same.
void check_settings(const settings& global) {
    for (const key& k : keys()) {
        if (k.name == "auth_ldap_options") {
            continue;  // never printed
        }
        settings again;
        const std::string shown = k.value.show(global);
        require(k.value.parse(again, shown).has_value());
        require(k.value.show(again) == shown);
    }
    require(show_config(global).size() == keys().size());
}

void check_database(const configuration& all, std::string_view name, const database& db) {
    require(!name.empty() && name.size() <= 63 && name == db.name);
    require(name != "pgbouncer" && name != "pgweir");
    require(!db.dbname.empty());
    require(db.port >= 1 && db.port <= 65535);
    require(std::none_of(db.hosts.begin(), db.hosts.end(), [](const auto& h) { return h.empty(); })
    );
    require(effective_pool_size(all, db, "nobody") >= 0);
    require(effective_server_lifetime(all, db).count() >= 0);
}

void check_configuration(const configuration& all) {
    check_settings(all.global);
    for (const auto& [name, db] : all.databases) {
        check_database(all, name, db);
    }
    for (const auto& [name, who] : all.users) {
        require(!name.empty() && name.size() <= 127 && name == who.name);
        require(effective_query_timeout(all, name).count() >= 0);
    }
    for (const auto& [id, other] : all.peers) {
        require(id == other.id && !other.host.empty());
    }
    const auto made = resolve_database(all, "some name");
    require(!made || !made->dbname.empty());

    const change_set none = compare(all, all);
    require(none.databases_added.empty() && none.databases_removed.empty());
    require(none.databases_changed.empty() && none.restart_only_changed.empty());
    require(!none.autodb_changed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(data, data + size);
    const std::size_t end = std::min(input.find('\1'), input.size());
    const std::string main = input.substr(0, end);
    const std::string included = end < input.size() ? input.substr(end + 1) : "";
    const auto loaded = load_from("a", [&](const std::string& path) -> result<file_text> {
        if (path != "a" && path != "b") {
            return failure{path + ": No such file or directory"};
        }
        return file_text{.text = path == "a" ? main : included, .world_readable = false};
    });
    if (loaded) {
        check_configuration(**loaded);
    } else {
        check_refusal(loaded.error().message);
    }
    return 0;
}
