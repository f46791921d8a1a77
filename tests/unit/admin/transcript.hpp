#pragma once

// What a server sent, one readable line for each message, for tests to compare:
//   T database:25 pool_size:23      RowDescription, names and type OIDs (":b" for binary)
//   D shop|20|NULL                  DataRow
//   C SHOW   Z I   1   2   n   s    CommandComplete, ReadyForQuery, those without a body
//   E ERROR 08P01 text              ErrorResponse; N for notices; "(detail)" at the end if there is
//   one S name=value                    ParameterStatus
// A message that cannot be read is the line "broken".

#include "protocol/message.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::admin::test {

struct raw_message {
    char type = 0;
    std::string body;
};

inline std::vector<raw_message> messages_in(std::string_view bytes) {
    std::vector<raw_message> found;
    while (!bytes.empty()) {
        protocol::message_reader in(bytes);
        raw_message message;
        message.type = in.byte();
        const std::int32_t length = in.int32();
        message.body = in.bytes(length < 4 ? bytes.size() : static_cast<std::size_t>(length) - 4);
        if (!in.ok()) {
            found.push_back({'?', {}});
            break;
        }
        bytes = in.rest();
        found.push_back(std::move(message));
    }
    return found;
}

inline std::string row_description(std::string_view body) {
    protocol::message_reader in(body);
    std::string line = "T";
    for (std::int16_t left = in.int16(); left > 0 && in.ok(); --left) {
        const std::string_view name = in.cstring();
        in.int32();
        in.int16();
        const std::int32_t type = in.int32();
        in.int16();
        in.int32();
        line += fmt::format(" {}:{}{}", name, type, in.int16() == 1 ? ":b" : "");
    }
    return in.at_end() ? line : "broken";
}

/// The fields of a DataRow; NULL as that word.
inline std::vector<std::string> row_fields(std::string_view body) {
    protocol::message_reader in(body);
    std::vector<std::string> fields;
    for (std::int16_t left = in.int16(); left > 0 && in.ok(); --left) {
        const std::int32_t length = in.int32();
        fields.emplace_back(
            length < 0 ? "NULL" : std::string(in.bytes(static_cast<std::size_t>(length)))
        );
    }
    return in.at_end() ? fields : std::vector<std::string>{"broken"};
}

inline std::string error_line(const raw_message& message) {
    const protocol::error_fields fields = protocol::read_error(message.body);
    std::string line =
        fmt::format("{} {} {} {}", message.type, fields.severity, fields.sqlstate, fields.message);
    return fields.detail.empty() ? line : fmt::format("{} ({})", line, fields.detail);
}

inline std::string line_of(const raw_message& message) {
    protocol::message_reader in(message.body);
    switch (message.type) {
        case 'T':
            return row_description(message.body);
        case 'D':
            return fmt::format("D {}", fmt::join(row_fields(message.body), "|"));
        case 'C':
            return fmt::format("C {}", in.cstring());
        case 'Z':
            return fmt::format("Z {}", message.body);
        case 'E':
        case 'N':
            return error_line(message);
        case 'S': {
            const std::string_view name = in.cstring();
            return message.body.empty() ? "S" : fmt::format("S {}={}", name, in.cstring());
        }
        default:
            return std::string(1, message.type);
    }
}

inline std::vector<std::string> transcript(std::string_view bytes) {
    std::vector<std::string> lines;
    for (const raw_message& message : messages_in(bytes)) {
        lines.push_back(message.type == '?' ? "broken" : line_of(message));
    }
    return lines;
}

}  // namespace pgweir::admin::test
