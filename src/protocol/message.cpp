#include "protocol/message.hpp"

#include <array>

namespace pgweir::protocol {

namespace {

// Codes of the "R" messages.
constexpr std::int32_t auth_ok = 0;
constexpr std::int32_t auth_cleartext = 3;
constexpr std::int32_t auth_md5 = 5;
constexpr std::int32_t auth_sasl = 10;
constexpr std::int32_t auth_sasl_continue = 11;
constexpr std::int32_t auth_sasl_final = 12;

constexpr std::size_t salt_size = 4;

std::array<char, 4> big_endian(std::uint32_t value) {
    return {
        static_cast<char>(value >> 24),
        static_cast<char>(value >> 16),
        static_cast<char>(value >> 8),
        static_cast<char>(value)};
}

std::uint32_t from_big_endian(std::string_view bytes) {
    std::uint32_t value = 0;
    for (char byte : bytes) {
        value = value << 8 | static_cast<unsigned char>(byte);
    }
    return value;
}

void put_report(
    std::string& out,
    char type,
    std::string_view severity,
    std::string_view sqlstate,
    std::string_view message,
    std::string_view addition,
    std::string_view detail,
    std::string_view hint
) {
    std::string text(message);
    text += addition;
    message_writer writer(out, type);
    const auto put = [&writer](char code, std::string_view value) {
        writer.byte(code).cstring(value);
    };
    put('S', severity);
    put('V', severity);
    put('C', sqlstate);
    put('M', text);
    if (!detail.empty()) {
        put('D', detail);
    }
    if (!hint.empty()) {
        put('H', hint);
    }
    writer.byte(0);
}

std::string_view name_of(severity how) {
    return how == severity::fatal ? "FATAL" : "ERROR";
}

/// The size that RowDescription tells for a type: negative if it varies.
std::int16_t size_of_type(std::int32_t oid) {
    switch (oid) {
        case 16:  // bool
            return 1;
        case 21:  // int2
            return 2;
        case 23:  // int4
        case 26:  // oid
            return 4;
        case 20:    // int8
        case 701:   // float8
        case 1114:  // timestamp
        case 1184:  // timestamptz
            return 8;
        default:
            return -1;
    }
}

}  // namespace

// message_writer

message_writer::message_writer(std::string& out, char type) : out_(out) {
    if (type != 0) {
        out_.push_back(type);
    }
    length_at_ = out_.size();
    out_.append(4, '\0');
}

message_writer::~message_writer() {
    const auto length = big_endian(static_cast<std::uint32_t>(out_.size() - length_at_));
    out_.replace(length_at_, length.size(), length.data(), length.size());
}

message_writer& message_writer::byte(char value) {
    out_.push_back(value);
    return *this;
}

message_writer& message_writer::int16(std::int16_t value) {
    const auto bits = static_cast<std::uint16_t>(value);
    out_.push_back(static_cast<char>(bits >> 8));
    out_.push_back(static_cast<char>(bits));
    return *this;
}

message_writer& message_writer::int32(std::int32_t value) {
    const auto raw = big_endian(static_cast<std::uint32_t>(value));
    out_.append(raw.data(), raw.size());
    return *this;
}

message_writer& message_writer::cstring(std::string_view text) {
    out_.append(text.substr(0, text.find('\0')));
    out_.push_back('\0');
    return *this;
}

message_writer& message_writer::bytes(std::string_view raw) {
    out_.append(raw);
    return *this;
}

// message_reader

std::string_view message_reader::bytes(std::size_t count) noexcept {
    if (!ok_ || rest_.size() < count) {
        ok_ = false;
        rest_ = {};
        return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
}

char message_reader::byte() noexcept {
    const std::string_view raw = bytes(1);
    return raw.empty() ? '\0' : raw.front();
}

std::int16_t message_reader::int16() noexcept {
    return static_cast<std::int16_t>(from_big_endian(bytes(2)));
}

std::int32_t message_reader::int32() noexcept {
    return static_cast<std::int32_t>(from_big_endian(bytes(4)));
}

std::string_view message_reader::cstring() noexcept {
    const std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) {
        ok_ = false;
        rest_ = {};
        return {};
    }
    const std::string_view text = bytes(end);
    bytes(1);
    return text;
}

// Messages to a client.

void put_error(
    std::string& out,
    severity how,
    std::string_view sqlstate,
    std::string_view message,
    std::string_view detail,
    std::string_view hint
) {
    put_report(out, 'E', name_of(how), sqlstate, message, {}, detail, hint);
}

void put_error(std::string& out, severity how, errc code, std::string_view addition) {
    const error_text& text = text_of(code);
    put_report(out, 'E', name_of(how), text.sqlstate, text.message, addition, {}, {});
}

void put_notice(
    std::string& out, std::string_view sqlstate, std::string_view message, std::string_view detail
) {
    put_report(out, 'N', "NOTICE", sqlstate, message, {}, detail, {});
}

void put_ready_for_query(std::string& out, transaction_status status) {
    message_writer(out, 'Z').byte(static_cast<char>(status));
}

void put_command_complete(std::string& out, std::string_view tag) {
    message_writer(out, 'C').cstring(tag);
}

void put_parameter_status(std::string& out, std::string_view name, std::string_view value) {
    message_writer(out, 'S').cstring(name).cstring(value);
}

void put_backend_key_data(std::string& out, std::int32_t process_id, std::int32_t secret_key) {
    message_writer(out, 'K').int32(process_id).int32(secret_key);
}

void put_cancel_key(std::string& out, std::uint64_t key) {
    put_backend_key_data(
        out, static_cast<std::int32_t>(key >> 32), static_cast<std::int32_t>(key & 0xffffffff)
    );
}

void put_negotiate_protocol_version(
    std::string& out, std::int32_t version, const std::vector<std::string>& unknown_options
) {
    message_writer writer(out, 'v');
    writer.int32(version).int32(static_cast<std::int32_t>(unknown_options.size()));
    for (const std::string& name : unknown_options) {
        writer.cstring(name);
    }
}

void put_row_description(std::string& out, const std::vector<column>& columns) {
    message_writer writer(out, 'T');
    writer.int16(static_cast<std::int16_t>(columns.size()));
    for (const column& each : columns) {
        writer.cstring(each.name);
        writer.int32(0).int16(0);  // of no table
        writer.int32(each.type_oid).int16(size_of_type(each.type_oid));
        writer.int32(-1).int16(0);  // no type modifier, text format
    }
}

void put_data_row(std::string& out, const std::vector<field>& fields) {
    message_writer writer(out, 'D');
    writer.int16(static_cast<std::int16_t>(fields.size()));
    for (const field& each : fields) {
        if (each) {
            writer.int32(static_cast<std::int32_t>(each->size())).bytes(*each);
        } else {
            writer.int32(-1);
        }
    }
}

// Authentication requests to a client.

void put_authentication_ok(std::string& out) {
    message_writer(out, 'R').int32(auth_ok);
}

void put_authentication_cleartext(std::string& out) {
    message_writer(out, 'R').int32(auth_cleartext);
}

void put_authentication_md5(std::string& out, std::string_view salt) {
    message_writer(out, 'R').int32(auth_md5).bytes(salt.substr(0, salt_size));
}

void put_authentication_sasl(std::string& out, std::initializer_list<std::string_view> mechanisms) {
    message_writer writer(out, 'R');
    writer.int32(auth_sasl);
    for (std::string_view name : mechanisms) {
        writer.cstring(name);
    }
    writer.byte(0);
}

void put_authentication_sasl_continue(std::string& out, std::string_view data) {
    message_writer(out, 'R').int32(auth_sasl_continue).bytes(data);
}

void put_authentication_sasl_final(std::string& out, std::string_view data) {
    message_writer(out, 'R').int32(auth_sasl_final).bytes(data);
}

// Messages to a server.

void put_query(std::string& out, std::string_view sql) {
    message_writer(out, 'Q').cstring(sql);
}

void put_sync(std::string& out) {
    message_writer(out, 'S');
}

void put_terminate(std::string& out) {
    message_writer(out, 'X');
}

void put_password(std::string& out, std::string_view password) {
    message_writer(out, 'p').cstring(password);
}

void put_sasl_initial_response(
    std::string& out, std::string_view mechanism, std::string_view data
) {
    message_writer(out, 'p')
        .cstring(mechanism)
        .int32(static_cast<std::int32_t>(data.size()))
        .bytes(data);
}

void put_sasl_response(std::string& out, std::string_view data) {
    message_writer(out, 'p').bytes(data);
}

// Reading.

error_fields read_error(std::string_view body) noexcept {
    error_fields fields;
    std::string_view translated;
    message_reader reader(body);
    while (const char code = reader.byte()) {
        const std::string_view value = reader.cstring();
        if (!reader.ok()) {
            break;
        }
        switch (code) {
            case 'V':
                fields.severity = value;
                break;
            case 'S':
                translated = value;
                break;
            case 'C':
                fields.sqlstate = value;
                break;
            case 'M':
                fields.message = value;
                break;
            case 'D':
                fields.detail = value;
                break;
            case 'H':
                fields.hint = value;
                break;
            default:  // Fields that are not known are to be ignored.
                break;
        }
    }
    if (fields.severity.empty()) {
        fields.severity = translated;
    }
    return fields;
}

namespace {

/// The list ends with an empty name, and nothing follows.
bool read_mechanisms(message_reader& reader, std::vector<std::string_view>& names) {
    for (std::string_view name = reader.cstring(); !name.empty(); name = reader.cstring()) {
        names.push_back(name);
    }
    return reader.at_end();
}

}  // namespace

authentication_request read_authentication(std::string_view body) {
    using kind = authentication_request::kind;
    authentication_request request;
    message_reader reader(body);
    request.code = reader.int32();
    if (!reader.ok()) {
        return request;
    }
    const auto exactly = [&reader](kind what) { return reader.at_end() ? what : kind::malformed; };
    switch (request.code) {
        case auth_ok:
            request.what = exactly(kind::ok);
            break;
        case auth_cleartext:
            request.what = exactly(kind::cleartext);
            break;
        case auth_md5:
            request.data = reader.bytes(salt_size);
            request.what = exactly(kind::md5);
            break;
        case auth_sasl:
            request.what =
                read_mechanisms(reader, request.mechanisms) ? kind::sasl : kind::malformed;
            break;
        case auth_sasl_continue:
            request.what = kind::sasl_continue;
            request.data = reader.rest();
            break;
        case auth_sasl_final:
            request.what = kind::sasl_final;
            request.data = reader.rest();
            break;
        default:
            request.what = kind::unsupported;
            break;
    }
    return request;
}

std::optional<parameter_status> read_parameter_status(std::string_view body) noexcept {
    message_reader reader(body);
    const std::string_view name = reader.cstring();
    const std::string_view value = reader.cstring();
    if (!reader.at_end() || name.empty()) {
        return std::nullopt;
    }
    return parameter_status{name, value};
}

std::optional<backend_key> read_backend_key(std::string_view body) noexcept {
    message_reader reader(body);
    const std::int32_t process_id = reader.int32();
    const std::int32_t secret_key = reader.int32();
    if (!reader.at_end()) {
        return std::nullopt;
    }
    return backend_key{process_id, secret_key};
}

std::optional<sasl_initial> read_sasl_initial(std::string_view body) noexcept {
    message_reader reader(body);
    const std::string_view mechanism = reader.cstring();
    const std::int32_t length = reader.int32();
    if (!reader.ok() || mechanism.empty() || length < -1) {
        return std::nullopt;
    }
    const std::string_view data = reader.bytes(length < 0 ? 0 : static_cast<std::size_t>(length));
    if (!reader.at_end()) {
        return std::nullopt;
    }
    return sasl_initial{mechanism, data};
}

std::optional<std::string_view> read_password(std::string_view body) noexcept {
    message_reader reader(body);
    const std::string_view password = reader.cstring();
    if (!reader.at_end()) {
        return std::nullopt;
    }
    return password;
}

}  // namespace pgweir::protocol
