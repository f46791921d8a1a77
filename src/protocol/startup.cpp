#include "protocol/startup.hpp"

#include "protocol/message.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace pgweir::protocol {

namespace {

constexpr std::int32_t protocol_3_0 = 3 << 16;
constexpr std::int32_t cancel_code = 80877102;
constexpr std::int32_t ssl_code = 80877103;
constexpr std::int32_t gssenc_code = 80877104;

constexpr std::uint32_t smallest_packet = 8;
constexpr std::size_t smallest_key = 4;
constexpr std::size_t largest_key = 256;
constexpr char tls_handshake_record = 0x16;
constexpr std::string_view typed_messages = "QPBDECSHFXdcfp";
constexpr std::string_view protocol_option_prefix = "_pq_.";

startup_result refused(errc code, std::string addition = {}) {
    return {std::nullopt, {code, std::move(addition)}};
}

startup_result bare_request(startup_packet::kind what, const message_reader& reader) {
    if (!reader.at_end()) {
        return refused(errc::malformed_startup);
    }
    startup_packet packet;
    packet.what = what;
    return {std::move(packet)};
}

startup_result cancel_request(message_reader& reader) {
    startup_packet packet;
    packet.what = startup_packet::kind::cancel_request;
    packet.process_id = reader.int32();
    packet.secret_key = reader.rest();
    const std::size_t size = packet.secret_key.size();
    if (!reader.ok() || size < smallest_key || size > largest_key) {
        return refused(errc::malformed_startup);
    }
    return {std::move(packet)};
}

/// Pairs of strings up to an empty name, which must be the packet's last byte.
bool read_parameters(message_reader& reader, startup_packet& packet) {
    for (std::string_view name = reader.cstring(); !name.empty(); name = reader.cstring()) {
        const std::string_view value = reader.cstring();
        if (name.starts_with(protocol_option_prefix)) {
            packet.unknown_protocol_options.emplace_back(name);
        } else {
            packet.parameters.emplace_back(name, value);
        }
    }
    return reader.at_end();
}

startup_result check_names(startup_packet packet) {
    const std::string_view user = packet.find("user").value_or("");
    std::string_view database = packet.find("database").value_or("");
    if (user.empty()) {
        return refused(errc::no_user_name);
    }
    if (user.size() > user_name_limit) {
        return refused(errc::name_too_long, ": user");
    }
    if (database.empty()) {
        database = user;  // as PostgreSQL does
    }
    if (database.size() > database_name_limit) {
        return refused(errc::name_too_long, ": database");
    }
    return {std::move(packet)};
}

startup_result startup_message(std::int32_t version, message_reader& reader) {
    const std::int32_t major = version >> 16;
    const std::int32_t minor = version & 0xffff;
    if (major == 2) {
        return refused(errc::old_protocol);
    }
    if (major != 3) {
        return refused(errc::unsupported_protocol, fmt::format(" {}.{}", major, minor));
    }
    startup_packet packet;
    packet.minor_version = minor;
    if (!read_parameters(reader, packet)) {
        return refused(errc::malformed_startup);
    }
    return check_names(std::move(packet));
}

}  // namespace

startup_frame frame_startup(std::string_view received) noexcept {
    using state = startup_frame::state;
    if (received.empty()) {
        return {};
    }
    if (received.front() == tls_handshake_record) {
        return {state::tls_hello};
    }
    if (received.front() != 0) {
        // As a length this would be above the limit, whatever follows.
        const bool typed = typed_messages.find(received.front()) != std::string_view::npos;
        return {typed ? state::typed_message : state::malformed};
    }
    if (received.size() < 4) {
        return {};
    }
    message_reader reader(received);
    const auto size = static_cast<std::uint32_t>(reader.int32());
    if (size < smallest_packet || size > startup_limit) {
        return {state::malformed};
    }
    return received.size() < size ? startup_frame{} : startup_frame{state::complete, size};
}

std::optional<std::string_view> startup_packet::find(std::string_view name) const noexcept {
    const auto found =
        std::find_if(parameters.rbegin(), parameters.rend(), [name](const auto& parameter) {
            return parameter.first == name;
        });
    return found == parameters.rend() ? std::nullopt : std::optional(found->second);
}

startup_result read_startup(std::string_view packet) {
    message_reader reader(packet);
    const std::int32_t length = reader.int32();
    const std::int32_t code = reader.int32();
    if (!reader.ok() || static_cast<std::size_t>(length) != packet.size()) {
        return refused(errc::malformed_startup);
    }
    switch (code) {
        case cancel_code:
            return cancel_request(reader);
        case ssl_code:
            return bare_request(startup_packet::kind::ssl_request, reader);
        case gssenc_code:
            return bare_request(startup_packet::kind::gssenc_request, reader);
        default:
            return startup_message(code, reader);
    }
}

namespace {

bool is_blank(char byte) {
    return std::string_view(" \t\n\v\f\r").find(byte) != std::string_view::npos;
}

/// Cuts at blanks; a backslash takes the next byte as it is.
std::vector<std::string> split_arguments(std::string_view options) {
    std::vector<std::string> arguments;
    bool in_argument = false;
    for (std::size_t index = 0; index < options.size(); ++index) {
        if (is_blank(options[index])) {
            in_argument = false;
            continue;
        }
        if (!in_argument) {
            arguments.emplace_back();
            in_argument = true;
        }
        if (options[index] == '\\' && ++index == options.size()) {
            break;
        }
        arguments.back().push_back(options[index]);
    }
    return arguments;
}

std::optional<std::pair<std::string, std::string>> split_setting(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
        return std::nullopt;
    }
    std::string name(text.substr(0, equals));
    std::replace(name.begin(), name.end(), '-', '_');
    return std::pair(std::move(name), std::string(text.substr(equals + 1)));
}

}  // namespace

std::optional<std::vector<std::pair<std::string, std::string>>> read_options(
    std::string_view options
) {
    std::vector<std::pair<std::string, std::string>> settings;
    const std::vector<std::string> arguments = split_arguments(options);
    for (std::size_t index = 0; index < arguments.size(); ++index) {
        std::string_view text = arguments[index];
        if (!text.starts_with("-c") && !text.starts_with("--")) {
            return std::nullopt;
        }
        if (text == "-c") {
            if (++index == arguments.size()) {
                return std::nullopt;
            }
            text = arguments[index];
        } else {
            text.remove_prefix(2);
        }
        auto setting = split_setting(text);
        if (!setting) {
            return std::nullopt;
        }
        settings.push_back(std::move(*setting));
    }
    return settings;
}

void put_startup(
    std::string& out, const std::vector<std::pair<std::string, std::string>>& parameters
) {
    message_writer writer(out, 0);
    writer.int32(protocol_3_0);
    for (const auto& [name, value] : parameters) {
        writer.cstring(name).cstring(value);
    }
    writer.byte(0);
}

void put_ssl_request(std::string& out) {
    message_writer(out, 0).int32(ssl_code);
}

void put_cancel_request(std::string& out, std::int32_t process_id, std::int32_t secret_key) {
    message_writer(out, 0).int32(cancel_code).int32(process_id).int32(secret_key);
}

}  // namespace pgweir::protocol
