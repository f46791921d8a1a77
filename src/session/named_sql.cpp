#include "session/named_sql.hpp"

#include "sql/statement.hpp"

#include <algorithm>

namespace pgweir::session {

namespace {

using kind = named_sql::kind;

kind kind_of(sql::statement_kind what) noexcept {
    switch (what) {
        case sql::statement_kind::prepare:
            return kind::prepare;
        case sql::statement_kind::execute:
            return kind::execute;
        case sql::statement_kind::deallocate:
            return kind::deallocate;
        default:
            return kind::none;
    }
}

/// Characters of UTF-8; of other encodings, nearly always the same.
std::size_t characters(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
}

}  // namespace

named_sql read_named_sql(std::string_view text, sql::backslash meaning) {
    named_sql found;
    sql::statement_reader reader(text, meaning);
    sql::statement one;
    int statements = 0;
    while (reader.next(one)) {
        statements++;
        found.forgets_all = found.forgets_all || one.kind == sql::statement_kind::deallocate_all ||
                            one.kind == sql::statement_kind::discard_all;
        const kind what = kind_of(one.kind);
        if (what == kind::none || !one.name.is_name()) {
            continue;  // without a name it is no SQL
        }
        found.what = found.what == kind::none ? what : kind::several;
        if (!sql::append_name(one.name, found.name)) {
            found.what = kind::several;
        }
        found.name_begin = one.name.begin;
        found.name_end = one.name.end();
        found.behind = text.substr(one.name.end(), one.end - std::min(one.end, one.name.end()));
    }
    if (reader.broken()) {
        return {};  // PostgreSQL refuses all of it
    }
    if (found.what != kind::none && statements > 1) {
        found.what = kind::several;
    }
    return found;
}

std::string with_name(std::string_view text, const named_sql& found, std::string_view name) {
    std::string out(text.substr(0, found.name_begin));
    out += '"';
    out += name;
    out += '"';
    return out;
}

pool::moved_text movement(
    std::string_view text, const named_sql& found, std::string_view before
) noexcept {
    const std::size_t own = characters(text.substr(0, found.name_end));
    const std::size_t now = characters(before);
    return {
        static_cast<std::uint32_t>(now),
        static_cast<std::int32_t>(now) - static_cast<std::int32_t>(own)};
}

}  // namespace pgweir::session
