#pragma once

// Named prepared statements of one client whose servers change from one transaction to the next. A
// client's name leads to a statement that is shared with others and has a name of its own on
// servers (pool/statement_store); what the client sends of it is rewritten to that name, and
// prepared first on a server that does not have it. PostgreSQL's manual: "Extended Query",
// "Pipelining"; Parse, Bind, Describe and Close in "Message Formats".
//
// - What the server has already is answered by ourselves, when its turn comes. Where the server
// might answer with an
//   error (the transaction may have failed by then), it is asked.
// - Errors are PostgreSQL's. An unknown name goes to the server as it is; a name that exists
// already is provoked by
//   preparing twice. The name of ours in an error's text becomes the client's again.
// - Names change when the reply has come that confirms it. Inside of a segment (up to Sync) what
// was sent before can
//   be relied on: if it fails, what comes behind is skipped. What depends on an earlier segment
//   that is still unanswered waits.
// - A client that has been told the columns of a statement never gets rows with others: a server
// whose columns are not
//   known is asked for them first.
//
// Decides only: takes messages, gives bytes for the server and notes them in its pipeline. On the
// thread of the client; made when the client first names a statement.

#include "pool/server_statements.hpp"
#include "pool/statement_store.hpp"
#include "protocol/pipeline.hpp"
#include "protocol/statement_messages.hpp"
#include "session/named_sql.hpp"
#include "session/statement_provision.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace pgweir::session {

class extended_query {
public:
    using server = statement_target;

    /// Longer texts are not searched for names.
    static constexpr std::size_t text_limit = 1024 * 1024;

    enum class step : std::uint8_t {
        as_is,     ///< goes to the server as it is, and is for the caller to note
        noted,     ///< goes to the server as it is, and is noted
        replaced,  ///< what is to be sent instead is in `out` (maybe nothing), and noted
        hold,      ///< `out` is to be sent; the message and all behind it must wait for replies
        whole,     ///< is needed whole to decide
        too_long,  ///< has names that are too long to be looked at
    };

    /// True if the message can concern a named statement. `body` may be only its first bytes.
    static bool concerns(protocol::request what, std::string_view body) noexcept;

    /// True if the next Execute does, whatever it says.
    bool concerns_execute() const noexcept { return by_execute_.has_value(); }

    /// One message: its body, of which only the beginning may be here. REQUIRES: one of the two.
    step on_message(
        protocol::request what,
        std::string_view body,
        std::size_t body_length,
        server& to,
        std::string& out
    );

    /// A request of this client's has had its effect.
    void on_effect(const pool::statement_effect& effect, std::uint64_t rows);

    /// All statements of the session are gone.
    void forget_all() { forgotten_ = std::exchange(names_, {}); }

    /// The text of a statement that the client has; nothing if it has no such name, or if it was
    /// made by PREPARE. REQUIRES: nothing is under way.
    std::optional<std::string_view> text_of(std::string_view name) const;

    /// What the client calls the statement; empty if it has no name for it.
    std::string_view name_of(std::uint64_t statement_number) const noexcept;

    std::size_t size() const noexcept { return names_.size(); }

private:
    struct named {
        pool::statement_ptr statement;
        std::optional<std::uint64_t> rows;  // the columns that the client was told
        pool::moved_text moved;             // of its PREPARE
    };

    struct found {
        enum class answer : std::uint8_t { unknown, known, unsure };
        answer what = answer::unknown;
        pool::statement_ptr statement{};
        pool::moved_text moved{};
    };

    found look_up(std::string_view name, const server& to) const;
    step parse(std::string_view body, std::size_t body_length, server& to, std::string& out);
    step duplicate(
        std::string_view name, const pool::statement_ptr& s, server& to, std::string& out
    );
    step bind(std::string_view body, std::size_t body_length, server& to, std::string& out);
    step describe(std::string_view body, server& to, std::string& out);
    step close(std::string_view body, server& to);

    // By name in SQL: named_sql_step.cpp.
    step query(std::string_view body, std::size_t body_length, server& to, std::string& out);
    step query_prepare(std::string_view text, const named_sql& use, server& to, std::string& out);
    step query_execute(std::string_view text, const named_sql& use, server& to, std::string& out);
    step query_deallocate(
        std::string_view text, const named_sql& use, server& to, std::string& out
    );
    std::optional<step> parse_sql(
        const protocol::parse_message& message, server& to, std::string& out
    );
    step parse_unnamed_sql(
        std::string_view types,
        std::string_view text,
        const named_sql& use,
        server& to,
        std::string& out
    );
    step execute(std::string_view body, server& to);
    std::optional<step> make_prepare(
        std::string_view text,
        const named_sql& use,
        server& to,
        std::string& out,
        pool::statement_effect& effect
    );

    enum class rows : std::uint8_t { of_no_interest, not_known, same, others };
    rows compare_rows(
        std::string_view name, const pool::statement_ptr& s, bool missing, const server& to
    ) const;
    static void ask_for_rows(const pool::statement_ptr& s, const server& to, std::string& out);

    using name_map = std::map<std::string, named, std::less<>>;

    name_map names_;
    std::optional<pool::statement_effect> by_execute_;  // of what the unnamed statement does
    bool query_held_ = false;  // a Query waits for what was sent ahead of it
    name_map forgotten_;  // for errors of requests that were on their way; until the next Parse
};

}  // namespace pgweir::session
