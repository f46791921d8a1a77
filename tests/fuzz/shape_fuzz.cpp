// Shapes: whatever the text, one is found or none, in bounded time; it does not depend on comments,
// blanks or the case of words; another key, scope or generation gives another one.

#include "router/shape.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace pgweir;
using namespace pgweir::router;

namespace {

constexpr shape_key key{0x0706050403020100, 0x0f0e0d0c0b0a0908};

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

/// The same tokens with other blanks between them, and words in upper case.
std::string respelled(std::string_view text, sql::backslash strings) {
    std::string out = "/* begins */ ";
    sql::lexer tokens(text, strings);
    std::size_t last = 0;
    for (sql::token one = tokens.next(); !one.is_last(); one = tokens.next()) {
        // A line end between two strings would make them one.
        out += one.begin > last && !one.is_string() ? " /* x */\n" : one.begin > last ? " " : "";
        std::string piece(one.text);
        if (one.kind == sql::token_kind::word) {
            std::transform(piece.begin(), piece.end(), piece.begin(), [](char c) {
                return c >= 'a' && c <= 'z' ? static_cast<char>(c - 0x20) : c;
            });
        }
        out += piece;
        last = one.end();
    }
    return out + " -- ends";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string given(data, data + size);
    for (const sql::backslash strings : {sql::backslash::plain, sql::backslash::escapes}) {
        const name_scope scope{1, "app", {}, "public", true, strings};
        const auto one = shape_of(given, scope, 1, key);
        require(one == shape_of(given, scope, 1, key));
        if (!one) {
            continue;
        }
        require(one != shape_of(given, scope, 2, key));
        require(one != shape_of(given, scope, 1, {key.first + 1, key.second}));
        const name_scope other{1, "app", "public", {}, true, strings};
        require(one != shape_of(given, other, 1, key));
        const std::string text = respelled(given, strings);
        require(text.size() > text_limit || one == shape_of(text, scope, 1, key));
    }
    return 0;
}
