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
// - The unnamed statement of a client is shared like a named one if its text comes again and again
// and means the same each time (pool/kept_text). Else it is the server's own. Either way it is the
// client's until the next one, or the next Query, takes its place.
// - What a server turns out not to have, or to have from before a table was changed, is prepared
// again, and the segment sent again, where nothing was shown to the client (session/repair).
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
#include "session/repair.hpp"
#include "session/statement_provision.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgweir::session {

class extended_query {
public:
    using server = statement_target;

    /// Longer texts are not searched for names.
    static constexpr std::size_t text_limit = 1024 * 1024;

    /// Longer Parse messages of unnamed statements are left alone.
    static constexpr std::size_t unnamed_limit = 8 * 1024;

    /// A client with more names has the others on a server of its own.
    static constexpr std::size_t names_limit = 16 * 1024;

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

    /// True if more messages can, because of what this client has sent before.
    bool waits_for_more() const noexcept { return unnamed_at_stake_ || by_execute_; }

    /// True if it does because of that.
    bool concerns_too(protocol::request what, std::string_view body) const noexcept;

    /// True if it uses an unnamed statement, or drops it: it is of interest where that could be
    /// another client's.
    static bool concerns_unnamed(protocol::request what, std::string_view body) noexcept;

    /// True if it is the Parse of an unnamed statement that may be worth sharing. Notes the text.
    static bool recurs(
        std::string_view body,
        std::size_t body_length,
        const protocol::pipeline& requests,
        pool::recurring_texts& texts
    ) noexcept;

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

    /// It has failed, and was not merely skipped.
    void on_failure(const pool::statement_effect& effect);

    // Repair of the segment that is being sent. REQUIRES: no other was under way when it began.

    /// Keeps what is needed for undo() from now on: no reply to the segment has come.
    void begin_undo();

    /// What the segment has used was good for it.
    void confirm(const server& to);

    /// True if sending the segment again may help against this error, and no client would wonder.
    bool can_repair(const refusal& error, const pool::server_statements& statements) const noexcept;

    /// The segment has failed, and will be sent again to this server: names are what they were.
    /// What it used that the server still has becomes another statement, prepared anew; others keep
    /// the old one, and PostgreSQL's error with it.
    void undo(const server& to);

    /// The same, where another server is asked.
    void undo();

    /// True if the client may have more names without keeping its server for them.
    bool has_room() const noexcept { return !pinned_ && names_.size() < names_limit; }

    /// All statements of the session are gone.
    void forget_all() { forgotten_ = std::exchange(names_, {}); }

    struct known_text {
        std::string_view words;
        std::uint64_t number = 0;  ///< of the statement
    };

    /// The text of a statement that the client has; nothing if it has no such name, or if it was
    /// made by PREPARE. REQUIRES: nothing is under way.
    std::optional<known_text> text_of(std::string_view name) const;

    // For a client that goes to another process (session/carried_client.hpp).

    struct known_statement {
        const pool::statement& statement;
        std::optional<std::uint64_t> rows;
        pool::moved_text moved;
    };

    /// Calls `visit(name, known)` for each name, and for an unnamed statement of ours. False if
    /// that is not all that matters. REQUIRES: nothing is under way.
    template <typename Visit>
    bool for_each_name(Visit&& visit) const {
        if (by_execute_ || query_held_) {
            return false;
        }
        if (unnamed_.statement != nullptr) {
            visit(std::string_view(), known_of(unnamed_));
        }
        for (const auto& [name, one] : names_) {
            visit(std::string_view(name), known_of(one));
        }
        return true;
    }

    /// A name that the client had in another process. `turn`: now.
    void take(
        std::string_view name,
        pool::statement_ptr statement,
        std::optional<std::uint64_t> columns,
        pool::moved_text moved,
        std::uint64_t turn
    );

    /// What the client calls the statement; empty if it has no name for it.
    std::string_view name_of(std::uint64_t statement_number) const noexcept;

    std::size_t size() const noexcept { return names_.size(); }

    /// True if messages cannot be left alone: it has names, or an unnamed statement of ours.
    bool has_any() const noexcept { return !names_.empty() || unnamed_at_stake_; }

private:
    struct named {
        pool::statement_ptr statement;
        std::optional<std::uint64_t> rows;  // the columns that the client was told
        pool::moved_text moved;             // of its PREPARE
        std::uint64_t turn = 0;             // when it was prepared
    };

    static known_statement known_of(const named& one) noexcept {
        return {*one.statement, one.rows, one.moved};
    }

    using name_map = std::map<std::string, named, std::less<>>;

    /// What a name stood for before; null: for nothing.
    struct change {
        std::string name;
        named before;
    };

    struct found {
        enum class answer : std::uint8_t { unknown, known, unsure };
        answer what = answer::unknown;
        pool::statement_ptr statement{};
        pool::moved_text moved{};
        std::uint64_t turn = 0;
    };

    const named* record(std::string_view name) const noexcept;
    void set(std::string_view name, named now);
    found look_up(std::string_view name, const server& to) const;
    step parse(std::string_view body, std::size_t body_length, server& to, std::string& out);
    step parse_text(const protocol::parse_message& message, server& to, std::string& out);
    step prepare(std::string_view name, const pool::statement_ptr& s, server& to, std::string& out);
    step duplicate(
        const protocol::parse_message& message,
        const pool::statement_ptr& s,
        server& to,
        std::string& out
    );
    pool::statement_ptr make_statement(
        std::string_view definition,
        pool::statement_store::sharing how,
        pool::statement_form form,
        server& to
    );
    step unshared(const protocol::parse_message& message, server& to, std::string& out);
    void uses(const found& known, server& to);
    void renew(named& one, const server& to) const;
    step bind(std::string_view body, std::size_t body_length, server& to, std::string& out);
    step describe(std::string_view body, server& to, std::string& out);
    step close(std::string_view body, server& to, std::string& out);

    // The unnamed statement: unnamed_query.cpp.
    step parse_unnamed(
        std::string_view body, const protocol::parse_message& message, server& to, std::string& out
    );
    pool::statement_ptr shared_unnamed(
        std::string_view body, const protocol::parse_message& message, server& to, std::string& out
    );
    step replace_unnamed(protocol::request what, server& to);
    static void leave_no_strangers(std::string_view name, const server& to, std::string& out);

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

    static constexpr std::uint64_t several = ~std::uint64_t{0};  // of which none can be confirmed

    name_map names_;
    named unnamed_;                  // no statement: the client has none, or the server's own
    bool unnamed_at_stake_ = false;  // it is one of ours, or may be when replies have come
    bool pinned_ = false;            // the server has names of its own for this client
    std::optional<std::uint32_t> used_in_;  // the last segment that used what is shared
    bool repairable_ = true;                // what it used was prepared anew by the client
    std::uint64_t at_risk_ = 0;             // the number of the one that it was; 0: of none
    std::uint32_t losses_ = 0;              // of the server, when it began
    bool undoing_ = false;                  // changes are noted
    std::vector<change> changes_;           // oldest first
    std::optional<pool::statement_effect> by_execute_;  // of what the unnamed statement does
    bool query_held_ = false;  // a Query waits for what was sent ahead of it
    name_map forgotten_;  // for errors of requests that were on their way; until the next Parse
};

}  // namespace pgweir::session
