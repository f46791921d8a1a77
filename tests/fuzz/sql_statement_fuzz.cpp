// Statements, settings, the gate and the proof of reading: whatever the text, they end and stay
// inside of it; what PostgreSQL's parser (libpg_query) accepts falls into as many statements as it
// says; the gate lets nothing pass that the exact reading would find; a setting that is written
// again means the same.

#include "sql/gate.hpp"
#include "sql/read_proof.hpp"
#include "sql/setting.hpp"
#include "sql/statement.hpp"

#include <pg_query.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

using namespace pgweir::sql;

namespace {

/// The parser needs stack for long expressions.
constexpr std::size_t parsed_limit = 4096;

void require(bool holds) {
    if (!holds) {
        __builtin_trap();
    }
}

bool touches_session(const statement& one) {
    using kind = statement_kind;
    switch (one.kind) {
        case kind::other:
        case kind::begin:
        case kind::commit:
        case kind::rollback:
        case kind::savepoint:
        case kind::release:
        case kind::rollback_to:
            return one.sets_config || one.locks_session || one.temporary || one.updates_settings;
        case kind::prepare_transaction:
        case kind::set:
        case kind::set_transaction:
        case kind::session_characteristics:
        case kind::session_authorization:
        case kind::reset:
        case kind::reset_all:
        case kind::discard_all:
        case kind::discard:
        case kind::prepare:
        case kind::execute:
        case kind::deallocate:
        case kind::deallocate_all:
        case kind::listen:
        case kind::unlisten:
        case kind::hold:
        case kind::load:
        case kind::code:
            return true;
    }
    return true;
}

std::string quoted(std::string_view text) {
    std::string out = "E'";
    for (char c : text) {
        out.append(c == '\'' || c == '\\' ? 2 : 1, c);
    }
    return out + "'";
}

void check_setting(const setting& one) {
    require(!one.name.empty());
    if (!one.value || one.name.find('"') != std::string::npos) {
        return;
    }
    const std::string again =
        "select set_config(" + quoted(one.name) + "," + quoted(*one.value) + ",false)";
    const auto found = read_set_config(again, backslash::plain);
    require(found && found->size() == 1 && found->front() == one);
}

/// None if the text is broken.
std::optional<int> read(std::string_view text, backslash meaning, bool& touches) {
    statement_reader statements(text, meaning);
    statement one;
    int count = 0;
    std::size_t end = 0;
    while (statements.next(one)) {
        count++;
        require(one.begin >= end && one.end > one.begin && one.end <= text.size());
        end = one.end;
        touches = touches || touches_session(one);
        const std::string_view whole = text.substr(one.begin, one.end - one.begin);
        require(one.name.text.empty() || one.name.begin >= one.begin);
        if (one.kind == statement_kind::set || one.kind == statement_kind::reset) {
            if (const auto found = read_setting(one, meaning)) {
                check_setting(*found);
            }
        } else if (one.kind == statement_kind::session_characteristics) {
            read_characteristics(one.value);
        } else if (one.sets_config) {
            if (const auto found = read_set_config(whole, meaning)) {
                for (const setting& each : *found) {
                    check_setting(each);
                }
            }
        }
    }
    return statements.broken() ? std::nullopt : std::optional<int>(count);
}

void compare_with_postgresql(const std::string& text, int count) {
    const PgQuerySplitResult result = pg_query_split_with_parser(text.c_str());
    require(result.error != nullptr || result.n_stmts == count);
    pg_query_free_split_result(result);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string given(data, data + size);
    const std::string text(given.c_str());
    for (const backslash meaning : {backslash::plain, backslash::escapes}) {
        bool touches = false;
        const auto count = read(text, meaning, touches);
        if (leaves_session_alone(text)) {
            require(!count || (*count <= 1 && !touches));
            require(ends_alone(text));
        }
        require(!holds_nothing(text) || ends_alone(text));
        require(!may_begin_alone(text) || holds_nothing(text));
        if (is_proved_read(text, meaning)) {
            require(count == 1 && !touches && leaves_transaction_open(text, meaning));
        }
        if (meaning == backslash::plain && count && text.size() < parsed_limit &&
            text.find('\v') == std::string::npos) {
            compare_with_postgresql(text, *count);
        }
    }
    return 0;
}
