#include "session/session_watch.hpp"

#include "sql/gate.hpp"

#include <algorithm>

namespace pgweir::session {

namespace {

using protocol::request;

/// What is collected of one body at most.
constexpr std::size_t collect_limit = 64 * 1024;

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

std::optional<leak> lasting(const effects_ptr& effects) noexcept {
    for (const statement_effects& one : *effects) {
        for (const effect& step : one.effects) {
            if (step.what == effect::kind::leaves && survives_failure(step.why)) {
                return step.why;
            }
        }
    }
    return std::nullopt;
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
                found.leaves = found.effects ? lasting(found.effects) : std::nullopt;
                return found;
            }
            return {};
        case request::close:
            if (state_ && state_->knows_names() && !body.empty() && body[0] == 'S') {
                state_->named(until_zero(body.substr(1)), nullptr);
            }
            return {};
        case request::function_call:
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
    found.effects = read_effects(text, meaning);
    found.leaves = found.effects ? lasting(found.effects) : std::nullopt;
    return found;
}

session_watch::finding session_watch::text_of_parse(std::string_view body, sql::backslash meaning) {
    const std::string_view name = until_zero(body);
    const std::string_view text = until_zero(behind_zero(body));
    const bool plain =
        !active() && sql::leaves_session_alone(text) && (name.empty() || !is_step(text));
    finding found;
    if (!plain) {
        if (const effects_ptr effects = read_effects(text, meaning)) {
            if (!follow().named(name, effects)) {
                found.leaves = leak::too_many;
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
    if (rest_->body.size() > collect_limit) {
        rest_->too_long = true;
        const std::string begin = std::move(rest_->body);
        rest_->body.clear();
        return look_at_piece(begin);
    }
    return rest_->left == 0 ? collected() : finding();
}

session_watch::finding session_watch::look_at_piece(std::string_view piece) {
    std::string& last = rest_->body;
    finding found;
    const std::string seam = last + std::string(piece.substr(0, overlap));
    if (!sql::holds_nothing(seam) || !sql::holds_nothing(piece)) {
        found.leaves = leak::unread;
    }
    last.append(piece.substr(piece.size() - std::min(piece.size(), overlap)));
    last.erase(0, last.size() - std::min(last.size(), overlap));
    if (rest_->left == 0) {
        rest_.reset();
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
