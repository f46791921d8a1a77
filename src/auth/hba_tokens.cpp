#include "auth/hba_tokens.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace pgweir::auth::detail {

namespace {

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\r';
}

/// Takes one line off the text, with those that it is continued by. Counts all of them.
std::string take_line(std::string_view& text, int& lines) {
    std::string line;
    while (true) {
        const std::size_t end = text.find('\n');
        std::string_view piece = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
        lines++;
        if (piece.ends_with('\r')) {
            piece.remove_suffix(1);
        }
        const bool goes_on = piece.ends_with('\\') && !text.empty();
        line += piece.substr(0, piece.size() - (goes_on ? 1 : 0));
        if (!goes_on) {
            return line;
        }
    }
}

class line_splitter {
public:
    explicit line_splitter(std::string_view line) : rest_(line) {}

    /// False if the line is malformed: see why().
    bool split(std::vector<hba_field>& fields) {
        for (skip_blanks(); !at_end(); skip_blanks()) {
            if (rest_.front() == ',') {
                why_ = "a comma must stand right behind a word";
                return false;
            }
            hba_field field;
            if (!read_field(field)) {
                return false;
            }
            fields.push_back(std::move(field));
        }
        return true;
    }

    std::string_view why() const noexcept { return why_; }

private:
    bool at_end() const noexcept { return rest_.empty() || rest_.front() == '#'; }

    void skip_blanks() noexcept {
        while (!rest_.empty() && is_blank(rest_.front())) {
            rest_.remove_prefix(1);
        }
    }

    bool read_field(hba_field& field) {
        while (true) {
            hba_word word;
            if (!read_word(word)) {
                return false;
            }
            field.push_back(std::move(word));
            if (!rest_.starts_with(',')) {
                return true;
            }
            rest_.remove_prefix(1);
            skip_blanks();
            if (at_end() || rest_.front() == ',') {
                why_ = "a word is missing behind the comma";
                return false;
            }
        }
    }

    bool read_word(hba_word& word) {
        word.quoted = rest_.front() == '"';
        bool in_quotes = false;
        while (!rest_.empty()) {
            const char c = rest_.front();
            if (!in_quotes && (is_blank(c) || c == ',' || c == '#')) {
                break;
            }
            rest_.remove_prefix(1);
            if (c == '\0') {
                why_ = "there is a zero byte";
                return false;
            }
            if (c != '"') {
                word.text.push_back(c);
            } else if (in_quotes && rest_.starts_with('"')) {
                word.text.push_back(c);
                rest_.remove_prefix(1);
            } else {
                in_quotes = !in_quotes;
            }
        }
        if (in_quotes) {
            why_ = "a quote is not closed";
        }
        return !in_quotes;
    }

    std::string_view rest_;
    std::string_view why_;
};

}  // namespace

failure hba_failure(const std::string& file_name, int line, std::string_view why) {
    return failure{fmt::format("{}:{}: {}", file_name, line, why)};
}

result<std::vector<hba_line>> split_hba(std::string_view text, const std::string& file_name) {
    std::vector<hba_line> lines;
    int read = 0;
    while (!text.empty()) {
        hba_line line;
        line.number = read + 1;
        const std::string whole = take_line(text, read);
        line_splitter splitter(whole);
        if (!splitter.split(line.fields)) {
            return hba_failure(file_name, line.number, splitter.why());
        }
        if (!line.fields.empty()) {
            lines.push_back(std::move(line));
        }
    }
    return lines;
}

}  // namespace pgweir::auth::detail
