#include "session/routed_session.hpp"

#include "config/values.hpp"
#include "protocol/frame.hpp"
#include "protocol/message.hpp"
#include "protocol/statement_messages.hpp"

#include <fmt/format.h>

namespace pgweir::session {

namespace {

using config::routing;
using protocol::transaction_status;

constexpr std::string_view bad_value_state = "22023";

/// What is kept of a transaction that has not begun on a server: more of it, or longer, is sent.
constexpr std::size_t deferred_texts = 16;
constexpr std::size_t deferred_text = 1024;

/// Of a message in full, at the front of the bytes.
std::size_t message_length(std::string_view bytes) noexcept {
    std::size_t length = 0;
    for (const char c : bytes.substr(1, 4)) {
        length = length << 8 | static_cast<unsigned char>(c);
    }
    return length + 1;
}

template <typename Enum>
std::optional<Enum> meaning_of(std::string_view word) {
    const auto found = config::parse_word<Enum>(word);
    return found ? std::optional(*found) : std::nullopt;
}

}  // namespace

carried_routing routed_session::carried() const {
    return {own_, at_login_, marks};
}

void routed_session::take(const carried_routing& before) {
    own_ = before.own;
    at_login_ = before.at_login;
    marks = before.marks;
    marks.after = own_.read_after;
    marks.seen_incarnation = 0;  // numbers of hosts are each process's own
}

bool routed_session::begin_with(own_parameter what, std::string_view value) {
    const bool known = set(what, value);
    at_login_ = own_;
    return known;
}

bool routed_session::set(own_parameter what, std::string_view value) {
    switch (what) {
        case own_parameter::routing: {
            const auto where = meaning_of<routing>(value);
            if (!where || *where == routing::off) {
                return false;
            }
            own_.routing = where;
            return true;
        }
        case own_parameter::read_consistency: {
            const auto found = meaning_of<config::read_consistency>(value);
            if (!found) {
                return false;
            }
            own_.consistency = found;
            return true;
        }
        case own_parameter::read_after: {
            const auto where = value.empty() ? wal_position() : read_position(value);
            if (!where) {
                return false;
            }
            read_after(*where);
            return true;
        }
        case own_parameter::last_write:
            return false;
    }
    return false;
}

void routed_session::reset(own_parameter what) {
    switch (what) {
        case own_parameter::routing:
            own_.routing = at_login_.routing;
            break;
        case own_parameter::read_consistency:
            own_.consistency = at_login_.consistency;
            break;
        case own_parameter::read_after:
        case own_parameter::last_write:
            read_after(at_login_.read_after);
            break;
    }
}

void routed_session::reset_all() {
    own_ = at_login_;
    marks.after = own_.read_after;
}

void routed_session::read_after(wal_position where) {
    own_.read_after = where;
    marks.after = where;
}

config::routing routed_session::route(const routing_terms& terms, const segment& s) const noexcept {
    if (s.hint) {
        return *s.hint;
    }
    return own_.routing.value_or(by_listener_.value_or(terms.where));
}

routed_session::plan routed_session::next(
    std::string_view bytes,
    std::size_t limit,
    const routing_terms& terms,
    const segment_court& court,
    sql::backslash strings,
    std::string& out
) {
    const segment s = read_segment(bytes, limit, court);
    plan made;
    made.length = s.length;
    made.why = s.why;
    made.harmless = s.harmless && s.length == bytes.size();
    switch (s.what) {
        case segment::form::incomplete:
            return made;
        case segment::form::other:
            made.what = step::primary;
            made.length = bytes.size();
            return made;
        case segment::form::query:
        case segment::form::extended:
            break;
    }
    if (const auto answered = own(s, bytes, terms, strings, out)) {
        made.what = *answered;
        return made;
    }
    switch (route(terms, s)) {
        case routing::off:
        case routing::primary:
            made.what = step::primary;
            break;
        case routing::standby:
            // The port for reads has all servers behind it.
            made.primary_too = by_listener_ == routing::standby && !own_.routing && !s.hint;
            made.what = step::standby;
            break;
        case routing::prefer_standby:
            made.or_primary = true;
            made.what = step::standby;
            break;
        case routing::automatic:
            if (terms.keeps_server) {
                made.what = step::primary;
            } else if (control(s, bytes, terms, strings, out)) {
                made.what = step::answered;
            } else {
                made.what = goes_to_standby(s) && consistency(terms.consistency) !=
                                                      config::read_consistency::primary
                                ? step::read
                                : step::primary;
            }
            break;
    }
    if (made.what == step::primary) {
        made.length = bytes.size();
    }
    return made;
}

bool routed_session::goes_to_standby(const segment& s) const noexcept {
    if (!s.reads) {
        return false;
    }
    // Whether an open transaction writes later on, nobody knows; a standby has no serializable.
    return !begun() || (modes_.read_only.value_or(false) && !modes_.serializable.value_or(false));
}

/// BEGIN and its end, as far as it is known here what they come to. True if they were answered.
bool routed_session::control(
    const segment& s,
    std::string_view bytes,
    const routing_terms& terms,
    sql::backslash strings,
    std::string& out
) {
    if (!terms.defer_begin || s.text.empty() || s.length == 0) {
        return false;
    }
    const transaction_control word = read_control(s.text, strings);
    switch (word.kind) {
        case control_kind::none:
            return false;
        case control_kind::begin:
            if (begun()) {
                return false;  // PostgreSQL warns
            }
            if (s.text.size() > deferred_text) {
                return false;
            }
            modes_ = {terms.read_by_default, std::nullopt};
            modes_.add(word.modes);
            deferred_.emplace_back(s.text);
            break;
        case control_kind::set_transaction:
            if (!begun() || deferred_.size() == deferred_texts || s.text.size() > deferred_text) {
                return false;
            }
            modes_.add(word.modes);
            deferred_.emplace_back(s.text);
            break;
        case control_kind::commit:
        case control_kind::rollback:
            if (!begun()) {
                return false;
            }
            deferred_.clear();
            break;
    }
    answer(bytes.substr(0, s.length), word.tag, out);
    return true;
}

/// SET, RESET and SHOW of what is ours.
std::optional<routed_session::step> routed_session::own(
    const segment& s,
    std::string_view bytes,
    const routing_terms& terms,
    sql::backslash strings,
    std::string& out
) {
    if (s.text.empty() || s.length == 0) {
        return std::nullopt;
    }
    const auto word = read_own(s.text, strings);
    if (!word) {
        return std::nullopt;
    }
    const std::string_view segment_bytes = bytes.substr(0, s.length);
    switch (word->what) {
        case own_statement::kind::show:
            if (word->parameter == own_parameter::last_write && marks.written > terms.sampled_at) {
                return step::sample;
            }
            answer(
                segment_bytes, "SHOW", out, name_of(word->parameter), shown(word->parameter, terms)
            );
            return step::answered;
        case own_statement::kind::reset:
            reset(word->parameter);
            answer(segment_bytes, "RESET", out);
            return step::answered;
        case own_statement::kind::set:
            break;
    }
    if (set(word->parameter, word->value)) {
        answer(segment_bytes, "SET", out);
        return step::answered;
    }
    protocol::put_error(
        out,
        protocol::severity::error,
        bad_value_state,
        fmt::format(
            "invalid value for parameter \"pgweir.{}\": \"{}\"",
            name_of(word->parameter),
            word->value
        )
    );
    protocol::put_ready_for_query(
        out, begun() ? transaction_status::in_transaction : transaction_status::idle
    );
    return step::refused;
}

std::string routed_session::shown(own_parameter what, const routing_terms& terms) const {
    switch (what) {
        case own_parameter::routing:
            return std::string(
                config::name_of(own_.routing.value_or(by_listener_.value_or(terms.where)))
            );
        case own_parameter::read_consistency:
            return std::string(config::name_of(consistency(terms.consistency)));
        case own_parameter::read_after:
            return marks.after.known() ? position_text(marks.after) : std::string();
        case own_parameter::last_write:
            return marks.written == steady_time::min() || !terms.inserted.known()
                       ? std::string()
                       : position_text(terms.inserted);
    }
    return {};
}

/// The answers that PostgreSQL would give to the messages of a segment that has this one text, with
/// one row if a column is named.
void routed_session::answer(
    std::string_view bytes,
    std::string_view tag,
    std::string& out,
    std::string_view column,
    std::string_view value
) const {
    constexpr std::int32_t text_type = 25;
    const auto describe = [&] {
        if (column.empty()) {
            protocol::put_no_data(out);
        } else {
            protocol::put_row_description(out, {{fmt::format("pgweir.{}", column), text_type}});
        }
    };
    const auto run = [&] {
        if (!column.empty()) {
            protocol::put_data_row(out, {value});
        }
        protocol::put_command_complete(out, tag);
    };
    while (!bytes.empty()) {
        const std::size_t length = message_length(bytes);
        switch (bytes[0]) {
            case 'Q':
                if (!column.empty()) {
                    describe();
                }
                run();
                break;
            case 'P':
                protocol::put_parse_complete(out);
                break;
            case 'B':
                protocol::put_bind_complete(out);
                break;
            case 'D':
                if (bytes[protocol::header_size] == 'S') {
                    protocol::put_no_parameters(out);
                }
                describe();
                break;
            case 'E':
                run();
                break;
            case 'C':
                protocol::put_close_complete(out);
                break;
            default:
                break;
        }
        bytes.remove_prefix(length);
    }
    protocol::put_ready_for_query(
        out, begun() ? transaction_status::in_transaction : transaction_status::idle
    );
}

}  // namespace pgweir::session
