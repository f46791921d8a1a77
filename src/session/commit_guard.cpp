#include "session/commit_guard.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace pgweir::session {

namespace {

constexpr std::string_view blanks = " \t\r\n\f\v";

/// PREPARE is here for PREPARE TRANSACTION.
constexpr std::array<std::string_view, 5> ends_transaction = {
    "commit", "end", "rollback", "abort", "prepare"};

/// True unless the text is a single statement that surely leaves the transaction open.
bool text_may_commit(std::string_view sql) noexcept {
    sql.remove_prefix(std::min(sql.find_first_not_of(blanks), sql.size()));
    const std::size_t last = sql.find_last_not_of(blanks);
    sql = sql.substr(0, last == std::string_view::npos ? 0 : last + 1);
    const std::size_t semicolon = sql.find(';');
    if (semicolon != std::string_view::npos && semicolon + 1 != sql.size()) {
        return true;
    }
    std::size_t length = 0;
    while (length < sql.size() && std::isalpha(static_cast<unsigned char>(sql[length])) != 0) {
        length++;
    }
    if (length == 0) {
        return true;  // a comment, say
    }
    const std::string_view word = sql.substr(0, length);
    return std::any_of(ends_transaction.begin(), ends_transaction.end(), [&](std::string_view end) {
        return std::equal(word.begin(), word.end(), end.begin(), end.end(), [](char a, char b) {
            return std::tolower(static_cast<unsigned char>(a)) == b;
        });
    });
}

/// The text of a Query, or what follows the name of a Parse, up to its zero byte.
std::string_view until_zero(std::string_view body) noexcept {
    return body.substr(0, body.find('\0'));
}

}  // namespace

void commit_guard::sent(protocol::request what, std::string_view body, bool whole) noexcept {
    using protocol::request;
    switch (what) {
        case request::query:
            may_commit_ = may_commit_ || !whole || text_may_commit(until_zero(body));
            return;
        case request::parse: {
            const bool unnamed = !body.empty() && body[0] == '\0';
            if (unnamed) {
                unnamed_may_commit_ = !whole || text_may_commit(until_zero(body.substr(1)));
            }
            return;
        }
        case request::bind: {
            // The portal's name, then the statement's.
            const std::size_t name = until_zero(body).size() + 1;
            const bool unnamed = name < body.size() && body[name] == '\0';
            may_commit_ = may_commit_ || !unnamed || unnamed_may_commit_;
            return;
        }
        case request::execute:
            // Of a portal that was bound before, nobody knows what it is; of one bound now, Bind
            // has told.
            may_commit_ = may_commit_ || body.empty() || body[0] != '\0';
            return;
        case request::function_call:
        case request::sync:
        case request::describe:
        case request::close:
        case request::flush:
        case request::copy_data:
        case request::copy_end:
            return;
    }
}

}  // namespace pgweir::session
