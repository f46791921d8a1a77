#pragma once

// A judge that knows a read by its first word, and the messages that a client sends.

#include "protocol/message.hpp"
#include "router/judge.hpp"
#include "session/segment.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::session::test {

class first_word_judge final : public router::judge {
public:
    router::judgement of(std::string_view text, const router::name_scope&) noexcept override {
        asked++;
        const std::size_t comment = text.find("*/ ");
        text.remove_prefix(comment == std::string_view::npos ? 0 : comment + 3);
        if (text.starts_with("SELECT volatile")) {
            return {false, router::reason::function, false};
        }
        if (text.starts_with("SELECT stable")) {
            return {true, router::reason::read, false};
        }
        if (text.starts_with("SELECT")) {
            return {true, router::reason::read, true};
        }
        return {false, router::reason::writes, false};
    }

    std::uint64_t epoch() const noexcept override { return now; }

    void refused(std::string_view, const router::name_scope&, std::string_view) noexcept override {}

    int asked = 0;
    std::uint64_t now = 1;
};

inline std::string query(std::string_view text) {
    std::string out;
    protocol::message_writer(out, 'Q').cstring(text);
    return out;
}

inline std::string parse(std::string_view name, std::string_view text) {
    std::string out;
    protocol::message_writer(out, 'P').cstring(name).cstring(text).int16(0);
    return out;
}

inline std::string bind(std::string_view name, std::string_view portal = "") {
    std::string out;
    protocol::message_writer(out, 'B').cstring(portal).cstring(name).int16(0).int16(0).int16(0);
    return out;
}

inline std::string describe(char what, std::string_view name = "") {
    std::string out;
    protocol::message_writer(out, 'D').byte(what).cstring(name);
    return out;
}

inline std::string close(char what, std::string_view name) {
    std::string out;
    protocol::message_writer(out, 'C').byte(what).cstring(name);
    return out;
}

inline std::string execute(int rows = 0) {
    std::string out;
    protocol::message_writer(out, 'E').cstring("").int32(rows);
    return out;
}

inline std::string message(char type) {
    std::string out;
    protocol::message_writer(out, type);
    return out;
}

inline std::string sync() {
    return message('S');
}

/// All that an unnamed statement takes.
inline std::string extended(std::string_view text) {
    return parse("", text) + bind("") + describe('P') + execute() + sync();
}

/// The types of the messages in the bytes, in order.
inline std::string types(std::string_view bytes) {
    std::string out;
    while (!bytes.empty()) {
        out += bytes[0];
        std::size_t length = 0;
        for (const char c : bytes.substr(1, 4)) {
            length = length << 8 | static_cast<unsigned char>(c);
        }
        bytes.remove_prefix(length + 1);
    }
    return out;
}

struct court {
    first_word_judge judge;
    router::name_scope scope;
    std::map<std::string, std::string, std::less<>> statements;
    std::map<std::string, std::uint64_t, std::less<>> numbers;
    verdict_memo memo;

    segment_court get() {
        const auto known = [this](std::string_view name) -> std::optional<segment_court::named> {
            const auto found = statements.find(name);
            if (found == statements.end()) {
                return std::nullopt;
            }
            const auto number = numbers.emplace(found->second, numbers.size() + 1).first->second;
            return segment_court::named{found->second, number};
        };
        return {judge, scope, known, memo};
    }
};

}  // namespace pgweir::session::test
