#include "router/first_word.hpp"

#include <algorithm>
#include <array>

namespace pgweir::router {

namespace {

struct entry {
    std::string_view word;
    reason why;
};

/// `read` stands for those of which the first word says nothing. Sorted.
constexpr std::array words = std::to_array<entry>({
    {"abort", reason::transaction},
    {"alter", reason::writes},
    {"analyse", reason::writes},
    {"analyze", reason::writes},
    {"begin", reason::transaction},
    {"call", reason::writes},
    {"checkpoint", reason::writes},
    {"close", reason::session_state},
    {"cluster", reason::writes},
    {"comment", reason::writes},
    {"commit", reason::transaction},
    {"copy", reason::read},
    {"create", reason::writes},
    {"deallocate", reason::session_state},
    {"declare", reason::read},
    {"delete", reason::writes},
    {"discard", reason::session_state},
    {"do", reason::writes},
    {"drop", reason::writes},
    {"end", reason::transaction},
    {"execute", reason::session_state},
    {"explain", reason::read},
    {"fetch", reason::session_state},
    {"grant", reason::writes},
    {"import", reason::writes},
    {"insert", reason::writes},
    {"listen", reason::session_state},
    {"load", reason::session_state},
    {"lock", reason::locks},
    {"merge", reason::writes},
    {"move", reason::session_state},
    {"notify", reason::writes},
    {"prepare", reason::session_state},
    {"reassign", reason::writes},
    {"refresh", reason::writes},
    {"reindex", reason::writes},
    {"release", reason::transaction},
    {"reset", reason::session_state},
    {"revoke", reason::writes},
    {"rollback", reason::transaction},
    {"savepoint", reason::transaction},
    {"security", reason::writes},
    {"select", reason::read},
    {"set", reason::session_state},
    {"show", reason::server_state},
    {"start", reason::transaction},
    {"table", reason::read},
    {"truncate", reason::writes},
    {"unlisten", reason::session_state},
    {"update", reason::writes},
    {"vacuum", reason::writes},
    {"values", reason::read},
    {"wait", reason::server_state},
    {"with", reason::read},
});

static_assert(std::is_sorted(words.begin(), words.end(), [](const entry& a, const entry& b) {
    return a.word < b.word;
}));

const entry* find(const sql::token& first) noexcept {
    constexpr std::size_t longest = 10;
    if (first.kind != sql::token_kind::word || first.text.size() > longest) {
        return nullptr;
    }
    std::array<char, longest> lower{};
    std::transform(first.text.begin(), first.text.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    });
    const std::string_view word(lower.data(), first.text.size());
    const auto* const found =
        std::lower_bound(words.begin(), words.end(), word, [](const entry& one, auto wanted) {
            return one.word < wanted;
        });
    return found != words.end() && found->word == word ? found : nullptr;
}

/// Words that mean something else with what follows them.
reason refine(const sql::token& first, reason why, sql::lexer& tokens) noexcept {
    const sql::token second = tokens.next();
    if (why == reason::transaction && second.is("prepared")) {
        return reason::writes;  // COMMIT PREPARED, ROLLBACK PREPARED
    }
    if (first.is("prepare") && second.is("transaction") && tokens.next().is_string()) {
        return reason::writes;
    }
    if (first.is("set") && second.is("transaction") && !tokens.next().is("snapshot")) {
        return reason::transaction;
    }
    return why;
}

}  // namespace

std::optional<judgement> judge_by_first_word(
    std::string_view text, sql::backslash strings
) noexcept {
    sql::lexer tokens(text, strings);
    sql::token first = tokens.next();
    while (first.is(';')) {
        first = tokens.next();
    }
    if (first.is("select")) {
        return std::nullopt;
    }
    if (first.kind == sql::token_kind::end) {
        return judgement{true, reason::read, true};
    }
    if (first.is('(')) {
        return std::nullopt;
    }
    const entry* const found = find(first);
    if (found == nullptr) {
        return judgement{false, reason::not_understood, false};
    }
    if (found->why == reason::read) {
        return std::nullopt;
    }
    return judgement{false, refine(first, found->why, tokens), false};
}

}  // namespace pgweir::router
