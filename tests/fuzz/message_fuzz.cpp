// Readers of message bodies: what they return lies in the body, and what can be written again gives
// the same bytes. The first byte picks the reader, the rest is the body.

#include "protocol/message.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

using namespace pgweir;
using namespace pgweir::protocol;

namespace {

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

void require_within(std::string_view part, std::string_view body) {
    require(
        part.empty() ||
        (part.data() >= body.data() && part.data() + part.size() <= body.data() + body.size())
    );
}

/// The written message has the length that its header says, and this body.
void require_message(std::string_view message, std::string_view body) {
    message_reader reader(message);
    reader.byte();
    require(static_cast<std::size_t>(reader.int32()) == message.size() - 1);
    require(reader.rest() == body);
}

void check_error(std::string_view body) {
    const error_fields read = read_error(body);
    for (std::string_view part :
         {read.severity, read.sqlstate, read.message, read.detail, read.hint}) {
        require_within(part, body);
        require(part.find('\0') == std::string_view::npos);
    }
    std::string written;
    put_error(written, severity::error, read.sqlstate, read.message, read.detail, read.hint);
    const error_fields again = read_error(std::string_view(written).substr(5));
    require(again.severity == "ERROR" && again.sqlstate == read.sqlstate);
    require(again.message == read.message && again.detail == read.detail);
    require(again.hint == read.hint);
}

void check_authentication(std::string_view body) {
    using kind = authentication_request::kind;
    const authentication_request read = read_authentication(body);
    require_within(read.data, body);
    std::string written;
    switch (read.what) {
        case kind::ok:
            put_authentication_ok(written);
            break;
        case kind::cleartext:
            put_authentication_cleartext(written);
            break;
        case kind::md5:
            require(read.data.size() == 4);
            put_authentication_md5(written, read.data);
            break;
        case kind::sasl_continue:
            put_authentication_sasl_continue(written, read.data);
            break;
        case kind::sasl_final:
            put_authentication_sasl_final(written, read.data);
            break;
        case kind::sasl:
            for (std::string_view name : read.mechanisms) {
                require_within(name, body);
                require(!name.empty());
            }
            return;
        case kind::unsupported:
        case kind::malformed:
            return;
    }
    require_message(written, body);
}

void check_parameter_status(std::string_view body) {
    if (const auto read = read_parameter_status(body)) {
        std::string written;
        put_parameter_status(written, read->name, read->value);
        require_message(written, body);
    }
}

void check_backend_key(std::string_view body) {
    const auto read = read_backend_key(body);
    require(read.has_value() == (body.size() == 8));
    if (read) {
        std::string written;
        put_backend_key_data(written, read->process_id, read->secret_key);
        require_message(written, body);
    }
}

void check_sasl_initial(std::string_view body) {
    if (const auto read = read_sasl_initial(body)) {
        require_within(read->data, body);
        require(!read->mechanism.empty());
        require(body.size() == read->mechanism.size() + 1 + 4 + read->data.size());
    }
}

void check_password(std::string_view body) {
    const auto read = read_password(body);
    const bool one_text = !body.empty() && body.find('\0') == body.size() - 1;
    require(read.has_value() == one_text);
    if (read) {
        std::string written;
        put_password(written, *read);
        require_message(written, body);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr void (*checks[])(std::string_view) = {
        check_error,
        check_authentication,
        check_parameter_status,
        check_backend_key,
        check_sasl_initial,
        check_password,
    };
    if (size < 1) {
        return 0;
    }
    const std::string body(data + 1, data + size);
    checks[data[0] % std::size(checks)](body);
    return 0;
}
