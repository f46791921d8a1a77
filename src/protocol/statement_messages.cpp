#include "protocol/statement_messages.hpp"

#include "protocol/frame.hpp"
#include "protocol/message.hpp"

#include <charconv>

namespace pgweir::protocol {

namespace {

/// For settings that are put right among a client's messages; closed again each time.
constexpr std::string_view setter = "PGWEIR_set";

void put_about(std::string& out, char type, char what, std::string_view name) {
    message_writer(out, type).byte(what).cstring(name);
}

/// What runs the setter's portal, and leaves nothing of it.
void put_execution(std::string& out) {
    message_writer(out, 'E').cstring(setter).int32(0);
    put_about(out, 'C', 'P', setter);
    put_about(out, 'C', 'S', setter);
}

}  // namespace

std::optional<parse_message> read_parse(std::string_view body) noexcept {
    message_reader reader(body);
    parse_message message;
    message.statement = reader.cstring();
    message.definition = reader.rest();
    message.query = reader.cstring();
    const std::int16_t types = reader.int16();
    if (!reader.ok() || types < 0 || reader.rest().size() != std::size_t(types) * 4) {
        return std::nullopt;
    }
    return message;
}

std::optional<bind_head> read_bind_head(std::string_view body) noexcept {
    message_reader reader(body);
    bind_head head;
    head.portal = reader.cstring();
    head.statement = reader.cstring();
    head.rest = reader.rest();
    if (!reader.ok()) {
        return std::nullopt;
    }
    return head;
}

std::optional<std::string_view> read_statement_name(std::string_view body) noexcept {
    message_reader reader(body);
    const char what = reader.byte();
    const std::string_view name = reader.cstring();
    if (!reader.at_end() || what != 'S') {
        return std::nullopt;
    }
    return name;
}

void put_parse(std::string& out, std::string_view statement, std::string_view definition) {
    message_writer(out, 'P').cstring(statement).bytes(definition);
}

void put_bind_head(
    std::string& out, const bind_head& head, std::string_view statement, std::size_t body_length
) {
    const std::size_t begin = out.size();
    message_writer(out, 'B').cstring(head.portal).cstring(statement).bytes(head.rest);
    const std::size_t length = body_length - head.statement.size() + statement.size() + 4;
    for (std::size_t i = 0; i < 4; i++) {
        out[begin + 1 + i] = static_cast<char>(length >> (24 - 8 * i));
    }
}

void put_describe_statement(std::string& out, std::string_view statement) {
    put_about(out, 'D', 'S', statement);
}

void put_close_statement(std::string& out, std::string_view statement) {
    put_about(out, 'C', 'S', statement);
}

void put_flush(std::string& out) {
    message_writer(out, 'H');
}

void put_parse_complete(std::string& out) {
    message_writer(out, '1');
}

void put_close_complete(std::string& out) {
    message_writer(out, '3');
}

void put_bind_complete(std::string& out) {
    message_writer(out, '2');
}

void put_no_data(std::string& out) {
    message_writer(out, 'n');
}

void put_no_parameters(std::string& out) {
    message_writer(out, 't').int16(0);
}

void put_statement(std::string& out, std::string_view sql) {
    put_close_statement(out, setter);
    message_writer(out, 'P').cstring(setter).cstring(sql).int16(0);
    message_writer(out, 'B').cstring(setter).cstring(setter).int16(0).int16(0).int16(0);
    put_execution(out);
}

void put_set_config(std::string& out, std::string_view name, std::string_view value) {
    put_close_statement(out, setter);
    message_writer(out, 'P')
        .cstring(setter)
        .cstring("SELECT pg_catalog.set_config($1,$2,false)")
        .int16(0);
    message_writer(out, 'B')
        .cstring(setter)
        .cstring(setter)
        .int16(0)
        .int16(2)
        .int32(static_cast<std::int32_t>(name.size()))
        .bytes(name)
        .int32(static_cast<std::int32_t>(value.size()))
        .bytes(value)
        .int16(0);
    put_execution(out);
}

std::optional<std::string> move_error(std::string_view raw, std::uint32_t behind, std::int32_t by) {
    message_reader reader(raw.substr(header_size));
    while (const char code = reader.byte()) {
        const std::string_view value = reader.cstring();
        std::uint32_t position = 0;
        if (!reader.ok()) {
            break;
        }
        if (code != 'P' ||
            std::from_chars(value.data(), value.data() + value.size(), position).ec !=
                std::errc() ||
            position <= behind) {
            continue;
        }
        const std::size_t at = std::size_t(value.data() - raw.data());
        std::string out;
        message_writer(out, raw[0])
            .bytes(raw.substr(header_size, at - header_size))
            .bytes(std::to_string(std::int64_t{position} + by))
            .bytes(raw.substr(at + value.size()));
        return out;
    }
    return std::nullopt;
}

std::optional<std::string> replace_in_error(
    std::string_view raw, std::string_view word, std::string_view replacement
) {
    const error_fields fields = read_error(raw.substr(header_size));
    const std::size_t in_message = fields.message.find(word);
    if (in_message == std::string_view::npos) {
        return std::nullopt;
    }
    const std::size_t at = std::size_t(fields.message.data() - raw.data()) + in_message;
    message_reader header(raw.substr(1));
    const auto length = static_cast<std::size_t>(header.int32()) - word.size() + replacement.size();
    std::string out;
    message_writer(out, raw[0])
        .bytes(raw.substr(header_size, at - header_size))
        .bytes(replacement)
        .bytes(raw.substr(at + word.size()));
    for (std::size_t i = 0; i < 4; i++) {
        out[1 + i] = static_cast<char>(length >> (24 - 8 * i));
    }
    return out;
}

}  // namespace pgweir::protocol
