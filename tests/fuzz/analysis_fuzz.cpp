// What a text asks for: analysis ends whatever the text; two texts of one shape have the same facts
// (here: texts that differ in the values of their literals alone); and what the first word says is
// never against a text that the grammar finds to be a read.

#include "router/analysis.hpp"
#include "router/first_word.hpp"
#include "router/shape.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace pgweir;
using namespace pgweir::router;

namespace {

constexpr shape_key key{0x0706050403020100, 0x0f0e0d0c0b0a0908};

/// The grammar needs stack for long expressions.
constexpr std::size_t analysed_limit = 4096;

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

/// Another literal of the same kind; empty for what is none, and where that is not easy.
std::string_view another(const sql::token& one) {
    switch (one.kind) {
        case sql::token_kind::string:
            return "'other'";
        case sql::token_kind::escape_string:
            return "E'o\\'ther'";
        case sql::token_kind::dollar_string:
            return "$other$ '$other$";
        case sql::token_kind::integer:
            return "70";
        case sql::token_kind::number:
            return "7.25";
        case sql::token_kind::unicode_string:
        case sql::token_kind::bit_string:
        case sql::token_kind::end:
        case sql::token_kind::broken:
        case sql::token_kind::word:
        case sql::token_kind::quoted_name:
        case sql::token_kind::unicode_name:
        case sql::token_kind::parameter:
        case sql::token_kind::symbol:
        case sql::token_kind::operation:
            return {};
    }
    return {};
}

std::string with_other_literals(std::string_view text) {
    std::string out;
    sql::lexer tokens(text);
    for (sql::token one = tokens.next(); !one.is_last(); one = tokens.next()) {
        const std::string_view other = another(one);
        out += other.empty() ? one.text : other;
        out += ' ';
    }
    return out;
}

bool same(const text_facts& one, const text_facts& other) {
    return one.why == other.why && one.functions == other.functions &&
           one.operators == other.operators && one.relations == other.relations &&
           one.types == other.types && one.fields == other.fields;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string given(data, data + size);
    if (given.size() > analysed_limit) {
        return 0;
    }
    const text_facts facts = analyse(given, sql::backslash::plain);
    require(!name_of(facts.why).empty());
    const auto quick = judge_by_first_word(given, sql::backslash::plain);
    require(
        !quick || !quick->read || facts.why == reason::read || facts.why == reason::not_understood
    );
    require(!quick || quick->read || facts.why != reason::read);
    if (facts.why == reason::not_understood) {
        return 0;
    }
    const name_scope scope{1, "app", {}, {}};
    const std::string text = with_other_literals(given);
    const auto one = shape_of(given, scope, 1, key);
    require(one.has_value());
    if (one != shape_of(text, scope, 1, key)) {
        return 0;  // literals count here
    }
    const text_facts others = analyse(text, sql::backslash::plain);
    // Some values are refused where others are not, as in interval(7).
    require(others.why == reason::not_understood || same(facts, others));
    return 0;
}
