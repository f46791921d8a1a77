#pragma once

// Writing messages, and reading the few whose contents matter. Readers take a body (without type
// and length) and never read past it; what does not fit the format is reported, never guessed.
// PostgreSQL's manual: "Message Formats" and "Error and Notice Message Fields".

#include "base/error.hpp"
#include "protocol/pipeline.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::protocol {

/// Appends one message to a string: the length is filled in when the writer is destroyed.
class message_writer {
public:
    /// type 0 writes a message without a type byte (startup packets).
    message_writer(std::string& out, char type);
    ~message_writer();
    message_writer(const message_writer&) = delete;
    message_writer& operator=(const message_writer&) = delete;

    message_writer& byte(char value);
    message_writer& int16(std::int16_t value);
    message_writer& int32(std::int32_t value);
    /// Text, then a zero byte. A zero byte within the text ends it: what is behind cannot pose as a
    /// field.
    message_writer& cstring(std::string_view text);
    message_writer& bytes(std::string_view raw);

private:
    std::string& out_;
    std::size_t length_at_;
};

/// Reads fields from a body in order. The first field that does not fit makes it fail for good, and
/// every later read returns an empty value, so that callers check once.
class message_reader {
public:
    explicit message_reader(std::string_view body) noexcept : rest_(body) {}

    char byte() noexcept;
    std::int16_t int16() noexcept;
    std::int32_t int32() noexcept;
    std::string_view cstring() noexcept;
    std::string_view bytes(std::size_t count) noexcept;

    bool ok() const noexcept { return ok_; }

    bool at_end() const noexcept { return ok_ && rest_.empty(); }

    std::string_view rest() const noexcept { return rest_; }

private:
    std::string_view rest_;
    bool ok_ = true;
};

enum class severity : std::uint8_t {
    error,  ///< the connection goes on
    fatal,  ///< the connection ends
};

// Messages to a client.

void put_error(
    std::string& out,
    severity how,
    std::string_view sqlstate,
    std::string_view message,
    std::string_view detail = {},
    std::string_view hint = {}
);

/// `addition` is put behind the code's text (a name, an inner error).
void put_error(std::string& out, severity how, errc code, std::string_view addition = {});
void put_notice(
    std::string& out,
    std::string_view sqlstate,
    std::string_view message,
    std::string_view detail = {}
);
void put_ready_for_query(std::string& out, transaction_status status);
void put_command_complete(std::string& out, std::string_view tag);
void put_parameter_status(std::string& out, std::string_view name, std::string_view value);
void put_backend_key_data(std::string& out, std::int32_t process_id, std::int32_t secret_key);

/// Of a key of ours (protocol/cancel_key), which is both.
void put_cancel_key(std::string& out, std::uint64_t key);
void put_negotiate_protocol_version(
    std::string& out, std::int32_t version, const std::vector<std::string>& unknown_options
);

/// Columns of a RowDescription in text format: name and type's OID.
struct column {
    std::string_view name;
    std::int32_t type_oid;
};

void put_row_description(std::string& out, const std::vector<column>& columns);

/// A value, or NULL.
using field = std::optional<std::string_view>;
void put_data_row(std::string& out, const std::vector<field>& fields);

// Authentication requests to a client ("R").

void put_authentication_ok(std::string& out);
void put_authentication_cleartext(std::string& out);
void put_authentication_md5(std::string& out, std::string_view salt /* 4 bytes */);
void put_authentication_sasl(std::string& out, std::initializer_list<std::string_view> mechanisms);
void put_authentication_sasl_continue(std::string& out, std::string_view data);
void put_authentication_sasl_final(std::string& out, std::string_view data);

// Messages to a server.

void put_query(std::string& out, std::string_view sql);
void put_sync(std::string& out);
void put_terminate(std::string& out);
void put_password(std::string& out, std::string_view password);
void put_sasl_initial_response(std::string& out, std::string_view mechanism, std::string_view data);
void put_sasl_response(std::string& out, std::string_view data);

// Reading.

/// Fields of ErrorResponse and NoticeResponse. A field that is missing is empty: servers that leave
/// out even the SQLSTATE exist. Views into the body.
struct error_fields {
    std::string_view severity;  // 'V' (never translated), else 'S'
    std::string_view sqlstate;  // 'C'
    std::string_view message;   // 'M'
    std::string_view detail;    // 'D'
    std::string_view hint;      // 'H'
};

error_fields read_error(std::string_view body) noexcept;

/// An "R" message of the server's.
struct authentication_request {
    enum class kind : std::uint8_t {
        ok,
        cleartext,
        md5,
        sasl,
        sasl_continue,
        sasl_final,
        unsupported,  ///< GSS, SSPI, Kerberos and what may come
        malformed,
    };
    kind what = kind::malformed;
    std::int32_t code = 0;                     // the number on the wire
    std::string_view data;                     // md5: 4 bytes of salt; sasl_*: the payload
    std::vector<std::string_view> mechanisms;  // sasl
};

authentication_request read_authentication(std::string_view body);

struct parameter_status {
    std::string_view name;
    std::string_view value;
};

std::optional<parameter_status> read_parameter_status(std::string_view body) noexcept;

struct backend_key {
    std::int32_t process_id = 0;
    std::int32_t secret_key = 0;
};

std::optional<backend_key> read_backend_key(std::string_view body) noexcept;

/// SASLInitialResponse of a client ("p"). An absent response (length -1) is an empty one.
struct sasl_initial {
    std::string_view mechanism;
    std::string_view data;
};

std::optional<sasl_initial> read_sasl_initial(std::string_view body) noexcept;

/// PasswordMessage of a client ("p"): the password, without its zero byte.
std::optional<std::string_view> read_password(std::string_view body) noexcept;

}  // namespace pgweir::protocol
