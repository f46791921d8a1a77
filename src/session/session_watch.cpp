#include "session/session_watch.hpp"

#include "sql/gate.hpp"

#include <algorithm>
#include <array>

namespace pgweir::session {

namespace {

using protocol::request;

/// What is collected of one body at most.
constexpr std::size_t collect_limit = 256 * 1024;

/// Pieces overlap by this much, so that no word is cut.
constexpr std::size_t overlap = 16;

std::string_view until_zero(std::string_view bytes) noexcept {
    return bytes.substr(0, bytes.find('\0'));
}

/// What is behind the zero byte.
std::string_view behind_zero(std::string_view bytes) noexcept {
    return bytes.substr(std::min(until_zero(bytes).size() + 1, bytes.size()));
}

/// SAVEPOINT, RELEASE and ROLLBACK [TO]: of interest when a named statement is executed.
bool is_step(std::string_view text) noexcept {
    const sql::token first = sql::lexer(text).next();
    return first.is("savepoint") || first.is("release") || first.is("rollback");
}

/// The functions of large objects, which libpq calls so: lo_open and its like change nothing but
/// what is over with the transaction. PostgreSQL's manual: "Function Call".
bool calls_large_object(std::string_view body) noexcept {
    constexpr std::array<std::uint32_t, 14> functions{
        715, 764, 952, 953, 954, 955, 956, 957, 958, 964, 1004, 3170, 3171, 3172};
    if (body.size() < sizeof(std::uint32_t)) {
        return false;
    }
    std::uint32_t number = 0;
    for (const char c : body.substr(0, sizeof number)) {
        number = number << 8 | static_cast<unsigned char>(c);
    }
    return std::find(functions.begin(), functions.end(), number) != functions.end();
}

std::optional<leak> surviving(const effects_ptr& effects) noexcept {
    return effects ? what_survives(*effects) : std::nullopt;
}

}  // namespace

session_state& session_watch::follow() {
    if (!state_) {
        state_ = std::make_unique<session_state>();
    }
    return *state_;
}

session_watch::finding session_watch::request(
    protocol::request what, std::string_view body, std::size_t length, sql::backslash meaning
) {
    switch (what) {
        case request::query:
            return body.size() == length ? text_of_query(until_zero(body), meaning)
                                         : collect(what, body, length, meaning);
        case request::parse:
            return body.size() == length ? text_of_parse(body, meaning)
                                         : collect(what, body, length, meaning);
        case request::bind:
            if (state_ && state_->knows_names()) {
                state_->bound(until_zero(body), until_zero(behind_zero(body)));
            }
            return {};
        case request::execute:
            if (state_ && state_->knows_names()) {
                finding found;
                found.effects = state_->of_portal(until_zero(body));
                found.leaves = surviving(found.effects);
                return found;
            }
            return {};
        case request::close:
            if (state_ && state_->knows_names() && !body.empty() && body[0] == 'S') {
                state_->named(until_zero(body.substr(1)), nullptr);
            }
            return {};
        case request::function_call:
            return calls_large_object(body) ? finding() : finding{{}, leak::call};
        case request::sync:
        case request::describe:
        case request::flush:
        case request::copy_data:
        case request::copy_end:
            return {};
    }
    return {};
}

void session_watch::sent(std::uint64_t number, const finding& found) {
    if (found.collects) {
        rest_->number = number;
    } else if (found.effects) {
        follow().sent(number, found.effects);
    }
}

session_watch::finding session_watch::text_of_query(std::string_view text, sql::backslash meaning) {
    if (!active() && sql::leaves_session_alone(text)) {
        return {};
    }
    finding found;
    found.effects = effects_of(text, meaning);
    found.leaves = surviving(found.effects);
    return found;
}

effects_ptr session_watch::effects_of(std::string_view text, sql::backslash meaning) {
    effects_ptr found = read_effects(text, meaning, prepared_);
    if (found) {
        for (const statement_effects& one : *found) {
            if (!one.prepares.empty()) {
                // The names of PREPARE and of Parse are the same.
                const auto effects =
                    std::make_shared<const text_effects>(1, statement_effects{{}, {}, one.effects});
                follow().named(one.prepares, effects);
                note_prepared(*effects);
            }
        }
    }
    return found;
}

void session_watch::note_prepared(const text_effects& effects) noexcept {
    prepared_ = std::max(
        prepared_, what_survives(effects) ? prepared::what_survives : prepared::what_stays
    );
}

session_watch::finding session_watch::text_of_parse(std::string_view body, sql::backslash meaning) {
    const std::string_view name = until_zero(body);
    const std::string_view text = until_zero(behind_zero(body));
    const bool plain =
        !active() && sql::leaves_session_alone(text) && (name.empty() || !is_step(text));
    finding found;
    if (!plain) {
        if (const effects_ptr effects = effects_of(text, meaning)) {
            if (!follow().named(name, effects)) {
                found.leaves = leak::too_many;
            }
            if (!name.empty()) {
                note_prepared(*effects);
            }
            return found;
        }
    }
    if (state_ && state_->knows_names()) {
        state_->named(name, nullptr);
    }
    return found;
}

// Texts that are cut.

session_watch::finding session_watch::collect(
    protocol::request what, std::string_view body, std::size_t length, sql::backslash meaning
) {
    rest_ = std::make_unique<rest>();
    rest_->what = what;
    rest_->meaning = meaning;
    rest_->left = length;
    finding found = more(body);
    found.collects = true;
    return found;
}

session_watch::finding session_watch::more(std::string_view chunk) {
    const std::string_view piece = chunk.substr(0, rest_->left);
    rest_->left -= piece.size();
    if (rest_->too_long) {
        return look_at_piece(piece);
    }
    rest_->body += piece;
    if (rest_->left == 0) {
        return collected();
    }
    finding found;
    if (rest_->body.size() > collect_limit) {
        rest_->too_long = true;
        const std::string_view begin = rest_->body;
        if (!sql::may_begin_alone(rest_->what == request::parse ? behind_zero(begin) : begin)) {
            found.leaves = leak::unread;
        }
        rest_->body.erase(0, rest_->body.size() - overlap);
    }
    return found;
}

/// Of a text that is too long to be collected, what comes next.
session_watch::finding session_watch::look_at_piece(std::string_view piece) {
    std::string& before = rest_->body;
    const bool ends = rest_->left == 0;
    const std::string_view text = ends ? until_zero(piece) : piece;
    // A semicolon at the very end was not looked at yet, nor was a word that is cut.
    const bool whole = ends && before.ends_with(';');
    before += whole ? text : text.substr(0, overlap);
    const bool nothing = ends ? sql::ends_alone(before) && sql::ends_alone(text)
                              : sql::holds_nothing(before) && sql::holds_nothing(text);
    finding found;
    if (!nothing) {
        found.leaves = leak::unread;
    }
    if (ends) {
        rest_.reset();
    } else {
        if (text.size() > overlap) {
            before = text.substr(text.size() - overlap);
        }
        before.erase(0, before.size() - std::min(before.size(), overlap));
    }
    return found;
}

session_watch::finding session_watch::collected() {
    const std::unique_ptr<rest> whole = std::move(rest_);
    finding found = request(whole->what, whole->body, whole->body.size(), whole->meaning);
    if (whole->number) {
        sent(*whole->number, found);
    }
    return found;
}

bool session_watch::is_news(leak why) noexcept {
    const auto bit = 1u << static_cast<unsigned>(why);
    const bool news = (told_ & bit) == 0;
    told_ |= bit;
    return news;
}

void session_watch::lease_over() {
    rest_.reset();
    if (state_) {
        state_->lease_over();
    }
}

}  // namespace pgweir::session
