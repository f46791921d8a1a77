#pragma once

// PgBouncer's dialect of .ini, read through inih. inih as Debian builds it cuts lines at 200
// characters, takes " ;" for a comment inside a value, joins indented lines to the value above and
// counts no lines for its handler; PgBouncer's files know none of that. So a reader of our own
// feeds inih: it takes lines of any length, follows %include, knows file and line, and keeps names
// and values out of inih's way by handing it "entry=<number>" for each. That every number comes
// back once and in order is checked at the end: nothing is cut, lost or misread.
//
// The dialect: blanks before a line are skipped; a comment is a line that starts with ';' or '#';
// the value is the rest of the line without blanks around it, unquoted; a name is made of
// [A-Za-z0-9_.*-] or stands in single quotes; "%include FILE" (at most 10 deep, relative to the
// working directory) goes on in the section where it stands. A byte order mark is skipped. NUL
// bytes and carriage returns inside a line are refused.

#include "base/result.hpp"
#include "config/file.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace pgweir::config {

struct location {
    std::string_view file;
    int line = 0;
};

/// Receives what the file says, in order. Views are valid during the call. A failure ends the
/// reading; the reader puts "file:line: " before its message.
class ini_visitor {
public:
    virtual ~ini_visitor() = default;
    virtual result<void> section(std::string_view name, location at) = 0;
    virtual result<void> entry(
        std::string_view section, std::string_view name, std::string_view value, location at
    ) = 0;
};

/// Gives the text of a file: the disk, or something else in tests.
using file_source = std::function<result<file_text>(const std::string& path)>;

result<void> read_ini(const std::string& path, const file_source& open, ini_visitor& visitor);

}  // namespace pgweir::config
