#include "server/carried_message.hpp"

#include "handover/fields.hpp"
#include "pool/server_statements.hpp"

#include <algorithm>

namespace pgweir::server {

namespace {

using handover::field_reader;
using handover::field_writer;
using pool::carried_server;
using session::carried_client;
using session::carried_routing;
using session::carried_statement;

constexpr std::size_t longest_name = 64 * 1024;
constexpr std::size_t longest_text = handover::longest_message;
constexpr std::uint32_t most_parameters = 16 * 1024;
constexpr std::uint32_t most_statements = 1024 * 1024;

void put_time(field_writer& to, steady_time when) {
    to.i64(std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count());
}

steady_time get_time(field_reader& from) noexcept {
    return steady_time(std::chrono::nanoseconds(from.i64()));
}

/// 0, or an enumerator and 1.
template <typename Enum>
void put_choice(field_writer& to, const std::optional<Enum>& what) {
    to.u8(what ? static_cast<std::uint8_t>(static_cast<unsigned>(*what) + 1) : std::uint8_t{0});
}

template <typename Enum>
std::optional<Enum> get_choice(field_reader& from, Enum last) noexcept {
    const unsigned value = from.u8();
    if (value > static_cast<unsigned>(last) + 1) {
        from.fail();
    }
    return value == 0 || from.failed() ? std::nullopt : std::optional(Enum(value - 1));
}

void put_parameters(field_writer& to, const pool::extra_values& all) {
    to.u32(static_cast<std::uint32_t>(all.size()));
    for (const auto& [name, value] : all) {
        to.text(name);
        to.text(value);
    }
}

pool::extra_values get_parameters(field_reader& from) {
    pool::extra_values all;
    const std::uint32_t count = from.count(most_parameters);
    for (std::uint32_t at = 0; at < count && !from.failed(); at++) {
        std::string name(from.text(longest_name));
        all.insert_or_assign(std::move(name), std::string(from.text(longest_text)));
    }
    return all;
}

void put_statement(field_writer& to, const carried_statement& one) {
    to.text(one.name);
    to.text(one.definition);
    to.u8(static_cast<std::uint8_t>(one.form));
    to.flag(one.rows.has_value());
    to.u64(one.rows.value_or(0));
    to.u32(one.moved.behind);
    to.u32(static_cast<std::uint32_t>(one.moved.by));
    to.flag(one.settings.has_value());
    put_parameters(to, one.settings.value_or(pool::extra_values()));
}

carried_statement get_statement(field_reader& from) {
    carried_statement one;
    one.name = from.text(longest_text);
    one.definition = from.text(longest_text);
    const std::uint8_t form = from.u8();
    if (form > static_cast<std::uint8_t>(pool::statement_form::sql)) {
        from.fail();
    }
    one.form = pool::statement_form(form);
    const bool has_rows = from.flag();
    const std::uint64_t rows = from.u64();
    one.rows = has_rows ? std::optional(rows) : std::nullopt;
    one.moved.behind = from.u32();
    one.moved.by = static_cast<std::int32_t>(from.u32());
    const bool has_settings = from.flag();
    pool::extra_values settings = get_parameters(from);
    if (has_settings) {
        one.settings = std::move(settings);
    }
    return one;
}

void put_settings(field_writer& to, const session::own_settings& own) {
    put_choice(to, own.routing);
    put_choice(to, own.consistency);
    to.u32(own.read_after.timeline);
    to.u64(own.read_after.lsn);
}

session::own_settings get_settings(field_reader& from) noexcept {
    session::own_settings own;
    own.routing = get_choice(from, config::routing::automatic);
    own.consistency = get_choice(from, config::read_consistency::primary);
    own.read_after.timeline = from.u32();
    own.read_after.lsn = from.u64();
    return own;
}

void put_routing(field_writer& to, const carried_routing& routing) {
    put_settings(to, routing.own);
    put_settings(to, routing.at_login);
    put_time(to, routing.marks.written);
    put_time(to, routing.marks.seen);
}

carried_routing get_routing(field_reader& from) noexcept {
    carried_routing routing;
    routing.own = get_settings(from);
    routing.at_login = get_settings(from);
    routing.marks.written = get_time(from);
    routing.marks.seen = get_time(from);
    return routing;
}

void put_server(field_writer& to, const carried_server& what) {
    to.text(what.database);
    to.text(what.user);
    to.text(what.host);
    to.text(what.origin);
    to.u32(what.listed);
    to.text(what.address.host);
    to.u32(static_cast<std::uint32_t>(what.address.port));
    to.u32(static_cast<std::uint32_t>(what.key.process_id));
    to.u32(static_cast<std::uint32_t>(what.key.secret_key));
    put_time(to, what.connected_at);
    put_parameters(to, what.parameters);
    put_parameters(to, what.reported);
    to.text(what.greeting);
    to.flag(what.close_needed);
    to.flag(what.check_before_use);
    to.flag(what.has_statements);
}

carried_server read_server(field_reader& from) {
    constexpr std::uint32_t last_port = 65535;
    carried_server what;
    what.database = from.text(longest_name);
    what.user = from.text(longest_name);
    what.host = from.text(longest_name);
    what.origin = from.text(longest_text);
    what.listed = from.u32();
    what.address.host = from.text(longest_name);
    const std::uint32_t port = from.u32();
    if (port > last_port) {
        from.fail();
    }
    what.address.port = static_cast<int>(port);
    what.key.process_id = static_cast<std::int32_t>(from.u32());
    what.key.secret_key = static_cast<std::int32_t>(from.u32());
    what.connected_at = get_time(from);
    if (what.connected_at < steady_time()) {
        from.fail();  // before the machine was started
    }
    what.parameters = get_parameters(from);
    what.reported = get_parameters(from);
    what.greeting = from.text(longest_text);
    what.close_needed = from.flag();
    what.check_before_use = from.flag();
    what.has_statements = from.flag();
    return what;
}

/// Fingerprints are comparable between programs that make the same of the same bytes.
std::uint64_t fingerprints() noexcept {
    return pool::fingerprint_of_rows(
        std::string_view("\0\1x\0\0\0\0\1\0\2\0\0\0\3\0\4\0\0\0\5\0\0", 22)
    );
}

void put_keys(field_writer& to, const auth::scram_keys& keys) {
    for (const auto& digest : {keys.client_key, keys.server_key}) {
        for (const auto byte : digest) {
            to.u8(static_cast<std::uint8_t>(byte));
        }
    }
}

auth::scram_keys get_keys(field_reader& from) noexcept {
    auth::scram_keys keys;
    for (auto* digest : {&keys.client_key, &keys.server_key}) {
        for (auto& byte : *digest) {
            byte = static_cast<std::decay_t<decltype(byte)>>(from.u8());
        }
    }
    return keys;
}

}  // namespace

handover::message put(const carried_credentials& what) {
    handover::message made{handover::kind::credentials, {}};
    // In one piece from the beginning: what a string leaves behind when it grows is not wiped.
    made.body.reserve(
        what.database.size() + what.user.size() + what.password.view().size() +
        sizeof(auth::scram_keys) + 64
    );
    field_writer to(made.body);
    to.text(what.database);
    to.text(what.user);
    to.text(what.password.view());
    to.flag(what.keys.has_value());
    put_keys(to, what.keys.value_or(auth::scram_keys()));
    return made;
}

std::optional<carried_credentials> get_credentials(std::string_view body) {
    field_reader from(body);
    carried_credentials read;
    read.database = from.text(longest_name);
    read.user = from.text(longest_name);
    read.password = secret(from.text(longest_name));
    const bool has_keys = from.flag();
    const auth::scram_keys keys = get_keys(from);
    if (has_keys) {
        read.keys = keys;
    }
    return from.complete() ? std::optional(std::move(read)) : std::nullopt;
}

handover::message put(const carried_server& what) {
    handover::message made{handover::kind::server, {}};
    field_writer to(made.body);
    put_server(to, what);
    return made;
}

std::optional<carried_server> get_server(std::string_view body) {
    field_reader from(body);
    carried_server read = read_server(from);
    return from.complete() ? std::optional(std::move(read)) : std::nullopt;
}

handover::message put(const carried_client& who) {
    handover::message made{handover::kind::client, {}};
    field_writer to(made.body);
    to.text(who.database);
    to.text(who.user);
    put_choice(to, who.listener_route);
    to.u64(who.cancel_key);
    put_time(to, who.connected_at);
    put_time(to, who.request_at);
    put_parameters(to, who.parameters);
    put_parameters(to, who.defaults);
    to.u64(fingerprints());
    to.u32(static_cast<std::uint32_t>(who.statements.size()));
    for (const carried_statement& one : who.statements) {
        put_statement(to, one);
    }
    const carried_routing none;
    to.flag(who.routing.has_value());
    put_routing(to, who.routing ? *who.routing : none);
    put_time(to, who.database_written_at);
    to.text(who.pending);
    to.flag(who.server.has_value());
    if (who.server) {
        put_server(to, *who.server);
    }
    return made;
}

std::optional<carried_client> get_client(std::string_view body) {
    field_reader from(body);
    carried_client read;
    read.database = from.text(longest_name);
    read.user = from.text(longest_name);
    read.listener_route = get_choice(from, config::routing::automatic);
    read.cancel_key = from.u64();
    read.connected_at = get_time(from);
    read.request_at = get_time(from);
    if (read.connected_at < steady_time() || read.request_at < steady_time()) {
        from.fail();  // before the machine was started
    }
    read.parameters = get_parameters(from);
    read.defaults = get_parameters(from);
    const bool comparable = from.u64() == fingerprints();
    const std::uint32_t count = from.count(most_statements);
    for (std::uint32_t at = 0; at < count && !from.failed(); at++) {
        read.statements.push_back(get_statement(from));
        if (!comparable) {
            read.statements.back().rows.reset();
        }
    }
    const bool routed = from.flag();
    const carried_routing routing = get_routing(from);
    if (routed) {
        read.routing = routing;
    }
    read.database_written_at = get_time(from);
    read.pending = from.text(longest_text);
    if (from.flag()) {
        read.server = read_server(from);
    }
    return from.complete() ? std::optional(std::move(read)) : std::nullopt;
}

}  // namespace pgweir::server
