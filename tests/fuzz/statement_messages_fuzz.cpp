// Parse, Bind, Describe, Close and errors that name a prepared statement: what is read lies in the
// body, and the message with another name is the same but for the name. The first byte picks the
// reader, the rest is the body.

#include "protocol/frame.hpp"
#include "protocol/message.hpp"
#include "protocol/statement_messages.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace pgweir::protocol;

namespace {

constexpr std::string_view other = "PGWEIR_4711";

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

void require_within(std::string_view part, std::string_view body) {
    require(part.data() >= body.data() && part.data() + part.size() <= body.data() + body.size());
}

/// The only message in these bytes.
std::string_view only_body(std::string_view message, char type) {
    require(message.size() >= header_size && message[0] == type);
    message_reader reader(message.substr(1));
    require(static_cast<std::size_t>(reader.int32()) == message.size() - 1);
    return reader.rest();
}

void check_parse(std::string_view body) {
    const auto read = read_parse(body);
    if (!read) {
        return;
    }
    require_within(read->statement, body);
    require_within(read->query, body);
    require_within(read->definition, body);
    std::string written;
    put_parse(written, other, read->definition);
    const auto again = read_parse(only_body(written, 'P'));
    require(again && again->statement == other && again->definition == read->definition);
    written.clear();
    put_parse(written, read->statement, read->definition);
    require(only_body(written, 'P') == body);
}

void check_bind(std::string_view body) {
    const auto read = read_bind_head(body);
    if (!read) {
        return;
    }
    require_within(read->rest, body);
    std::string written;
    put_bind_head(written, *read, other, body.size());
    const auto again = read_bind_head(only_body(written, 'B'));
    require(again && again->portal == read->portal && again->statement == other);
    require(again->rest == read->rest);
    // Every shorter beginning that has the names is the same message.
    const std::size_t names = body.size() - read->rest.size();
    const auto shorter = read_bind_head(body.substr(0, names));
    require(shorter && shorter->statement == read->statement && shorter->rest.empty());
    require(names == 0 || !read_bind_head(body.substr(0, names - 1)));
}

void check_name(std::string_view body) {
    const auto name = read_statement_name(body);
    if (!name) {
        return;
    }
    std::string written;
    put_describe_statement(written, *name);
    require(only_body(written, 'D') == body);
    written.clear();
    put_close_statement(written, *name);
    require(only_body(written, 'C') == body);
}

void check_error(std::string_view body) {
    std::string raw;
    message_writer(raw, 'E').bytes(body);
    const error_fields before = read_error(std::string_view(raw).substr(header_size));
    const std::size_t at = before.message.find("PGWEIR_");
    const auto changed = replace_in_error(raw, "PGWEIR_", "name");
    require(changed.has_value() == (at != std::string_view::npos));
    if (changed) {
        const error_fields after = read_error(only_body(*changed, 'E'));
        std::string expected(before.message);
        expected.replace(at, 7, "name");
        require(after.message == expected && after.sqlstate == before.sqlstate);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string body(data + 1, data + size);
    switch (data[0]) {
        case 'P':
            check_parse(body);
            break;
        case 'B':
            check_bind(body);
            break;
        case 'D':
            check_name(body);
            break;
        default:
            check_error(body);
    }
    return 0;
}
