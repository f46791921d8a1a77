#include "sql/read_proof.hpp"

#include <algorithm>
#include <array>

namespace pgweir::sql {

namespace {

/// What may stand before a parenthesis: words of the grammar, and functions that change nothing.
/// Sorted.
constexpr std::array known = std::to_array<std::string_view>({
    "abs",
    "age",
    "all",
    "and",
    "any",
    "array",
    "array_agg",
    "array_length",
    "array_position",
    "array_to_string",
    "as",
    "avg",
    "between",
    "bool_and",
    "bool_or",
    "btrim",
    "by",
    "case",
    "cast",
    "ceil",
    "ceiling",
    "char",
    "char_length",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cube",
    "current_schema",
    "current_schemas",
    "current_setting",
    "date_part",
    "date_trunc",
    "decimal",
    "dense_rank",
    "distinct",
    "else",
    "except",
    "exists",
    "exp",
    "extract",
    "filter",
    "first_value",
    "floor",
    "format",
    "format_type",
    "from",
    "generate_series",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initcap",
    "intersect",
    "is",
    "join",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "jsonb_agg",
    "jsonb_array_elements",
    "jsonb_array_length",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "lag",
    "last_value",
    "lateral",
    "lead",
    "least",
    "left",
    "length",
    "like",
    "limit",
    "ln",
    "log",
    "lower",
    "lpad",
    "ltrim",
    "materialized",
    "max",
    "md5",
    "min",
    "mod",
    "not",
    "now",
    "ntile",
    "nullif",
    "numeric",
    "octet_length",
    "offset",
    "on",
    "only",
    "or",
    "over",
    "overlay",
    "partition",
    "percentile_cont",
    "percentile_disc",
    "pg_backend_pid",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pi",
    "position",
    "power",
    "quote_ident",
    "quote_literal",
    "random",
    "rank",
    "regexp_matches",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "rollup",
    "round",
    "row",
    "row_number",
    "row_to_json",
    "rpad",
    "rtrim",
    "select",
    "sets",
    "sign",
    "similar",
    "some",
    "split_part",
    "sqrt",
    "string_agg",
    "string_to_array",
    "strpos",
    "substr",
    "substring",
    "sum",
    "then",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "trim",
    "trunc",
    "union",
    "unnest",
    "upper",
    "using",
    "values",
    "varchar",
    "version",
    "when",
    "where",
    "width_bucket",
    "with",
});

static_assert(std::is_sorted(known.begin(), known.end()));

/// Words that no proved read holds, whatever they stand for.
constexpr std::array refused = std::to_array<std::string_view>({
    "delete",
    "for",  // FOR UPDATE; also the FOR of substring(), which is not worth telling apart
    "insert",
    "into",
    "merge",
    "update",
});

bool is_known(const token& name) noexcept {
    constexpr std::size_t longest = 24;
    if (name.kind != token_kind::word || name.text.size() > longest) {
        return false;
    }
    std::array<char, longest> lower{};
    std::transform(name.text.begin(), name.text.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    });
    return std::binary_search(
        known.begin(), known.end(), std::string_view(lower.data(), name.text.size())
    );
}

bool is_refused(const token& one) noexcept {
    return std::any_of(refused.begin(), refused.end(), [&](std::string_view word) {
        return one.is(word);
    });
}

/// What may stand before a parenthesis that calls nothing.
bool calls_nothing(const token& before) noexcept {
    return before.kind == token_kind::operation ||
           (before.kind == token_kind::symbol && !before.is(']') && !before.is(')'));
}

}  // namespace

bool is_proved_read(std::string_view text, backslash meaning) noexcept {
    lexer tokens(text, meaning);
    token last = tokens.next();
    if (!last.is("select") && !last.is("values") && !last.is("table") && !last.is("with")) {
        return false;
    }
    token before_last;
    token before_that;
    for (;;) {
        const token one = tokens.next();
        if (one.kind == token_kind::end) {
            return true;
        }
        if (one.is(';')) {
            return tokens.next().kind == token_kind::end;
        }
        if (one.kind == token_kind::broken || is_refused(one)) {
            return false;
        }
        if (one.is('(') && !calls_nothing(last)) {
            // A function in a schema is known only if the schema is PostgreSQL's own.
            const bool own = !before_last.is('.') || before_that.is("pg_catalog");
            if (!own || !is_known(last)) {
                return false;
            }
        }
        before_that = before_last;
        before_last = last;
        last = one;
    }
}

}  // namespace pgweir::sql
