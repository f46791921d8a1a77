#include "admin/console.hpp"

#include "protocol/message.hpp"

#include <fmt/format.h>

#include <cassert>
#include <utility>
#include <vector>

namespace pgweir::admin {

namespace {

using protocol::message_reader;
using protocol::message_writer;
using protocol::severity;

constexpr std::string_view protocol_violation = "08P01";

/// Longest name of a statement or portal, in bytes.
constexpr std::size_t name_limit = 255;

void put_empty(std::string& out, char type) {
    const message_writer message(out, type);
}

std::size_t columns_of(const command& what) noexcept {
    if (const auto* show = std::get_if<show_command>(&what)) {
        return column_count(show->what);
    }
    return std::holds_alternative<show_parameter>(what) ? 1 : 0;
}

void describe(const command& what, const column_formats& formats, std::string& out) {
    if (const auto* parameter = std::get_if<show_parameter>(&what)) {
        describe_parameter(out, *parameter, formats);
    } else if (columns_of(what) > 0) {
        describe_show(out, std::get<show_command>(what).what, formats);
    } else {
        put_empty(out, 'n');
    }
}

/// The body of a Parse. Types of parameters may be declared, though no command has any.
struct parse_message {
    std::string_view name;
    std::string_view sql;
};

std::optional<parse_message> read_parse(std::string_view body) {
    message_reader in(body);
    parse_message found{in.cstring(), in.cstring()};
    const auto types = static_cast<std::uint16_t>(in.int16());
    in.bytes(std::size_t{4} * types);
    return in.at_end() ? std::optional(found) : std::nullopt;
}

struct bind_message {
    std::string_view portal;
    std::string_view statement;
    std::uint16_t parameters = 0;
    std::vector<std::int16_t> result_formats;
};

std::optional<bind_message> read_bind(std::string_view body) {
    message_reader in(body);
    bind_message found;
    found.portal = in.cstring();
    found.statement = in.cstring();
    const auto formats = static_cast<std::uint16_t>(in.int16());
    in.bytes(std::size_t{2} * formats);
    found.parameters = static_cast<std::uint16_t>(in.int16());
    for (std::uint16_t i = 0; in.ok() && i < found.parameters; ++i) {
        const std::int32_t length = in.int32();
        if (length < -1) {
            return std::nullopt;
        }
        in.bytes(length < 0 ? 0 : static_cast<std::size_t>(length));
    }
    const auto results = static_cast<std::uint16_t>(in.int16());
    for (std::uint16_t i = 0; in.ok() && i < results; ++i) {
        found.result_formats.push_back(in.int16());
    }
    return in.at_end() ? std::optional(std::move(found)) : std::nullopt;
}

/// Describe and Close name a statement (S) or a portal (P).
struct target_message {
    char kind = 0;
    std::string_view name;
};

std::optional<target_message> read_target(std::string_view body) {
    message_reader in(body);
    target_message found;
    found.kind = in.byte();
    found.name = in.cstring();
    const bool known = found.kind == 'S' || found.kind == 'P';
    return in.at_end() && known ? std::optional(found) : std::nullopt;
}

std::string no_statement(std::string_view name) {
    return name.empty() ? "unnamed prepared statement does not exist"
                        : fmt::format("prepared statement \"{}\" does not exist", name);
}

std::string no_portal(std::string_view name) {
    return fmt::format("portal \"{}\" does not exist", name);
}

/// The length of the first message in a string of whole ones.
std::size_t first_message_size(std::string_view messages) {
    message_reader in(messages.substr(1));
    return 1 + static_cast<std::size_t>(in.int32());
}

}  // namespace

console::action console::on_message(char type, std::string_view body, std::string& out) {
    assert(!busy());
    if (type == 'X') {
        return action::close;
    }
    if (skipping_ && type != 'S') {
        return action::reply;
    }
    switch (type) {
        case 'Q':
            return on_query(body, out);
        case 'P':
            return on_parse(body, out);
        case 'B':
            return on_bind(body, out);
        case 'D':
            return on_describe(body, out);
        case 'E':
            return on_execute(body, out);
        case 'C':
            return on_close(body, out);
        case 'H':
            return action::reply;
        case 'S':
            return on_sync(out);
        default:
            return broken("unsupported packet type for admin console", out);
    }
}

console::action console::on_query(std::string_view body, std::string& out) {
    message_reader in(body);
    const std::string_view sql = in.cstring();
    if (!in.at_end()) {
        return broken("failed to parse packet", out);
    }
    flow_ = flow::simple;
    portals_.clear();
    statements_.erase(std::string());
    const result<command> parsed = parse_command(sql);
    if (!parsed) {
        return fail(protocol_violation, parsed.error().message, out);
    }
    return start(*parsed, out);
}

console::action console::on_parse(std::string_view body, std::string& out) {
    flow_ = flow::extended;
    const auto message = read_parse(body);
    if (!message) {
        return broken("failed to parse packet", out);
    }
    if (message->name.size() > name_limit) {
        return fail("42622", "statement name too long", out);
    }
    const bool known = statements_.find(message->name) != statements_.end();
    if (known && !message->name.empty()) {
        return fail(
            "42P05", fmt::format("prepared statement \"{}\" already exists", message->name), out
        );
    }
    if (!known && statements_.size() >= statement_limit) {
        return fail("53400", "too many prepared statements in the console", out);
    }
    result<command> parsed = parse_command(message->sql);
    if (!parsed) {
        return fail(protocol_violation, parsed.error().message, out);
    }
    statements_.insert_or_assign(std::string(message->name), std::move(*parsed));
    put_empty(out, '1');
    return action::reply;
}

console::action console::on_bind(std::string_view body, std::string& out) {
    flow_ = flow::extended;
    auto message = read_bind(body);
    if (!message) {
        return broken("failed to parse packet", out);
    }
    const auto found = statements_.find(message->statement);
    if (found == statements_.end()) {
        return fail("26000", no_statement(message->statement), out);
    }
    if (message->parameters != 0) {
        return fail(protocol_violation, "console commands take no parameters", out);
    }
    for (const std::int16_t format : message->result_formats) {
        if (format != 0 && format != 1) {
            return fail("22023", fmt::format("unsupported format code: {}", format), out);
        }
    }
    column_formats formats(std::move(message->result_formats));
    if (!formats.fits(columns_of(found->second))) {
        return fail(protocol_violation, "result formats do not match the columns", out);
    }
    if (message->portal.size() > name_limit) {
        return fail("42622", "portal name too long", out);
    }
    const bool known = portals_.find(message->portal) != portals_.end();
    if (known && !message->portal.empty()) {
        return fail("42P03", fmt::format("portal \"{}\" already exists", message->portal), out);
    }
    if (!known && portals_.size() >= statement_limit) {
        return fail("53400", "too many portals in the console", out);
    }
    portals_.insert_or_assign(
        std::string(message->portal), portal{found->second, std::move(formats), false, {}}
    );
    put_empty(out, '2');
    return action::reply;
}

console::action console::on_describe(std::string_view body, std::string& out) {
    flow_ = flow::extended;
    const auto target = read_target(body);
    if (!target) {
        return broken("failed to parse packet", out);
    }
    if (target->kind == 'P') {
        const auto found = portals_.find(target->name);
        if (found == portals_.end()) {
            return fail("34000", no_portal(target->name), out);
        }
        describe(found->second.what, found->second.formats, out);
        return action::reply;
    }
    const auto found = statements_.find(target->name);
    if (found == statements_.end()) {
        return fail("26000", no_statement(target->name), out);
    }
    message_writer(out, 't').int16(0);  // ParameterDescription
    describe(found->second, {}, out);
    return action::reply;
}

console::action console::on_execute(std::string_view body, std::string& out) {
    flow_ = flow::extended;
    message_reader in(body);
    const std::string_view name = in.cstring();
    const std::int32_t limit = in.int32();
    if (!in.at_end()) {
        return broken("failed to parse packet", out);
    }
    const auto found = portals_.find(name);
    if (found == portals_.end()) {
        return fail("34000", no_portal(name), out);
    }
    portal& chosen = found->second;
    if (chosen.ran && columns_of(chosen.what) == 0) {
        return fail("55000", fmt::format("portal \"{}\" cannot be run", name), out);
    }
    row_limit_ = limit;
    if (chosen.ran) {
        return send_rows(chosen, out);
    }
    chosen.ran = true;
    running_ = &chosen;
    return start(chosen.what, out);
}

console::action console::on_close(std::string_view body, std::string& out) {
    flow_ = flow::extended;
    const auto target = read_target(body);
    if (!target) {
        return broken("failed to parse packet", out);
    }
    if (target->kind == 'S') {
        statements_.erase(std::string(target->name));
    } else {
        portals_.erase(std::string(target->name));
    }
    put_empty(out, '3');
    return action::reply;
}

// The end of Sync's implicit transaction ends its portals.
console::action console::on_sync(std::string& out) {
    skipping_ = false;
    portals_.clear();
    protocol::put_ready_for_query(out, protocol::transaction_status::idle);
    return action::reply;
}

console::action console::start(const command& what, std::string& out) {
    if (const auto* show = std::get_if<show_command>(&what)) {
        return start_show(show->what, out);
    }
    if (const auto* changing = std::get_if<operation>(&what)) {
        return start_operation(*changing, out);
    }
    if (const auto* parameter = std::get_if<show_parameter>(&what)) {
        return answer_parameter(*parameter, out);
    }
    if (std::holds_alternative<ignored_set>(what)) {
        protocol::put_notice(out, "00000", "SET ignored");
        return complete("SET", out);
    }
    put_empty(out, 'I');
    return end_statement(out);
}

console::action console::start_show(show_kind what, std::string& out) {
    if (what == show_kind::fds) {
        // It hands over sockets and secrets, so those who may not see them learn no more than that.
        return access_ == access_level::admin
                   ? fail("0A000", "SHOW FDS is not supported yet", out)
                   : fail(protocol_violation, "admin access needed", out);
    }
    show_ = what;
    if (what == show_kind::help || what == show_kind::version) {
        return answer_show({}, out);
    }
    pending_ = pending::show;
    return action::show;
}

console::action console::start_operation(const operation& what, std::string& out) {
    if (access_ != access_level::admin) {
        return fail(protocol_violation, "admin access needed", out);
    }
    const std::string refusal = argument_error(what);
    if (!refusal.empty()) {
        return fail(protocol_violation, refusal, out);
    }
    if (what.what == operation_kind::suspend) {
        return fail("0A000", "SUSPEND is not supported yet", out);
    }
    operation_ = what;
    pending_ = pending::run;
    return action::run;
}

void console::render(const snapshot& data, std::string& out) {
    assert(pending_ == pending::show);
    pending_ = pending::nothing;
    answer_show(data, out);
}

void console::finished(const operation_result& how, std::string& out) {
    assert(pending_ == pending::run);
    pending_ = pending::nothing;
    if (how.error.empty()) {
        if (!how.notice.empty()) {
            protocol::put_notice(out, "00000", how.notice);
        }
        complete(command_tag(operation_), out);
    } else if (operation_.what == operation_kind::reload) {
        fail("F0000", "RELOAD failed, see logs for additional details", out, how.error);
    } else {
        fail(how.sqlstate, how.error, out);
    }
}

console::action console::answer_show(const snapshot& data, std::string& out) {
    if (flow_ == flow::extended && column_count(show_) > 0) {
        put_show_rows(running_->rows, show_, data, running_->formats);
        return send_rows(*running_, out);
    }
    if (flow_ == flow::extended) {
        put_show_rows(out, show_, data);
        return complete("SHOW", out);
    }
    put_show(out, show_, data);
    return end_statement(out);
}

console::action console::answer_parameter(const show_parameter& parameter, std::string& out) {
    if (flow_ == flow::extended) {
        put_parameter_row(running_->rows, parameter);
        return send_rows(*running_, out);
    }
    describe_parameter(out, parameter);
    put_parameter_row(out, parameter);
    return complete("SHOW", out);
}

// Up to the limit of the Execute under way; 0 and less is none. The portal keeps the others.
console::action console::send_rows(portal& from, std::string& out) {
    const std::string_view rows = from.rows;
    std::size_t sent = 0;
    std::int32_t count = 0;
    while (sent < rows.size() && (row_limit_ <= 0 || count < row_limit_)) {
        sent += first_message_size(rows.substr(sent));
        ++count;
    }
    out += rows.substr(0, sent);
    from.rows.erase(0, sent);
    // As PostgreSQL does it, a limit that was just reached suspends, though nothing may be left.
    if (row_limit_ > 0 && count == row_limit_) {
        put_empty(out, 's');
        return action::reply;
    }
    return complete("SHOW", out);
}

console::action console::complete(std::string_view tag, std::string& out) {
    protocol::put_command_complete(out, tag);
    return end_statement(out);
}

console::action console::end_statement(std::string& out) {
    if (flow_ == flow::simple) {
        protocol::put_ready_for_query(out, protocol::transaction_status::idle);
    }
    return action::reply;
}

console::action console::fail(
    std::string_view sqlstate, std::string_view message, std::string& out, std::string_view detail
) {
    protocol::put_error(out, severity::error, sqlstate, message, detail);
    skipping_ = flow_ == flow::extended;
    return end_statement(out);
}

console::action console::broken(std::string_view message, std::string& out) {
    protocol::put_error(out, severity::fatal, protocol_violation, message);
    return action::close;
}

}  // namespace pgweir::admin
