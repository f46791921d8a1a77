#pragma once

// The messages of extended query that name a prepared statement: what they say, and how they are
// written with another name. Readers never look behind what they are given and report what does not
// fit the format; nothing is copied. PostgreSQL's manual: "Message Formats": Parse, Bind, Describe,
// Close, Flush; "Error and Notice Message Fields".

#include "protocol/pipeline.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::protocol {

struct parse_message {
    std::string_view statement;
    std::string_view query;
    std::string_view definition;  ///< all that follows the name
};

/// A whole body.
std::optional<parse_message> read_parse(std::string_view body) noexcept;

struct bind_head {
    std::string_view portal;
    std::string_view statement;
    std::string_view rest;  ///< what is here of what follows the names
};

/// The beginning of a body; nothing if the names do not end in it.
std::optional<bind_head> read_bind_head(std::string_view body) noexcept;

/// The name of the statement that a whole body of Describe or Close is about; nothing if it is
/// about a portal.
std::optional<std::string_view> read_statement_name(std::string_view body) noexcept;

void put_parse(std::string& out, std::string_view statement, std::string_view definition);

/// The beginning of a Bind for another statement. The message had `body_length` bytes, and what of
/// them is not in `head` still follows.
void put_bind_head(
    std::string& out, const bind_head& head, std::string_view statement, std::size_t body_length
);

void put_describe_statement(std::string& out, std::string_view statement);
void put_close_statement(std::string& out, std::string_view statement);
void put_flush(std::string& out);

void put_parse_complete(std::string& out);
void put_close_complete(std::string& out);
void put_bind_complete(std::string& out);
void put_no_data(std::string& out);

/// Of a statement without parameters.
void put_no_parameters(std::string& out);

/// Runs a statement that returns nothing, by messages of extended query, which may stand among a
/// client's: its unnamed statement and portal stay as they are.
void put_statement(std::string& out, std::string_view sql);

/// Changes a setting for the session by messages of extended query, which may stand among a
/// client's: its unnamed statement and portal stay as they are. The requests are those of
/// set_config_requests.
void put_set_config(std::string& out, std::string_view name, std::string_view value);

/// The requests of the two.
inline constexpr std::array statement_requests = {
    request::close,
    request::parse,
    request::bind,
    request::execute,
    request::close,
    request::close};

/// The error, with its position moved by so many characters if it is behind `behind`. Nothing if it
/// has no such position.
std::optional<std::string> move_error(std::string_view raw, std::uint32_t behind, std::int32_t by);

/// The beginning of an ErrorResponse (header and some of the body, or all), with one word of its
/// message replaced. Nothing if the word is not there.
std::optional<std::string> replace_in_error(
    std::string_view raw, std::string_view word, std::string_view replacement
);

}  // namespace pgweir::protocol
