#include "pool/work_guard.hpp"

#include "sql/read_proof.hpp"
#include "sql/statement.hpp"

namespace pgweir::pool {

namespace {

/// Of texts under way that are kept.
constexpr std::size_t limit = 2048;

std::string_view until_zero(std::string_view body) noexcept {
    return body.substr(0, body.find('\0'));
}

}  // namespace

void work_guard::add(std::string_view text) {
    if (unsure_ || texts_.size() + text.size() >= limit) {
        unsure_ = true;
        return;
    }
    texts_ += text;
    texts_ += '\0';
}

void work_guard::sent(protocol::request what, std::string_view body, bool whole) {
    using protocol::request;
    switch (what) {
        case request::query:
            unsure_ = unsure_ || !whole;
            return add(until_zero(body));
        case request::parse:
            if (!body.empty() && body[0] == '\0') {
                const std::string_view text = until_zero(body.substr(1));
                unnamed_known_ = whole && text.size() < limit;
                unnamed_ = unnamed_known_ ? text : std::string_view();
            }
            return;
        case request::bind: {
            // The portal's name, then the statement's.
            const std::size_t name = until_zero(body).size() + 1;
            const bool unnamed = name < body.size() && body[name] == '\0';
            unsure_ = unsure_ || !unnamed || !unnamed_known_;
            return add(unnamed_);
        }
        case request::execute:
            // Of a portal that was bound before, nobody knows what it is; of one bound now, Bind
            // has told.
            unsure_ = unsure_ || body.empty() || body[0] != '\0';
            return;
        case request::function_call:
            unsure_ = true;
            return;
        case request::sync:
        case request::describe:
        case request::close:
        case request::flush:
        case request::copy_data:
        case request::copy_end:
            return;
    }
}

void work_guard::bound(std::string_view text) {
    unsure_ = unsure_ || text.empty();
    add(text);
}

bool work_guard::can_be_cancelled(sql::backslash meaning) const noexcept {
    if (unsure_ || texts_.empty() || status_ == protocol::transaction_status::failed) {
        return false;
    }
    const bool in_transaction = status_ == protocol::transaction_status::in_transaction;
    for (std::string_view rest = texts_; !rest.empty();) {
        const std::string_view text = until_zero(rest);
        rest.remove_prefix(text.size() + 1);
        if (!(in_transaction ? sql::leaves_transaction_open(text, meaning)
                             : sql::is_proved_read(text, meaning))) {
            return false;
        }
    }
    return true;
}

}  // namespace pgweir::pool
