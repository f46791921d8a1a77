#include "sql/statement.hpp"

#include <algorithm>
#include <array>

namespace pgweir::sql {

namespace {

using kind = statement_kind;

constexpr std::array<std::string_view, 4> session_locks = {
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
};

template <typename... Words>
bool is_any(const token& one, const Words&... words) noexcept {
    return (one.is(words) || ...);
}

/// A name with or without quotes.
bool names(const token& one, std::string_view lower) noexcept {
    if (one.kind == token_kind::quoted_name) {
        return one.text.substr(1, one.text.size() - 2) == lower;
    }
    return one.is(lower);
}

bool is_temp(const token& one) noexcept {
    return is_any(one, "temp", "temporary");
}

bool is_session_lock(const token& one) noexcept {
    return std::any_of(session_locks.begin(), session_locks.end(), [&](std::string_view name) {
        return names(one, name);
    });
}

/// Reads the beginning of a statement. What it does not take is read again by body_reader.
class head_reader {
public:
    head_reader(std::string_view text, const lexer& tokens) noexcept
        : text_(text), tokens_(tokens) {}

    void read(statement& out) noexcept;

private:
    bool take(std::string_view word) noexcept {
        const bool found = tokens_.peek().is(word);
        if (found) {
            tokens_.next();
        }
        return found;
    }

    bool take_any(std::string_view one, std::string_view other) noexcept {
        return take(one) || take(other);
    }

    /// What is left of the statement, without blanks before it. It ends where the reader of the
    /// body says.
    std::string_view rest() const noexcept { return text_.substr(tokens_.peek().begin); }

    void transaction_end(statement& out, kind what) noexcept;
    void set(statement& out) noexcept;
    bool set_special(statement& out) noexcept;
    void set_parameter(statement& out, std::string_view name) noexcept;
    void reset(statement& out) noexcept;
    std::string_view parameter_name() noexcept;
    void discard(statement& out) noexcept;
    void prepare(statement& out) noexcept;
    void deallocate(statement& out) noexcept;
    void explain(statement& out) noexcept;
    void create(statement& out) noexcept;
    void declare(statement& out) noexcept;

    std::string_view text_;
    lexer tokens_;
};

void head_reader::read(statement& out) noexcept {
    const token first = tokens_.next();
    out.first = first;
    const auto named = [&](kind what) {
        out.kind = what;
        out.name = tokens_.next();
    };
    if (is_any(first, "begin", "start")) {
        out.kind = kind::begin;
    } else if (is_any(first, "commit", "end")) {
        transaction_end(out, kind::commit);
    } else if (is_any(first, "rollback", "abort")) {
        transaction_end(out, kind::rollback);
    } else if (first.is("savepoint")) {
        named(kind::savepoint);
    } else if (first.is("release")) {
        take("savepoint");
        named(kind::release);
    } else if (first.is("set")) {
        set(out);
    } else if (first.is("reset")) {
        reset(out);
    } else if (first.is("discard")) {
        discard(out);
    } else if (first.is("prepare")) {
        prepare(out);
    } else if (first.is("execute")) {
        named(kind::execute);
    } else if (first.is("deallocate")) {
        deallocate(out);
    } else if (first.is("explain")) {
        explain(out);
    } else if (first.is("create")) {
        create(out);
    } else if (first.is("declare")) {
        declare(out);
    } else if (first.is("listen")) {
        named(kind::listen);
    } else if (first.is("unlisten")) {
        named(kind::unlisten);
    } else if (first.is("load")) {
        out.kind = kind::load;
    }
}

void head_reader::transaction_end(statement& out, kind what) noexcept {
    if (take("prepared")) {
        return;  // of another session's transaction, outside of any
    }
    out.kind = what;
    take_any("work", "transaction");
    if (what == kind::rollback && take("to")) {
        take("savepoint");
        out.kind = kind::rollback_to;
        out.name = tokens_.next();
    } else if (take("and")) {
        out.chain = !take("no");
    }
}

std::string_view head_reader::parameter_name() noexcept {
    const token first = tokens_.next();
    std::size_t end = first.end();
    while (tokens_.peek().is('.')) {
        tokens_.next();
        end = tokens_.next().end();
    }
    return text_.substr(first.begin, end - first.begin);
}

void head_reader::set(statement& out) noexcept {
    out.kind = kind::set;
    if (take("local")) {
        out.local = true;
    } else {
        take("session");
    }
    if (set_special(out)) {
        return;
    }
    const std::string_view name = parameter_name();
    const token by = tokens_.peek();
    if (by.is('=') || by.is("to")) {
        tokens_.next();
    }
    set_parameter(out, name);
}

void head_reader::set_parameter(statement& out, std::string_view name) noexcept {
    out.parameter = name;
    out.value = rest();
}

/// The forms that have words of their own.
bool head_reader::set_special(statement& out) noexcept {
    lexer ahead = tokens_;
    const token first = ahead.next();
    const token second = ahead.next();
    if (second.is('=') || second.is("to") || second.is('.')) {
        return false;
    }
    const auto special = [&](std::string_view name) {
        tokens_.next();
        set_parameter(out, name);
    };
    if (is_any(first, "transaction", "constraints")) {
        out.kind = kind::set_transaction;
    } else if (first.is("characteristics")) {
        out.kind = kind::session_characteristics;
        tokens_ = ahead;
        take("transaction");
        out.value = rest();
    } else if (first.is("authorization") || (out.local && second.is("authorization"))) {
        out.kind = out.local ? kind::set_transaction : kind::session_authorization;
    } else if (first.is("time") && second.is("zone")) {
        tokens_.next();
        special("timezone");
    } else if (first.is("xml") && second.is("option")) {
        tokens_.next();
        special("xmloption");
    } else if (first.is("names")) {
        special("client_encoding");
    } else if (first.is("role")) {
        special("role");
    } else if (first.is("schema")) {
        special("search_path");
    } else {
        return false;
    }
    return true;
}

void head_reader::reset(statement& out) noexcept {
    out.kind = kind::reset;
    const token first = tokens_.peek();
    if (take("all")) {
        out.kind = kind::reset_all;
    } else if (take("time")) {
        out.parameter = "timezone";
    } else if (take("transaction")) {
        out.kind = kind::set_transaction;
    } else if (take("session")) {
        out.kind = kind::session_authorization;
    } else if (first.is_name()) {
        out.parameter = parameter_name();
    }
}

void head_reader::discard(statement& out) noexcept {
    out.kind = take("all") ? kind::discard_all : kind::discard;
}

void head_reader::prepare(statement& out) noexcept {
    if (tokens_.peek().is("transaction")) {
        lexer ahead = tokens_;
        ahead.next();
        // It may be the name of a statement as well.
        if (ahead.next().is_string()) {
            out.kind = kind::prepare_transaction;
            return;
        }
    }
    out.kind = kind::prepare;
    out.name = tokens_.next();
}

void head_reader::deallocate(statement& out) noexcept {
    lexer ahead = tokens_;
    if (ahead.next().is("prepare") && !ahead.peek().is_last() && !ahead.peek().is(';')) {
        tokens_.next();
    }
    out.kind = tokens_.peek().is("all") ? kind::deallocate_all : kind::deallocate;
    out.name = tokens_.next();
}

void head_reader::explain(statement& out) noexcept {
    if (tokens_.peek().is('(')) {
        for (int depth = 0;;) {
            const token one = tokens_.next();
            depth += one.is('(') ? 1 : one.is(')') ? -1 : 0;
            if (depth == 0 || one.is_last()) {
                break;
            }
        }
    } else {
        take_any("analyze", "analyse");
        take("verbose");
    }
    if (take("execute")) {
        out.kind = kind::execute;
        out.name = tokens_.next();
    } else if (take("create")) {
        create(out);
    } else if (take("declare")) {
        declare(out);
    }
}

void head_reader::create(statement& out) noexcept {
    if (take("or")) {
        take("replace");
    }
    take_any("global", "local");
    if (is_temp(tokens_.peek())) {
        out.temporary = true;
        return;
    }
    // Something with a name in the session's own schema.
    for (int i = 0; i < 8; i++) {
        const token one = tokens_.next();
        if (names(one, "pg_temp") && tokens_.peek().is('.')) {
            out.temporary = true;
            return;
        }
        if (one.is('(') || one.is(';') || one.is("as") || one.is_last()) {
            return;
        }
    }
}

void head_reader::declare(statement& out) noexcept {
    out.name = tokens_.next();
    for (;;) {
        const token one = tokens_.next();
        if (one.is("with") && tokens_.peek().is("hold")) {
            out.kind = kind::hold;
        }
        if (one.is("for") || one.is(';') || one.is_last()) {
            return;
        }
    }
}

/// The tokens of a whole statement, one after the other: where it ends, and what it calls.
class body_reader {
public:
    explicit body_reader(statement& out) noexcept : out_(out) {}

    /// True if this token, a semicolon, ends the statement.
    bool ends(const token& one) const noexcept {
        return one.is(';') && depth_ <= 0 && blocks_ == 0;
    }

    void take(const token& one) noexcept;

private:
    void parenthesis(bool opens) noexcept;
    void call() noexcept;
    void word(const token& one) noexcept;
    void code(std::string_view body) noexcept;

    bool is_routine() const noexcept { return out_.first.is("create") && routine_; }

    statement& out_;
    token last_;
    token before_last_;
    int depth_ = 0;
    int blocks_ = 0;        // BEGIN ATOMIC and CASE in the body of a routine
    int config_depth_ = 0;  // inside of the parentheses of set_config(): their depth
    bool routine_ = false;
    bool updates_ = false;  // the word UPDATE came
    bool into_ = false;     // what it names is next
    int words_ = 0;
};

void body_reader::take(const token& one) noexcept {
    if (last_.is("execute") && before_last_.is("as") && depth_ == 0 && one.is_name() &&
        is_any(out_.first, "create", "explain")) {
        out_.kind = kind::execute;
        out_.name = one;
    }
    if (into_) {
        out_.temporary = out_.temporary || is_temp(one) || names(one, "pg_temp");
        into_ = is_any(one, "local", "global", "table");
    } else if (one.is("into")) {
        into_ = is_any(out_.first, "select", "with", "explain") || out_.first.is('(');
    }
    if (last_.is('.') && is_session_lock(one)) {
        out_.locks_session = true;  // x.f is f(x)
    }
    if (names(one, "pg_settings")) {
        out_.updates_settings = updates_ || out_.first.is("merge");
    }
    if (one.kind == token_kind::symbol) {
        if (one.is('(') || one.is(')')) {
            parenthesis(one.is('('));
        }
    } else if (one.kind == token_kind::word) {
        word(one);
    } else if (one.is_string() && out_.first.is("do")) {
        code(one.text);
    }
    before_last_ = last_;
    last_ = one;
}

void body_reader::parenthesis(bool opens) noexcept {
    if (opens) {
        depth_++;
        call();
        return;
    }
    if (config_depth_ == depth_ && depth_ > 0) {
        config_depth_ = 0;
        out_.sets_config = out_.sets_config || !(last_.is("true") && before_last_.is(','));
    }
    depth_--;
}

/// Something with a name before its parenthesis.
void body_reader::call() noexcept {
    if (names(last_, "set_config")) {
        out_.sets_config = out_.sets_config || config_depth_ != 0;  // one inside of another
        config_depth_ = depth_;
    }
    out_.locks_session = out_.locks_session || is_session_lock(last_);
}

void body_reader::word(const token& one) noexcept {
    words_++;
    updates_ = updates_ || one.is("update");
    if (out_.first.is("create")) {
        routine_ = routine_ || (words_ <= 4 && is_any(one, "function", "procedure"));
        if (one.is("drop") && last_.is("commit") && before_last_.is("on")) {
            out_.temporary = false;  // gone with the transaction
        }
        if (is_routine()) {
            const bool opens = one.is("atomic") ? last_.is("begin") : one.is("case") && blocks_ > 0;
            blocks_ += opens ? 1 : one.is("end") && blocks_ > 0 ? -1 : 0;
        }
    }
}

/// The code of a DO: statements that would be of interest outside of it, and those that are made
/// at run time.
void body_reader::code(std::string_view body) noexcept {
    const std::size_t quote = body.find_first_of("'$");
    const std::size_t begin = body[quote] == '$' ? body.find('$', quote + 1) + 1 : quote + 1;
    lexer tokens(body.substr(begin, body.size() - std::min(body.size(), 2 * begin)));
    token last;
    for (token one = tokens.next(); !one.is_last(); last = one, one = tokens.next()) {
        const bool first =
            last.text.empty() || last.is(';') || is_any(last, "begin", "then", "else", "loop");
        const bool changes =
            first && is_any(one, "set", "reset", "listen", "load", "create", "execute", "discard");
        if (changes || names(one, "set_config") || names(one, "pg_settings") || one.is("execute") ||
            is_session_lock(one)) {
            out_.kind = kind::code;
        }
    }
}

bool is_ended_by_value(kind what) noexcept {
    return what == kind::set || what == kind::session_characteristics;
}

}  // namespace

statement_reader::statement_reader(std::string_view text, backslash meaning) noexcept
    : text_(text), tokens_(text, meaning) {}

bool statement_reader::next(statement& out) noexcept {
    while (tokens_.peek().is(';')) {
        tokens_.next();
    }
    const token first = tokens_.peek();
    if (first.is_last()) {
        broken_ = broken_ || first.kind == token_kind::broken;
        return false;
    }
    out = statement();
    out.begin = first.begin;
    head_reader(text_, tokens_).read(out);
    read_body(out);
    return !broken_;
}

void statement_reader::read_body(statement& out) noexcept {
    body_reader body(out);
    out.end = out.begin;
    for (;;) {
        const token one = tokens_.next();
        if (one.is_last()) {
            broken_ = one.kind == token_kind::broken;
            break;
        }
        if (body.ends(one)) {
            break;
        }
        body.take(one);
        out.end = one.end();
    }
    if (is_ended_by_value(out.kind)) {
        const auto begin = static_cast<std::size_t>(out.value.data() - text_.data());
        out.value = begin < out.end ? text_.substr(begin, out.end - begin) : std::string_view();
    }
}

bool leaves_transaction_open(std::string_view text, backslash meaning) noexcept {
    statement_reader statements(text, meaning);
    statement one;
    while (statements.next(one)) {
        if (one.kind == kind::commit || one.kind == kind::rollback ||
            one.kind == kind::prepare_transaction) {
            return false;
        }
    }
    return !statements.broken();
}

}  // namespace pgweir::sql
