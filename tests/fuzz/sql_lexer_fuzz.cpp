// The lexer against PostgreSQL's own scanner (libpg_query): wherever that one accepts a text, both
// find the same tokens in the same places; and what the lexer calls broken, PostgreSQL refuses.
// Decoding a token never fails to end, and the two readings of backslashes agree without any.

#include "sql/lexer.hpp"

#include <pg_query.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace pgweir::sql;

namespace {

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

using places = std::vector<std::pair<std::size_t, std::size_t>>;

// libpg_query answers in Protocol Buffers: ScanResult { repeated ScanToken tokens = 2; } and
// ScanToken { start = 1; end = 2; token = 4; }, all of them varints.
class reader {
public:
    explicit reader(std::string_view bytes) : bytes_(bytes) {}

    bool more() const { return at_ < bytes_.size(); }

    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (int shift = 0;; shift += 7) {
            const auto byte = static_cast<unsigned char>(bytes_.at(at_++));
            value |= std::uint64_t{byte & 0x7Fu} << shift;
            if (byte < 0x80) {
                return value;
            }
        }
    }

    std::string_view bytes() {
        const std::size_t size = varint();
        const std::string_view result = bytes_.substr(at_, size);
        at_ += size;
        return result;
    }

private:
    std::string_view bytes_;
    std::size_t at_ = 0;
};

constexpr std::uint64_t sql_comment = 275;
constexpr std::uint64_t c_comment = 276;

void add_token(std::string_view message, places& out) {
    reader fields(message);
    std::size_t begin = 0;
    std::size_t end = 0;
    std::uint64_t kind = 0;
    while (fields.more()) {
        const std::uint64_t field = fields.varint() >> 3;
        const std::uint64_t value = fields.varint();
        if (field == 1) {
            begin = value;
        } else if (field == 2) {
            end = value;
        } else if (field == 4) {
            kind = value;
        }
    }
    if (kind != sql_comment && kind != c_comment) {
        out.emplace_back(begin, end);
    }
}

/// False if PostgreSQL refuses the text.
bool scan(const std::string& text, places& out) {
    const PgQueryScanResult result = pg_query_scan(text.c_str());
    const bool accepted = result.error == nullptr;
    if (accepted) {
        reader fields({result.pbuf.data, result.pbuf.len});
        while (fields.more()) {
            if (fields.varint() >> 3 == 2) {
                add_token(fields.bytes(), out);
            } else {
                fields.varint();
            }
        }
    }
    pg_query_free_scan_result(result);
    return accepted;
}

bool is_unicode(std::string_view token) {
    return token.size() > 2 && (token[0] | 0x20) == 'u' && token[1] == '&' &&
           (token[2] == '\'' || token[2] == '"');
}

/// libpg_query takes comments for tokens, and so a string that goes on behind one for two; and it
/// does not know where the tokens with U& end.
void correct(const std::string& text, const places& ours, places& theirs) {
    std::size_t at = 0;
    for (const auto& [begin, end] : ours) {
        const bool unicode = is_unicode(std::string_view(text).substr(begin, end - begin));
        while (at < theirs.size() && theirs[at].first == begin && theirs[at].second < end) {
            const std::size_t gap = theirs[at].second;
            if (unicode && (at + 1 == theirs.size() || theirs[at + 1].first >= end)) {
                theirs[at].second = end;
                break;
            }
            require(at + 1 < theirs.size());
            const std::size_t next = theirs[at + 1].first;
            require((unicode || text[gap - 1] == '\'') && text[next] == '\'');
            require(text.substr(gap, next - gap).find("--") != std::string::npos);
            theirs[at].second = theirs[at + 1].second;
            theirs.erase(theirs.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        }
        at++;
    }
}

/// libpg_query forgets at a comment that the string that goes on behind it is one of E, B, X or U&,
/// which end elsewhere. What is behind the last of our tokens is broken, and may be such a string.
bool can_be_compared(const std::string& text, const places& ours) {
    const auto is_such = [](std::string_view part) {
        constexpr std::string_view letters = "eEbBxX&";
        bool of_a_kind = false;
        for (std::size_t at = 1; at < part.size() && !of_a_kind; at++) {
            of_a_kind = part[at] == '\'' && letters.find(part[at - 1]) != letters.npos;
        }
        return of_a_kind && part.find("--") != part.npos;
    };
    for (const auto& [begin, end] : ours) {
        if (is_such(std::string_view(text).substr(begin, end - begin))) {
            return false;
        }
    }
    return !is_such(std::string_view(text).substr(ours.empty() ? 0 : ours.back().second));
}

/// False if the text is broken.
bool read(std::string_view text, backslash meaning, places& out) {
    lexer tokens(text, meaning);
    std::string decoded;
    for (;;) {
        const token one = tokens.next();
        if (one.is_last()) {
            const token again = tokens.next();
            require(again.kind == one.kind && again.begin == one.begin);
            return one.kind == token_kind::end;
        }
        require(!one.text.empty() && text.substr(one.begin, one.text.size()) == one.text);
        require(out.empty() || one.begin >= out.back().second);
        decoded.clear();
        require(append_name(one, decoded) ? one.is_name() : decoded.empty());
        decoded.clear();
        require(append_string(one, decoded) ? one.is_string() : decoded.empty());
        require(decoded.size() <= one.text.size());
        out.emplace_back(one.begin, one.end());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string given(data, data + size);
    const std::string text(given.c_str());
    places ours;
    const bool whole = read(text, backslash::plain, ours);
    if (text.find('\\') == std::string::npos && text.find('&') == std::string::npos) {
        places others;
        require(read(text, backslash::escapes, others) == whole && others == ours);
    }
    // A vertical tab is a blank only from PostgreSQL 16 on.
    if (text.find('\v') != std::string::npos) {
        return 0;
    }
    if (!can_be_compared(text, ours)) {
        return 0;
    }
    places theirs;
    const bool accepted = scan(text, theirs);
    require(whole || !accepted);
    correct(text, ours, theirs);
    require(!accepted || ours == theirs);
    return 0;
}
