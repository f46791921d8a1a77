#include "config/ini_reader.hpp"

#include "base/secret.hpp"

#include <fmt/format.h>
#include <ini.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>

namespace pgweir::config {

namespace {

constexpr std::size_t deepest_include = 10;
// inih keeps 50 bytes of a section's name.
constexpr std::size_t longest_section_name = 40;
constexpr std::string_view include_word = "%include";
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

bool is_space(char c) noexcept {
    return is_blank(c) || (c >= '\n' && c <= '\r');
}

bool is_alphanumeric(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name_character(char c) noexcept {
    return is_alphanumeric(c) || c == '_' || c == '.' || c == '*' || c == '-';
}

template <typename Predicate>
std::string_view skip(std::string_view text, Predicate predicate) noexcept {
    const auto* end = std::find_if_not(text.begin(), text.end(), predicate);
    return text.substr(static_cast<std::size_t>(end - text.begin()));
}

std::string_view without_space_at_end(std::string_view text) noexcept {
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

/// A file that is being read. Its text may hold passwords, so it is wiped.
struct open_file {
    std::string name;
    std::string text;
    std::size_t next = 0;  // where the next line begins
    int line = 0;          // the number of the current line

    open_file(std::string file, std::string content)
        : name(std::move(file)), text(std::move(content)) {
        if (text.starts_with(byte_order_mark)) {
            next = byte_order_mark.size();
        }
    }

    open_file(const open_file&) = delete;
    open_file& operator=(const open_file&) = delete;

    ~open_file() { wipe(text); }
};

/// The two callbacks that inih calls in turn, and what they share.
class feeder {
public:
    feeder(const file_source& open, ini_visitor& visitor) : open_(open), visitor_(visitor) {}

    result<void> run(const std::string& path) {
        auto file = open_(path);
        if (!file) {
            return file.error();
        }
        files_.emplace_back(path, std::move(file->text));
        const int status = ini_parse_stream(&feeder::on_read, this, &feeder::on_entry, this);
        if (failure_) {
            return *failure_;
        }
        if (status != 0 || entries_delivered_ != entries_fed_) {
            return failure{fmt::format(
                "{}: the parser lost an entry ({} of {} came back, status {})",
                path,
                entries_delivered_,
                entries_fed_,
                status
            )};
        }
        return {};
    }

private:
    // ini_reader: like fgets. An exception has no way through C, so it ends the program.
    static char* on_read(char* buffer, int size, void* self) noexcept {
        return static_cast<feeder*>(self)->feed(buffer, static_cast<std::size_t>(size));
    }

    static int on_entry(
        void* self, const char* section, const char* name, const char* value
    ) noexcept {
        return static_cast<feeder*>(self)->deliver(section, name, value) ? 1 : 0;
    }

    /// Writes the next line that means something to inih; nullptr at the end or after a failure.
    char* feed(char* buffer, std::size_t size) {
        while (!failure_) {
            const auto line = next_line();
            if (!line) {
                return nullptr;
            }
            const std::string fed = take(*line);
            if (!fed.empty() && !failure_) {
                // The longest is a section's name in brackets: it always fits.
                const std::size_t length = std::min(fed.size(), size - 1);
                std::copy_n(fed.begin(), length, buffer);
                buffer[length] = '\0';
                return buffer;
            }
        }
        return nullptr;
    }

    /// What is left of the current line behind a section's name, else the next line of the
    /// innermost file that has one, without blanks before and after. Nothing: all files are read.
    std::optional<std::string_view> next_line() {
        if (!rest_of_line_.empty()) {
            return std::exchange(rest_of_line_, {});
        }
        while (!files_.empty() && files_.back().next >= files_.back().text.size()) {
            files_.pop_back();
        }
        if (files_.empty()) {
            return std::nullopt;
        }
        open_file& file = files_.back();
        const std::string_view left = std::string_view(file.text).substr(file.next);
        const std::size_t length = std::min(left.find('\n'), left.size());
        file.next += length + 1;
        ++file.line;
        return without_space_at_end(skip(left.substr(0, length), is_space));
    }

    /// Understands one line; returns what inih is to see of it, if anything.
    std::string take(std::string_view line) {
        if (line.find('\0') != std::string_view::npos) {
            fail("a NUL byte in the file, expected text");
        } else if (line.empty() || line.front() == ';' || line.front() == '#') {
            return {};
        } else if (line.find('\r') != std::string_view::npos) {
            fail("a carriage return inside a line, expected lines that end with \\n or \\r\\n");
        } else if (line.front() == '[') {
            return take_section(line.substr(1));
        } else if (line.front() == '%') {
            take_include(line);
        } else {
            return take_entry(line);
        }
        return {};
    }

    std::string take_section(std::string_view line) {
        const std::size_t end = line.find(']');
        if (end == std::string_view::npos) {
            return fail("a section without its end, expected [name]");
        }
        const std::string_view name = line.substr(0, end);
        rest_of_line_ = skip(line.substr(end + 1), is_space);
        if (const auto accepted = visitor_.section(name, here()); !accepted) {
            return fail(accepted.error().message);
        }
        const bool plain = std::all_of(name.begin(), name.end(), is_name_character);
        if (!plain || name.empty() || name.size() > longest_section_name) {
            return fail("the section's name is too long or has special characters in it");
        }
        section_seen_ = true;
        return fmt::format("[{}]\n", name);
    }

    void take_include(std::string_view line) {
        const bool known = line.starts_with(include_word) && line.size() > include_word.size() &&
                           is_blank(line[include_word.size()]);
        const std::string path(known ? skip(line.substr(include_word.size()), is_blank) : "");
        if (path.empty()) {
            fail("unknown directive, expected %include and the name of a file");
            return;
        }
        if (files_.size() > deepest_include) {
            fail(fmt::format(
                "%include {}: more than {} files inside each other (do they include each other in "
                "a circle?)",
                path,
                deepest_include
            ));
            return;
        }
        auto file = open_(path);
        if (!file) {
            fail(fmt::format("cannot include {}", file.error().message));
            return;
        }
        files_.emplace_back(path, std::move(file->text));
    }

    std::string take_entry(std::string_view line) {
        std::string_view name;
        std::string_view rest;
        if (line.front() == '\'') {
            const std::size_t end = line.find('\'', 1);
            if (end == std::string_view::npos) {
                return fail("a quoted name without its closing quote, expected 'name' = value");
            }
            name = line.substr(1, end - 1);
            rest = line.substr(end + 1);
        } else {
            rest = skip(line, is_name_character);
            name = line.substr(0, line.size() - rest.size());
        }
        rest = skip(rest, is_blank);
        if (name.empty() || rest.empty() || rest.front() != '=') {
            return fail(
                "expected name = value (a name with other characters than letters, digits and _.-* "
                "stands in single quotes)"
            );
        }
        if (!section_seen_) {
            return fail(fmt::format(
                "{} stands before any section, expected [databases] or [pgbouncer] first", name
            ));
        }
        name_ = name;
        value_ = skip(rest.substr(1), is_blank);
        return fmt::format("entry={}\n", ++entries_fed_);
    }

    /// From inih: the entry that was fed last, in the section that inih has seen last.
    bool deliver(std::string_view section, std::string_view name, std::string_view value) {
        std::size_t number = 0;
        std::from_chars(value.begin(), value.end(), number);
        if (failure_ || name != "entry" || number != entries_fed_) {
            return false;
        }
        ++entries_delivered_;
        if (const auto accepted = visitor_.entry(section, name_, value_, here()); !accepted) {
            fail(accepted.error().message);
            return false;
        }
        return true;
    }

    location here() const { return {files_.back().name, files_.back().line}; }

    /// Remembers the first failure. Returns nothing to be fed.
    std::string fail(std::string_view message) {
        if (!failure_) {
            failure_ = failure{fmt::format("{}:{}: {}", here().file, here().line, message)};
        }
        return {};
    }

    const file_source& open_;
    ini_visitor& visitor_;
    std::deque<open_file> files_;  // the innermost last; a deque, so that views into texts hold
    std::string_view rest_of_line_;
    std::string_view name_;
    std::string_view value_;
    bool section_seen_ = false;
    std::size_t entries_fed_ = 0;
    std::size_t entries_delivered_ = 0;
    std::optional<failure> failure_;
};

}  // namespace

result<void> read_ini(const std::string& path, const file_source& open, ini_visitor& visitor) {
    return feeder(open, visitor).run(path);
}

}  // namespace pgweir::config
