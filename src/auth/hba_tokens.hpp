#pragma once

// The words of an HBA file, and of the files that it names: lines of fields, a field being words
// with commas between them. PostgreSQL's manual: "The pg_hba.conf File". For hba.cpp and
// hba_parse.cpp only.
//
// A line that ends with a backslash goes on in the next one, `#` begins a comment, double quotes
// take the meaning from whatever stands in them, and two of them inside of quotes are one. Stricter
// than PostgreSQL, which guesses: a quote that is not closed, a comma with nothing behind it, and a
// comma behind a blank are refused.

#include "base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::auth::detail {

struct hba_word {
    std::string text;
    bool quoted = false;  // began with a quote: no keyword, no @file

    bool is(std::string_view keyword) const noexcept { return !quoted && text == keyword; }
};

using hba_field = std::vector<hba_word>;  // never empty

struct hba_line {
    int number = 0;  // where it begins, from 1
    std::vector<hba_field> fields;
};

/// All lines that are not empty. A failure says file:line.
result<std::vector<hba_line>> split_hba(std::string_view text, const std::string& file_name);

/// "file:line: why".
failure hba_failure(const std::string& file_name, int line, std::string_view why);

}  // namespace pgweir::auth::detail
