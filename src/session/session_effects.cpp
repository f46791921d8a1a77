#include "session/session_effects.hpp"

#include "sql/statement.hpp"

#include <algorithm>
#include <array>

namespace pgweir::session {

namespace {

using kind = sql::statement_kind;

/// Parameters that are over with the transaction, however they are set, or mean nothing later.
constexpr std::array<std::string_view, 5> transient = {
    "transaction_isolation",
    "transaction_read_only",
    "transaction_deferrable",
    "transaction_snapshot",
    "seed",
};

bool is_transient(std::string_view name) noexcept {
    return std::find(transient.begin(), transient.end(), name) != transient.end();
}

class effects_reader {
public:
    effects_reader(std::string_view text, sql::backslash meaning, prepared before)
        : text_(text), meaning_(meaning), before_(before) {}

    /// True if there is something to follow, a tag that would surprise included.
    bool read(const sql::statement& one, statement_effects& out) const;

private:
    static bool step(
        effect::kind what, const sql::statement& one, std::string_view tag, statement_effects& out
    );
    static bool leaves(leak why, std::string_view tag, statement_effects& out);
    static void set(sql::setting to, statement_effects& out);
    bool set(const sql::statement& one, statement_effects& out) const;
    bool characteristics(const sql::statement& one, statement_effects& out) const;
    bool any_statement(const sql::statement& one, statement_effects& out) const;

    std::string_view text_;
    sql::backslash meaning_;
    prepared before_;
};

/// A search_path by which CREATE makes something temporary.
bool makes_all_temporary(const sql::setting& to) noexcept {
    if (to.name != "search_path" || !to.value) {
        return false;
    }
    const std::size_t at = to.value->find("pg_temp");
    const bool is_first = at == 0 || (at == 1 && to.value->front() == '"');
    return is_first || (at != std::string::npos && to.value->find(',', at) != std::string::npos);
}

bool effects_reader::step(
    effect::kind what, const sql::statement& one, std::string_view tag, statement_effects& out
) {
    out.tag = tag;
    effect& done = out.effects.emplace_back();
    done.what = what;
    sql::append_name(one.name, done.to.name);
    return true;
}

bool effects_reader::leaves(leak why, std::string_view tag, statement_effects& out) {
    out.tag = tag;
    effect& done = out.effects.emplace_back();
    done.what = effect::kind::leaves;
    done.why = why;
    return true;
}

void effects_reader::set(sql::setting to, statement_effects& out) {
    if (to.name == "session_authorization") {
        leaves(leak::authorization, out.tag, out);
    } else if (makes_all_temporary(to)) {
        leaves(leak::temporary, out.tag, out);
    } else if (!is_transient(to.name)) {
        effect& done = out.effects.emplace_back();
        done.what = effect::kind::set;
        done.to = std::move(to);
    }
}

bool effects_reader::set(const sql::statement& one, statement_effects& out) const {
    out.tag = one.kind == kind::set ? "SET" : "RESET";
    auto to = sql::read_setting(one, meaning_);
    if (one.local) {
        return to && makes_all_temporary(*to) ? leaves(leak::temporary, out.tag, out) : true;
    }
    if (to) {
        set(std::move(*to), out);
        return true;
    }
    return leaves(leak::setting, out.tag, out);
}

bool effects_reader::characteristics(const sql::statement& one, statement_effects& out) const {
    out.tag = "SET";
    auto all = sql::read_characteristics(one.value);
    if (!all) {
        return leaves(leak::setting, out.tag, out);
    }
    for (sql::setting& to : *all) {
        set(std::move(to), out);
    }
    return true;
}

/// What a statement of any kind may do beside.
bool effects_reader::any_statement(const sql::statement& one, statement_effects& out) const {
    if (one.locks_session) {
        leaves(leak::lock, "", out);
    }
    if (one.updates_settings) {
        leaves(leak::setting, "", out);
    }
    if (one.temporary) {
        leaves(leak::temporary, "", out);
    }
    if (one.sets_config) {
        const auto whole = text_.substr(one.begin, one.end - one.begin);
        auto all = sql::read_set_config(whole, meaning_);
        if (!all) {
            leaves(leak::setting, "", out);
        } else {
            for (sql::setting& to : *all) {
                set(std::move(to), out);
            }
        }
    }
    return !out.effects.empty();
}

bool effects_reader::read(const sql::statement& one, statement_effects& out) const {
    switch (one.kind) {
        case kind::commit:
            return step(effect::kind::commit, one, "COMMIT", out);
        case kind::prepare_transaction:
            return step(effect::kind::commit, one, "PREPARE TRANSACTION", out);
        case kind::rollback:
            return step(effect::kind::rollback, one, "ROLLBACK", out);
        case kind::savepoint:
            return step(effect::kind::savepoint, one, "SAVEPOINT", out);
        case kind::release:
            return step(effect::kind::release, one, "RELEASE", out);
        case kind::rollback_to:
            return step(effect::kind::rollback_to, one, "ROLLBACK", out);
        case kind::set:
        case kind::reset:
            return set(one, out);
        case kind::session_characteristics:
            return characteristics(one, out);
        case kind::set_transaction:
            return true;
        case kind::session_authorization:
            return leaves(leak::authorization, "", out);
        case kind::reset_all:
            out.tag = "RESET";
            out.effects.emplace_back().what = effect::kind::reset_all;
            return true;
        case kind::discard_all:
            out.tag = "DISCARD ALL";
            out.effects.emplace_back().what = effect::kind::discard_all;
            return true;
        case kind::listen:
            return leaves(leak::listen, "LISTEN", out);
        case kind::load:
            return leaves(leak::load, "LOAD", out);
        case kind::hold:
            return leaves(leak::hold, "", out);
        case kind::code:
            return leaves(leak::code, "", out);
        case kind::prepare:
            if (!any_statement(one, out)) {
                return false;
            }
            sql::append_name(one.name, out.prepares);
            return true;
        case kind::execute:
            if (before_ == prepared::nothing) {
                return any_statement(one, out);
            }
            // Of what can be prepared, a lock survives.
            return leaves(before_ == prepared::what_survives ? leak::lock : leak::setting, "", out);
        case kind::other:
        case kind::begin:
        case kind::discard:
        case kind::deallocate:
        case kind::deallocate_all:
        case kind::unlisten:
            return any_statement(one, out);
    }
    return false;
}

}  // namespace

leak_text text_of(leak why) noexcept {
    switch (why) {
        case leak::listen:
            return {"LISTEN", "use pool_mode = session for clients that listen"};
        case leak::lock:
            return {"an advisory lock of the session", "use pg_advisory_xact_lock()"};
        case leak::hold:
            return {"a cursor WITH HOLD", "use it within one transaction"};
        case leak::temporary:
            return {"something temporary", "use ON COMMIT DROP"};
        case leak::load:
            return {"LOAD", "use session_preload_libraries"};
        case leak::authorization:
            return {"SET SESSION AUTHORIZATION", "use SET ROLE"};
        case leak::code:
            return {"what a DO block may change", "use SET LOCAL in it"};
        case leak::setting:
            return {
                "a setting that cannot be followed", "use SET with a plain value, or SET LOCAL"};
        case leak::too_many:
            return {"more settings than are followed", "use SET LOCAL"};
        case leak::call:
            return {"a function that is called by its number", "call it by SELECT"};
        case leak::unread:
            return {"what a very long text may change", "send SET and its like by themselves"};
    }
    return {};
}

std::optional<leak> what_survives(const text_effects& of) noexcept {
    for (const statement_effects& one : of) {
        for (const effect& step : one.effects) {
            if (step.what == effect::kind::leaves &&
                (step.why == leak::lock || step.why == leak::load)) {
                return step.why;
            }
        }
    }
    return std::nullopt;
}

effects_ptr read_effects(std::string_view text, sql::backslash meaning, prepared before) {
    text_effects all;
    bool something = false;
    const effects_reader reader(text, meaning, before);
    sql::statement_reader statements(text, meaning);
    sql::statement one;
    while (statements.next(one)) {
        something = reader.read(one, all.emplace_back()) || something;
    }
    // PostgreSQL runs nothing of what is broken, unless it does not read the text as we do.
    return something || (statements.broken() && !all.empty())
               ? std::make_shared<const text_effects>(std::move(all))
               : nullptr;
}

}  // namespace pgweir::session
