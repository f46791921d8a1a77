#include "config/entries.hpp"

#include "config/access.hpp"
#include "config/connection_string.hpp"
#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

namespace pgweir::config {

namespace {

using enum support;
using d = database;
using u = user;

constexpr int highest_port = 65535;
constexpr int highest_peer = 65535;
constexpr int highest_weight = 1000;
// PostgreSQL's NAMEDATALEN less its terminator.
constexpr std::size_t longest_database_name = 63;
constexpr std::size_t longest_user_name = 127;

template <typename Owner>
struct entry_key {
    std::string_view name;
    result<void> (*parse)(Owner&, std::string_view);
};

/// A number below `Lowest` (PgBouncer's files say -1, or 0 for limits) leaves the member unset.
template <auto Member, int Lowest = 0>
result<void> own_number(owner_of<Member>& to, std::string_view text) {
    const auto value = parse_number(text, std::numeric_limits<int>::min(), any_number);
    if (!value) {
        return bad_value(text, "a whole number");
    }
    to.*Member = *value < Lowest ? std::nullopt : std::optional(*value);
    return {};
}

/// A time of its own; a negative one leaves it unset.
enum class zero : std::uint8_t {
    unset,  ///< what is configured for all holds
    off,    ///< there is no limit here
};

template <auto Member, zero Zero = zero::unset>
result<void> own_seconds(owner_of<Member>& to, std::string_view text) {
    const auto value = parse_whole_seconds(text, std::numeric_limits<int>::min());
    if (!value) {
        return value.error();
    }
    const bool unset = value->count() < 0 || (Zero == zero::unset && value->count() == 0);
    to.*Member = unset ? std::nullopt : std::optional(*value);
    return {};
}

template <auto Member>
result<void> own_word(owner_of<Member>& to, std::string_view text) {
    return store<Member>(to, parse_word<typename type_of<Member>::value_type>(text));
}

template <auto Member>
result<void> words_as_written(owner_of<Member>& to, std::string_view text) {
    to.*Member = std::string(text);
    return {};
}

template <auto Member>
result<void> port(owner_of<Member>& to, std::string_view text) {
    return store<Member>(to, parse_number(text, 1, highest_port));
}

/// Numbers with commas between them.
result<std::vector<int>> numbers(std::string_view text, int lowest, int highest) {
    std::vector<int> found;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        const auto value = parse_number(text.substr(begin, end - begin), lowest, highest);
        if (!value) {
            return value.error();
        }
        found.push_back(*value);
        begin = end + 1;
    }
    return found;
}

/// One for all hosts, or one for each; check_hosts counts them.
result<void> ports(database& to, std::string_view text) {
    auto found = numbers(text, 1, highest_port);
    if (!found) {
        return found.error();
    }
    to.port = found->front();
    to.ports = found->size() > 1 ? std::move(*found) : std::vector<int>();
    return {};
}

result<void> weights(database& to, std::string_view text) {
    return store<&d::weights>(to, numbers(text, 0, highest_weight));
}

result<void> hosts(database& to, std::string_view text) {
    auto found = split(text, ",");
    const auto commas = std::count(text.begin(), text.end(), ',');
    if (found.size() != static_cast<std::size_t>(commas) + 1) {
        return bad_value(text, "hosts with commas between them, none of them empty");
    }
    to.hosts = std::move(found);
    return {};
}

result<void> auth_database(database& to, std::string_view text) {
    if (is_console_name(text)) {
        return bad_value(text, "a database of PostgreSQL, not the console");
    }
    to.auth_dbname = text;
    return {};
}

result<void> password(database& to, std::string_view text) {
    to.password = secret(text);
    return {};
}

result<void> balance(database& to, std::string_view text) {
    return store<&d::load_balance_hosts>(to, parse_word<load_balance>(text));
}

template <auto Member>
result<void> file(database& to, std::string_view text) {
    to.*Member = std::string(text);
    return {};
}

result<void> peer_pool_size(peer& to, std::string_view text) {
    return own_number<&peer::pool_size>(to, text);
}

// clang-format off
constexpr entry_key<database> database_keys[] = {
    {"application_name",          words_as_written<&d::application_name>},
    {"auth_dbname",               auth_database},
    {"auth_query",                words_as_written<&d::auth_query>},
    {"auth_user",                 words_as_written<&d::auth_user>},
    {"client_encoding",           words_as_written<&d::client_encoding>},
    {"connect_query",             words_as_written<&d::connect_query>},
    {"datestyle",                 words_as_written<&d::datestyle>},
    {"dbname",                    words_as_written<&d::dbname>},
    {"host",                      hosts},
    {"load_balance_hosts",        balance},
    {"max_db_client_connections", own_number<&d::max_db_client_connections, 1>},
    {"max_db_connections",        own_number<&d::max_db_connections, 1>},
    {"min_pool_size",             own_number<&d::min_pool_size>},
    {"password",                  password},
    {"pool_mode",                 own_word<&d::pool_mode>},
    {"pool_size",                 own_number<&d::pool_size>},
    {"port",                      ports},
    {"query_wait_timeout",        own_seconds<&d::query_wait_timeout, zero::off>},
    {"read_consistency",          own_word<&d::read_consistency>},
    {"reserve_pool",              own_number<&d::reserve_pool_size>}, // PgBouncer's old name
    {"reserve_pool_size",         own_number<&d::reserve_pool_size>},
    {"routing",                   own_word<&d::routing>},
    {"server_lifetime",           own_seconds<&d::server_lifetime>},
    {"sslcert",                   file<&d::sslcert>},
    {"sslkey",                    file<&d::sslkey>},
    {"sslmode",                   own_word<&d::sslmode>},
    {"sslrootcert",               file<&d::sslrootcert>},
    {"timezone",                  words_as_written<&d::timezone>},
    {"user",                      words_as_written<&d::user>},
    {"weight",                    weights},
};

constexpr entry_key<user> user_keys[] = {
    {"client_idle_timeout",         own_seconds<&u::client_idle_timeout>},
    {"idle_transaction_timeout",    own_seconds<&u::idle_transaction_timeout>},
    {"max_user_client_connections", own_number<&u::max_user_client_connections, 1>},
    {"max_user_connections",        own_number<&u::max_user_connections, 1>},
    {"pool_mode",                   own_word<&u::pool_mode>},
    {"pool_size",                   own_number<&u::pool_size>},
    {"query_timeout",               own_seconds<&u::query_timeout>},
    {"query_wait_timeout",          own_seconds<&u::query_wait_timeout, zero::off>},
    {"reserve_pool_size",           own_number<&u::reserve_pool_size>},
    {"routing",                     own_word<&u::routing>},
    {"transaction_timeout",         own_seconds<&u::transaction_timeout>},
};

constexpr entry_key<peer> peer_keys[] = {
    {"host",      words_as_written<&peer::host>},
    {"pool_size", peer_pool_size},
    {"port",      port<&peer::port>},
};

// clang-format on

/// Sets what the connection string says, key by key.
template <typename Owner, std::size_t Count>
result<void> apply(Owner& to, std::string_view text, const entry_key<Owner> (&known)[Count]) {
    return parse_connection_string(
        text,
        [&](std::string_view key, std::string_view value) -> result<void> {
            const auto* found = std::find_if(
                std::begin(known), std::end(known), [&](const auto& k) { return k.name == key; }
            );
            if (found == std::end(known)) {
                std::vector<std::string_view> names;
                std::transform(
                    std::begin(known),
                    std::end(known),
                    std::back_inserter(names),
                    [](const auto& k) { return k.name; }
                );
                return failure{unknown_name("key", key, names)};
            }
            if (const auto parsed = found->parse(to, value); !parsed) {
                return failure{fmt::format("{}: {}", key, parsed.error().message)};
            }
            return {};
        }
    );
}

result<void> check_name(std::string_view what, std::string_view name, std::size_t longest) {
    if (name.size() > longest) {
        return failure{
            fmt::format("a {} name of {} bytes, expected at most {}", what, name.size(), longest)};
    }
    return {};
}

/// What is said of each host is said of all of them.
result<void> check_hosts(const database& made) {
    const std::size_t hosts = std::max<std::size_t>(made.hosts.size(), 1);
    if (!made.ports.empty() && made.ports.size() != hosts) {
        return failure{fmt::format(
            "port: {} ports for {} host{}, expected one port, or one for each host",
            made.ports.size(),
            hosts,
            hosts == 1 ? "" : "s"
        )};
    }
    if (made.weights.empty()) {
        return {};
    }
    if (made.weights.size() != hosts) {
        return failure{fmt::format(
            "weight: {} weights for {} host{}, expected one for each host",
            made.weights.size(),
            hosts,
            hosts == 1 ? "" : "s"
        )};
    }
    if (std::all_of(made.weights.begin(), made.weights.end(), [](int w) { return w == 0; })) {
        return failure{"weight: every host has 0, expected at least one that takes reads"};
    }
    return {};
}

}  // namespace

result<database> parse_database(std::string_view name, std::string_view text) {
    if (is_console_name(name)) {
        return failure{fmt::format(
            "the name {} is reserved for the console, expected another name for this database", name
        )};
    }
    if (const auto checked = check_name("database", name, longest_database_name); !checked) {
        return checked.error();
    }
    database made;
    made.name = name;
    if (const auto applied = apply(made, text, database_keys); !applied) {
        return applied.error();
    }
    if (const auto checked = check_hosts(made); !checked) {
        return checked.error();
    }
    if (made.dbname.empty() && name != "*") {
        made.dbname = name;
    }
    return made;
}

result<user> parse_user(std::string_view name, std::string_view text) {
    if (const auto checked = check_name("user", name, longest_user_name); !checked) {
        return checked.error();
    }
    user made;
    made.name = name;
    if (const auto applied = apply(made, text, user_keys); !applied) {
        return applied.error();
    }
    return made;
}

result<peer> parse_peer(std::string_view name, std::string_view text) {
    const auto id = parse_number(name, 1, highest_peer);
    if (!id) {
        return failure{fmt::format("the name of a peer: {}", id.error().message)};
    }
    peer made;
    made.id = *id;
    if (const auto applied = apply(made, text, peer_keys); !applied) {
        return applied.error();
    }
    if (made.host.empty()) {
        return failure{"a peer without host, expected host=..."};
    }
    return made;
}

}  // namespace pgweir::config
