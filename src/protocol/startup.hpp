#pragma once

// The packets that come before log-in and have no type byte: StartupMessage, SSLRequest,
// GSSENCRequest, CancelRequest. Everything here comes from strangers. PostgreSQL's manual: "Message
// Formats" (StartupMessage and the requests), "Start-up", "Canceling Requests in Progress", "SSL
// Session Encryption".

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::protocol {

/// PostgreSQL's own limit of a startup packet.
inline constexpr std::uint32_t startup_limit = 10000;

/// Longest database and user name that is accepted, in bytes (PostgreSQL's NAMEDATALEN minus one is
/// 63; longer user names are cut by PostgreSQL itself).
inline constexpr std::size_t database_name_limit = 63;
inline constexpr std::size_t user_name_limit = 127;

/// First look at a startup packet that may be incomplete.
struct startup_frame {
    enum class state : std::uint8_t {
        incomplete,
        complete,
        tls_hello,      ///< first byte 0x16: a TLS handshake without SSLRequest
        typed_message,  ///< looks like a typed message (such as a password) before any startup
                        ///< packet
        malformed,      ///< length out of bounds
    };
    state what = state::incomplete;
    std::uint32_t size = 0;  // of the packet with its length field, if complete
};

startup_frame frame_startup(std::string_view received) noexcept;

/// A complete startup packet, read. Names and values are views into the packet.
struct startup_packet {
    enum class kind : std::uint8_t { startup, ssl_request, gssenc_request, cancel_request };
    kind what = kind::startup;

    // kind::cancel_request
    std::int32_t process_id = 0;
    std::string_view secret_key;  // 4 bytes in protocol 3.0, up to 256 in 3.2

    // kind::startup
    std::int32_t minor_version = 0;  // of protocol 3
    std::vector<std::pair<std::string_view, std::string_view>>
        parameters;                                     // in order, user and database too
    std::vector<std::string> unknown_protocol_options;  // _pq_.*

    /// The last value given for a parameter, as PostgreSQL takes it.
    std::optional<std::string_view> find(std::string_view name) const noexcept;
};

/// Why a packet was refused, and what to add to the code's text.
struct startup_error {
    errc code;
    std::string addition;
};

/// Reads a complete packet (see frame_startup). Exactly one of the two is filled.
struct startup_result {
    std::optional<startup_packet> packet;
    startup_error error{};
};

startup_result read_startup(std::string_view packet);

/// Settings in the `options` startup parameter: `-c name=value`, `-cname=value`, `--name=value`,
/// blanks escaped by a backslash. Nothing if there is anything else in it. A `-` in a `--name`
/// means `_`.
std::optional<std::vector<std::pair<std::string, std::string>>> read_options(
    std::string_view options
);

/// Appends a StartupMessage of protocol 3.0 with these parameters, in order.
void put_startup(
    std::string& out, const std::vector<std::pair<std::string, std::string>>& parameters
);

/// Appends an SSLRequest.
void put_ssl_request(std::string& out);

/// Appends a CancelRequest of protocol 3.0.
void put_cancel_request(std::string& out, std::int32_t process_id, std::int32_t secret_key);

}  // namespace pgweir::protocol
