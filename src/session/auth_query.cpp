#include "session/auth_query.hpp"

#include "config/values.hpp"
#include "protocol/message.hpp"

#include <fmt/format.h>

#include <utility>

namespace pgweir::session {

namespace {

/// Names and secrets are far shorter, and so is a message about an error.
constexpr std::uint32_t longest_message = 64 * 1024;

const std::string& first_set(const std::string& a, const std::string& b) noexcept {
    return a.empty() ? b : a;
}

}  // namespace

std::optional<auth_query_request> auth_query_for(
    const config::configuration& all, std::string_view database, std::string_view user
) {
    // Who wants the console can be looked up where auth_dbname says, but not there.
    const auto db =
        config::is_console_name(database) ? std::nullopt : config::resolve_database(all, database);
    const config::database own = db.value_or(config::database{});
    const config::settings& global = all.global;
    auth_query_request made;
    made.auth_user = first_set(own.auth_user, global.auth_user);
    made.query = first_set(own.auth_query, global.auth_query);
    made.database = first_set(own.auth_dbname, global.auth_dbname);
    made.user = user;
    if (made.database.empty() && db) {
        made.database = database;
    }
    if (made.auth_user.empty() || made.query.empty() || made.database.empty()) {
        return std::nullopt;
    }
    return made;
}

void put_auth_query(std::string& out, const auth_query_request& what) {
    using protocol::message_writer;
    message_writer(out, 'P').cstring("").cstring(what.query).int16(0);
    message_writer(out, 'B')
        .cstring("")
        .cstring("")
        .int16(0)
        .int16(1)
        .int32(static_cast<std::int32_t>(what.user.size()))
        .bytes(what.user)
        .int16(0);
    message_writer(out, 'D').byte('P').cstring("");
    message_writer(out, 'E').cstring("").int32(0);
    protocol::put_sync(out);
}

auth_reply::auth_reply() : scanner_(protocol::all_types, longest_message, longest_message) {}

void auth_reply::feed(std::string_view bytes) {
    scanner_.feed(bytes);
    for (;;) {
        switch (scanner_.next()) {
            case protocol::frame_scanner::event::end:
                return;
            case protocol::frame_scanner::event::message:
                on_message(scanner_.type(), scanner_.body());
                continue;
            case protocol::frame_scanner::event::header:
            case protocol::frame_scanner::event::head:
            case protocol::frame_scanner::event::malformed:
                return fail("a message that is too long");
        }
    }
}

void auth_reply::on_message(char type, std::string_view body) {
    switch (type) {
        case 'T':
            return on_description(body);
        case 'D':
            return on_row(body);
        case 'E':
            return fail(std::string(protocol::read_error(body).message));
        case 'n':
            return fail("it returns nothing; expected two columns: user name and password");
        case 'C':
            complete_ = true;
            return;
        default:
            return;
    }
}

void auth_reply::on_description(std::string_view body) {
    protocol::message_reader reader(body);
    const int columns = reader.int16();
    if (!reader.ok() || columns != 2) {
        return fail(fmt::format("{} columns; expected two: user name and password", columns));
    }
    described_ = true;
}

void auth_reply::on_row(std::string_view body) {
    if (std::exchange(row_seen_, true)) {
        return fail("more than one row; expected one user at most");
    }
    protocol::message_reader reader(body);
    if (reader.int16() != 2 || !described_) {
        return fail("a row that is not of two columns");
    }
    const std::int32_t name_size = reader.int32();
    const std::string_view name =
        name_size > 0 ? reader.bytes(static_cast<std::size_t>(name_size)) : std::string_view();
    const std::int32_t size = reader.int32();
    const std::string_view password =
        size > 0 ? reader.bytes(static_cast<std::size_t>(size)) : std::string_view();
    if (!reader.at_end()) {
        return fail("a row that is cut");
    }
    if (name.empty()) {
        return fail("the user name (the first column) is NULL or empty");
    }
    if (found_.what == looked_up::kind::refused) {
        return;
    }
    if (size < 0) {
        return;  // no password, or one that is not valid any more: nobody
    }
    found_.what = looked_up::kind::found;
    found_.name = name;
    found_.password = secret(password);
}

void auth_reply::fail(std::string detail) {
    if (found_.what == looked_up::kind::refused) {
        return;  // the first is the best
    }
    found_.what = looked_up::kind::refused;
    found_.code = errc::auth_query_failed;
    found_.detail = detail.empty() ? "an error without a text" : std::move(detail);
    found_.password = secret();
}

looked_up auth_reply::result() && {
    if (!complete_ && found_.what != looked_up::kind::refused) {
        fail("no end of the answer");
    }
    return std::move(found_);
}

}  // namespace pgweir::session
