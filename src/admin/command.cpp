#include "admin/command.hpp"

#include "config/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <utility>

namespace pgweir::admin {

namespace {

// The names of the two kinds of keywords, in the order of their enumerations.

constexpr std::string_view show_names[] = {
    "active_sockets", "clients", "config",         "databases",    "dns_hosts",
    "dns_zones",      "fds",     "help",           "lists",        "mem",
    "peer_pools",     "peers",   "pools",          "servers",      "sockets",
    "state",          "stats",   "stats_averages", "stats_totals", "totals",
    "users",          "version", "routing",        "topology",     "workers",
};
static_assert(std::size(show_names) == show_kind_count);

enum class argument_rule : std::uint8_t { none, database, client, mode, assignment };

struct operation_entry {
    std::string_view word;
    argument_rule rule;
    std::string_view
        on_console;  // how the refusal to do it to the console begins; empty: no refusal
};

constexpr operation_entry operations[] = {
    {"DISABLE", argument_rule::database, "cannot disable"},
    {"ENABLE", argument_rule::database, "cannot enable"},
    {"KILL", argument_rule::database, "cannot kill"},
    {"KILL_CLIENT", argument_rule::client, {}},
    {"PAUSE", argument_rule::database, "cannot pause"},
    {"RECONNECT", argument_rule::database, "cannot reconnect"},
    {"RELOAD", argument_rule::none, {}},
    {"RESUME", argument_rule::database, {}},
    {"SET", argument_rule::assignment, {}},
    {"SHUTDOWN", argument_rule::mode, {}},
    {"SUSPEND", argument_rule::none, {}},
    {"WAIT_CLOSE", argument_rule::database, "cannot wait in"},
};
static_assert(std::size(operations) == static_cast<std::size_t>(operation_kind::wait_close) + 1);

const operation_entry& entry_of(operation_kind what) noexcept {
    return operations[static_cast<std::size_t>(what)];
}

// What drivers ask of every server at log-in; the values are those of a console session.
constexpr show_parameter parameters[] = {
    {"client_encoding", "UTF-8"},
    {"default_transaction_isolation", "read committed"},
    {"standard_conforming_strings", "on"},
    {"datestyle", "ISO"},
    {"timezone", "GMT"},
    {"extra_float_digits", "2"},
};

// PostgreSQL's rule for keywords: ASCII only, whatever the locale.
char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return lower(x) == lower(y);
    });
}

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_word_character(char c) noexcept {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (l >= '0' && l <= '9') || l == '_';
}

/// Takes a statement apart from left to right.
class scanner {
public:
    explicit scanner(std::string_view sql) noexcept : rest_(sql) {}

    /// True if there were any.
    bool blanks() noexcept {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_blank);
        const auto count = static_cast<std::size_t>(end - rest_.begin());
        rest_.remove_prefix(count);
        return count > 0;
    }

    bool take(char c) noexcept {
        if (rest_.empty() || rest_.front() != c) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    /// A bare or double-quoted word.
    std::optional<std::string> word() {
        if (!rest_.empty() && rest_.front() == '"') {
            return quoted('"');
        }
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_word_character);
        const auto count = static_cast<std::size_t>(end - rest_.begin());
        if (count == 0) {
            return std::nullopt;
        }
        std::string found(rest_.substr(0, count));
        rest_.remove_prefix(count);
        return found;
    }

    /// A word or a string in single quotes.
    std::optional<std::string> value() {
        return !rest_.empty() && rest_.front() == '\'' ? quoted('\'') : word();
    }

    /// The rest is blanks with at most one semicolon among them.
    bool at_end() noexcept {
        blanks();
        if (take(';')) {
            blanks();
        }
        return rest_.empty();
    }

private:
    std::optional<std::string> quoted(char quote) {
        std::string found;
        for (std::size_t i = 1; i < rest_.size(); ++i) {
            if (rest_[i] != quote) {
                found += rest_[i];
            } else if (i + 1 < rest_.size() && rest_[i + 1] == quote) {
                found += rest_[i++];
            } else {
                rest_.remove_prefix(i + 1);
                return found;
            }
        }
        return std::nullopt;
    }

    std::string_view rest_;
};

/// The statement is given back to its sender, so it is cut: at a character's start, not inside of
/// one.
std::string_view shortened(std::string_view sql) noexcept {
    constexpr std::size_t longest = 900;
    if (sql.size() <= longest) {
        return sql;
    }
    std::size_t end = longest;
    while (end > 0 && (static_cast<unsigned char>(sql[end]) & 0xC0U) == 0x80U) {
        --end;
    }
    return sql.substr(0, end);
}

failure syntax_error(std::string_view sql) {
    return {fmt::format("invalid command '{}', use SHOW HELP;", shortened(sql))};
}

failure bad_arguments() {
    return {"bad arguments"};
}

const show_parameter* find_parameter(std::string_view name) noexcept {
    const auto found =
        std::find_if(std::begin(parameters), std::end(parameters), [&](const show_parameter& p) {
            return same_word(p.name, name);
        });
    return found == std::end(parameters) ? nullptr : found;
}

result<command> make_show(std::string_view name, std::string_view sql) {
    if (const show_parameter* parameter = find_parameter(name)) {
        return command{*parameter};
    }
    const auto found =
        std::find_if(std::begin(show_names), std::end(show_names), [&](std::string_view known) {
            return same_word(known, name);
        });
    if (found == std::end(show_names)) {
        return syntax_error(sql);
    }
    return command{show_command{static_cast<show_kind>(found - std::begin(show_names))}};
}

std::optional<shutdown_mode> shutdown_mode_of(std::string_view word) noexcept {
    if (word.empty()) {
        return shutdown_mode::immediate;
    }
    if (same_word(word, "wait_for_servers")) {
        return shutdown_mode::wait_for_servers;
    }
    if (same_word(word, "wait_for_clients")) {
        return shutdown_mode::wait_for_clients;
    }
    return std::nullopt;
}

/// PgBouncer takes the digits that an argument begins with for the id; a slip of the pen should not
/// end another client's connection, so here all of it has to be the number.
std::optional<std::uint64_t> number_of(std::string_view text) noexcept {
    std::uint64_t id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return id;
}

result<command> make_operation(operation_kind what, std::string argument, std::string_view sql) {
    operation made;
    made.what = what;
    switch (entry_of(what).rule) {
        case argument_rule::none:
            if (!argument.empty()) {
                return syntax_error(sql);
            }
            break;
        case argument_rule::database:
            made.database = std::move(argument);
            break;
        case argument_rule::client:
            made.client_id = number_of(argument);
            break;
        case argument_rule::mode: {
            const auto mode = shutdown_mode_of(argument);
            if (!mode) {
                return syntax_error(sql);
            }
            made.mode = *mode;
            break;
        }
        case argument_rule::assignment:
            return syntax_error(sql);
    }
    return command{std::move(made)};
}

/// A command's word with at most one argument.
result<command> parse_plain(scanner& in, std::string_view word, std::string_view sql) {
    std::optional<std::string> argument;
    if (in.blanks()) {
        argument = in.word();
    }
    if (!in.at_end()) {
        return syntax_error(sql);
    }
    // An empty name must not turn into "all databases", which is what no argument means.
    if (word.size() > command_limit || (argument && argument->empty()) ||
        (argument && argument->size() > argument_limit)) {
        return bad_arguments();
    }
    if (same_word(word, "show") || same_word(word, "select")) {
        return make_show(argument.value_or(""), sql);
    }
    const auto found = std::find_if(
        std::begin(operations),
        std::end(operations),
        [&](const operation_entry& entry) { return same_word(entry.word, word); }
    );
    if (found == std::end(operations)) {
        return syntax_error(sql);
    }
    const auto what = static_cast<operation_kind>(found - std::begin(operations));
    return make_operation(what, std::move(argument).value_or(""), sql);
}

/// SET's key and value, behind its word.
result<command> parse_set(scanner& in, std::string_view sql) {
    const bool apart = in.blanks();
    auto key = in.word();
    if (!apart || !key) {
        return syntax_error(sql);
    }
    in.blanks();
    if (!in.take('=')) {
        const auto to = in.word();
        if (!to || !same_word(*to, "to")) {
            return syntax_error(sql);
        }
    }
    in.blanks();
    auto value = in.value();
    if (!value || !in.at_end()) {
        return syntax_error(sql);
    }
    if (key->empty() || key->size() > argument_limit || value->size() > value_limit) {
        return bad_arguments();
    }
    if (find_parameter(*key) != nullptr) {
        return command{ignored_set{}};
    }
    operation made;
    made.what = operation_kind::set;
    made.key = std::move(*key);
    made.value = std::move(*value);
    return command{std::move(made)};
}

}  // namespace

result<command> parse_command(std::string_view sql) {
    scanner in(sql);
    in.blanks();
    if (scanner(in).at_end()) {
        return command{empty_command{}};
    }
    const auto word = in.word();
    if (!word) {
        return syntax_error(sql);
    }
    return same_word(*word, "set") ? parse_set(in, sql) : parse_plain(in, *word, sql);
}

std::string argument_error(const operation& what) {
    if (what.what == operation_kind::kill_client) {
        return what.client_id ? "" : "invalid client pointer supplied";
    }
    const bool required =
        what.what == operation_kind::disable || what.what == operation_kind::enable;
    if (required && what.database.empty()) {
        return "a database is required";
    }
    const std::string_view refusal = entry_of(what.what).on_console;
    if (!refusal.empty() && is_console_database(what.database)) {
        return fmt::format("{} admin db: {}", refusal, what.database);
    }
    return {};
}

std::string command_tag(const operation& what) {
    if (what.what == operation_kind::set) {
        return fmt::format("SET {}={}", what.key, what.value);
    }
    return std::string(word_of(what.what));
}

namespace {

/// A setting as SHOW CONFIG would show it, which does not show all.
std::string as_shown(const std::string& key, std::string_view value) {
    const config::key* known = config::find_key(key);
    config::settings set;
    if (known == nullptr || !known->value.parse(set, value)) {
        return key;
    }
    return fmt::format("{}={}", key, known->value.show(set));
}

}  // namespace

std::string_view word_of(operation_kind what) noexcept {
    return entry_of(what).word;
}

std::string log_text(const operation& what) {
    if (!what.database.empty()) {
        return fmt::format("{} '{}'", word_of(what.what), what.database);
    }
    if (what.client_id) {
        return fmt::format("{} {}", word_of(what.what), *what.client_id);
    }
    if (what.mode == shutdown_mode::wait_for_servers) {
        return "SHUTDOWN WAIT_FOR_SERVERS";
    }
    if (what.mode == shutdown_mode::wait_for_clients) {
        return "SHUTDOWN WAIT_FOR_CLIENTS";
    }
    if (what.what == operation_kind::set) {
        return "SET " + as_shown(what.key, what.value);
    }
    return std::string(word_of(what.what));
}

bool is_console_database(std::string_view name) noexcept {
    return name == "pgbouncer" || name == "pgweir";
}

}  // namespace pgweir::admin
