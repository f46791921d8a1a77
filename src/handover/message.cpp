#include "handover/message.hpp"

#include "handover/fields.hpp"

namespace pgweir::handover {

namespace {

constexpr std::size_t longest_word = 256;  // a version, an address
constexpr std::size_t longest_reason = 4096;
constexpr std::size_t longest_path = 4096;

}  // namespace

message put(const hello& what) {
    message made{kind::hello, {}};
    field_writer to(made.body);
    to.u32(what.speaks);
    to.text(what.program);
    return made;
}

std::optional<hello> get_hello(std::string_view body) {
    field_reader from(body);
    hello read;
    read.speaks = from.u32();
    read.program = from.text(longest_word);
    if (from.failed() || (read.speaks == version && !from.complete())) {
        return std::nullopt;
    }
    return read;
}

message put(const welcome& what) {
    message made{kind::welcome, {}};
    field_writer to(made.body);
    to.u32(what.speaks);
    to.text(what.program);
    to.u32(what.sockets);
    to.text(what.notify_socket);
    to.text(what.cancel_address);
    to.u32(what.cancel_port);
    return made;
}

std::optional<welcome> get_welcome(std::string_view body) {
    field_reader from(body);
    welcome read;
    read.speaks = from.u32();
    read.program = from.text(longest_word);
    if (!from.failed() && read.speaks != version) {
        return read;
    }
    read.sockets = from.u32();
    read.notify_socket = from.text(longest_path);
    read.cancel_address = from.text(longest_word);
    read.cancel_port = from.u32();
    if (!from.complete() || read.sockets > most_sockets) {
        return std::nullopt;
    }
    return read;
}

message put_refusal(std::string_view reason) {
    message made{kind::refusal, {}};
    field_writer(made.body).text(reason.substr(0, longest_reason));
    return made;
}

std::optional<std::string> get_refusal(std::string_view body) {
    field_reader from(body);
    std::string reason(from.text(longest_reason));
    return from.complete() ? std::optional(std::move(reason)) : std::nullopt;
}

message put(const std::vector<socket_facts>& what) {
    message made{kind::sockets, {}};
    field_writer to(made.body);
    to.u32(static_cast<std::uint32_t>(what.size()));
    for (const socket_facts& one : what) {
        to.u8(static_cast<std::uint8_t>(one.what));
        to.text(one.path);
    }
    return made;
}

std::optional<std::vector<socket_facts>> get_sockets(std::string_view body) {
    field_reader from(body);
    const std::uint32_t count = from.count(most_descriptors);
    std::vector<socket_facts> read;
    for (std::uint32_t at = 0; at < count; at++) {
        const std::uint8_t what = from.u8();
        if (what > static_cast<std::uint8_t>(socket_facts::purpose::door)) {
            from.fail();
        }
        read.push_back({socket_facts::purpose(what), std::string(from.text(longest_path))});
    }
    return from.complete() ? std::optional(std::move(read)) : std::nullopt;
}

message put(kind what) {
    return {what, {}};
}

bool is_plain(const message& m, kind what) noexcept {
    return m.what == what && m.body.empty();
}

}  // namespace pgweir::handover
