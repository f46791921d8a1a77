#include "config/load.hpp"

#include "config/entries.hpp"
#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::config {

namespace {

bool is_main(std::string_view section) noexcept {
    return section == "pgbouncer" || section == "pgweir";
}

/// Puts a configuration together from the sections and entries of the file.
class builder : public ini_visitor {
public:
    result<void> section(std::string_view name, location at) override {
        if (!is_main(name) && name != "databases" && name != "users" && name != "peers") {
            return failure{unknown_name(
                "section", name, {"pgbouncer", "pgweir", "databases", "users", "peers"}
            )};
        }
        if (is_main(name) && std::exchange(main_seen_, true)) {
            warn(
                at,
                "another section with settings: it adds to those before it (PgBouncer would set "
                "them "
                "back to their defaults here)"
            );
        }
        return {};
    }

    result<void> entry(
        std::string_view section, std::string_view name, std::string_view value, location at
    ) override {
        if (is_main(section)) {
            return setting(name, value, at);
        }
        const auto added = section == "databases" ? add_database(name, value, at)
                           : section == "users"   ? add_user(name, value, at)
                                                  : add_peer(name, value, at);
        if (!added) {
            return failure{fmt::format("{}: {}", name, added.error().message)};
        }
        return {};
    }

    /// REQUIRES: everything was read.
    result<std::shared_ptr<const configuration>> finish(const std::string& path) {
        if (!main_seen_) {
            return failure{fmt::format(
                "{}: there is no section [pgbouncer] or [pgweir], expected one with the settings",
                path
            )};
        }
        if (const auto checked = check_ports(); !checked) {
            return checked.error();
        }
        for (const auto& [name, at] : set_) {
            if (is_ignored(*find_key(name), built_.global)) {
                warn(
                    {at.first, at.second},
                    fmt::format("{} is not supported yet and is ignored", name)
                );
            }
        }
        for (const auto& [name, at] : set_) {
            note_place(name, {at.first, at.second});
        }
        if (built_.global.conffile.empty()) {
            built_.global.conffile = path;
        }
        for (auto& [at, text] : warnings_) {
            built_.warnings.push_back({std::move(text)});
        }
        return std::make_shared<const configuration>(std::move(built_));
    }

private:
    using place = std::pair<std::string, int>;  // file and line

    result<void> setting(std::string_view name, std::string_view value, location at) {
        const key* known = find_key(name);
        if (known == nullptr) {
            std::vector<std::string_view> names;
            std::transform(
                keys().begin(),
                keys().end(),
                std::back_inserter(names),
                [](const key& k) { return k.name; }
            );
            return failure{unknown_name("key", name, names)};
        }
        if (const auto parsed = known->value.parse(built_.global, value); !parsed) {
            return failure{fmt::format("{}: {}", name, parsed.error().message)};
        }
        set_.insert_or_assign(known->name, place(at.file, at.line));
        return {};
    }

    result<void> add_database(std::string_view name, std::string_view value, location at) {
        auto made = parse_database(name, value);
        if (!made) {
            return made.error();
        }
        note_place(fmt::format("database {}", name), at);
        if (name == "*") {
            note_again(built_.autodb_template.has_value(), "database", name, at);
            built_.autodb_template = std::move(*made);
            return {};
        }
        note_again(built_.databases.contains(name), "database", name, at);
        built_.databases.insert_or_assign(std::string(name), std::move(*made));
        return {};
    }

    result<void> add_user(std::string_view name, std::string_view value, location at) {
        auto made = parse_user(name, value);
        if (!made) {
            return made.error();
        }
        note_again(built_.users.contains(name), "user", name, at);
        note_place(fmt::format("user {}", name), at);
        built_.users.insert_or_assign(std::string(name), std::move(*made));
        return {};
    }

    result<void> add_peer(std::string_view name, std::string_view value, location at) {
        auto made = parse_peer(name, value);
        if (!made) {
            return made.error();
        }
        note_again(built_.peers.contains(made->id), "peer", name, at);
        note_place(fmt::format("peer {}", made->id), at);
        built_.peers.insert_or_assign(made->id, std::move(*made));
        return {};
    }

    /// Ports of listeners differ.
    result<void> check_ports() const {
        const settings& global = built_.global;
        const std::pair<std::string_view, int> ports[] = {
            {"listen_port", global.listen_port},
            {"listen_port_primary", global.listen_port_primary},
            {"listen_port_standby", global.listen_port_standby},
        };
        for (const auto* later = std::begin(ports) + 1; later != std::end(ports); ++later) {
            for (const auto* earlier = std::begin(ports); earlier != later; ++earlier) {
                const auto at = set_.find(later->first);
                if (later->second != 0 && later->second == earlier->second && at != set_.end()) {
                    return failure{fmt::format(
                        "{}:{}: {}: {} is {} already, expected a port of its own",
                        at->second.first,
                        at->second.second,
                        later->first,
                        later->second,
                        earlier->first
                    )};
                }
            }
        }
        return {};
    }

    void note_again(bool again, std::string_view what, std::string_view name, location at) {
        if (again) {
            warn(
                at,
                fmt::format("the {} {} stands here again and replaces what was above", what, name)
            );
        }
    }

    void note_place(std::string_view what, location at) {
        built_.places.insert_or_assign(std::string(what), fmt::format("{}:{}", at.file, at.line));
    }

    void warn(location at, std::string_view text) {
        warnings_.emplace(
            place(at.file, at.line), fmt::format("{}:{}: {}", at.file, at.line, text)
        );
    }

    configuration built_;
    bool main_seen_ = false;
    std::map<std::string_view, place> set_;  // where each key was set last
    std::multimap<place, std::string> warnings_;
};

}  // namespace

result<std::shared_ptr<const configuration>> load_from(
    const std::string& path, const file_source& open
) {
    builder made;
    if (const auto read = read_ini(path, open, made); !read) {
        return read.error();
    }
    return made.finish(path);
}

result<std::shared_ptr<const configuration>> load(const std::string& path) {
    return load_from(path, read_file);
}

}  // namespace pgweir::config
