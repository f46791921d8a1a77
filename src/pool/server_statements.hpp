#pragma once

// The prepared statements of one server connection: which ones it has, least recently used first,
// and what of the requests under way will change that, or the names of the client that it is leased
// to. Changes take effect when the reply that confirms them has come, and never if the request
// fails or is skipped.
//
// Pure bookkeeping on the thread of the connection. Entries of the queue correspond to the requests
// that the connection's protocol::pipeline has been asked to give notice of, one to one and in the
// same order.

#include "pool/statement_store.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace pgweir::pool {

/// What of a text comes behind so many characters has moved by so many. Positions in errors are put
/// right by it.
struct moved_text {
    std::uint32_t behind = 0;
    std::int32_t by = 0;
};

/// What a request brings about when it is answered.
struct statement_effect {
    enum class kind : std::uint8_t {
        prepare,
        close,
        describe,   ///< a row description becomes known
        duplicate,  ///< fails: the client has a statement of that name already
        refuse,     ///< fails: the server's statement has other columns than the client was told
        moved,      ///< none, but what PostgreSQL reads is not quite what the client wrote
        forget,     ///< a text that may drop all statements; whether it did is seen by its tag
    };
    enum class scope : std::uint8_t {
        server,  ///< the server's statements
        client,  ///< the names of the client
        both,
    };

    kind what = kind::prepare;
    scope where = scope::both;
    statement_ptr statement;
    std::string name{};         // the client's
    std::uint32_t segment = 0;  // of the pipeline, when it was sent
    moved_text moved{};         // what the server reads, against what the client wrote
    std::uint64_t turn = 0;     // of a prepare: when it was asked for (statement_store::next_turn)
    bool unnamed = false;       // of a prepare: for an unnamed statement

    bool of_client() const noexcept { return where != scope::server; }

    bool of_server() const noexcept { return where != scope::client; }
};

/// A fingerprint of a RowDescription's body (names, types, modifiers), so that two can be compared.
/// No columns at all (NoData) have one, too: that of an empty body.
std::uint64_t fingerprint_of_rows(std::string_view row_description) noexcept;

class server_statements {
public:
    enum class standing : std::uint8_t {
        missing,
        prepared,  ///< or it will be, unless what is sent now will be skipped as well
        outdated,  ///< the server has it, or maybe not, but it is of no use any more
        unsure,    ///< that depends on an answer that is not here yet
    };

    /// How a statement will stand when the requests of the segment that is being sent come to their
    /// turn.
    standing standing_of(const statement& s, std::uint32_t segment) const noexcept;

    /// By what a client has a statement.
    enum class usage : std::uint8_t { by_name, unnamed };

    /// Notes that a request uses it. REQUIRES: it is prepared, or about to be.
    void use(const statement& s, std::uint32_t segment, usage how = usage::by_name) noexcept;

    /// The turn of the store's since when the server has it; nothing if it does not.
    std::optional<std::uint64_t> turn_of(const statement& s) const noexcept;

    /// It was found to be as good as one that is prepared at this turn.
    void confirm(std::uint64_t number, std::uint64_t turn) noexcept;

    /// True if a request under way prepares or closes it.
    bool in_doubt(const statement& s) const noexcept { return last_change(s) != nullptr; }

    /// The columns that this server's statement returns, if they are known.
    std::optional<std::uint64_t> rows_of(const statement& s) const noexcept;

    /// The least recently used one that should be closed so that there is room for `more` within
    /// the limit; null if there is room. Not `keep`.
    statement_ptr victim(std::size_t limit, std::size_t more, const statement* keep) const;

    /// Whether there is room for one that serves unnamed statements: these never take the place of
    /// others. `victim`: what is to be closed for it; null if nothing.
    struct room {
        bool found = false;
        statement_ptr victim{};
    };

    room room_for_unnamed(std::size_t limit) const;

    /// A request was sent that will have this effect.
    void expect(statement_effect effect);

    const std::vector<statement_effect>& queue() const noexcept { return queue_; }

    /// Where in queue() those under way begin.
    std::size_t head() const noexcept { return head_; }

    std::size_t in_flight() const noexcept { return queue_.size() - head_; }

    /// True if a row description is awaited.
    bool describing() const noexcept { return describing_ != 0; }

    /// A RowDescription or NoData (an empty body) has come.
    void rows_described(std::string_view body) noexcept { last_rows_ = fingerprint_of_rows(body); }

    std::uint64_t last_rows() const noexcept { return last_rows_; }

    /// The oldest request's effect: it has happened (and is carried out here), or it never will.
    statement_effect done();
    statement_effect dropped();

    /// The server has none any more.
    void clear() noexcept;

    /// The server said that it does not have this one. Whatever took it away took others, too.
    void lost(std::uint64_t number) noexcept;

    /// How often that happened.
    std::uint32_t losses() const noexcept { return losses_; }

    /// True if the server has it, and it was used in this segment or a later one.
    bool used_since(const statement& s, std::uint32_t segment) const noexcept;

    /// "Cached plan must not change result type": nobody else shall get one of the statements that
    /// were used since.
    void retire_used_since(std::uint32_t segment) noexcept;

    /// The turn of the store's at which a client has made or dropped the server's own unnamed
    /// statement: it knows it again by that. 0: nobody.
    std::uint64_t unnamed_owner() const noexcept { return unnamed_owner_; }

    void set_unnamed_owner(std::uint64_t turn) noexcept { unnamed_owner_ = turn; }

    std::size_t size() const noexcept { return entries_.size(); }

private:
    struct entry {
        statement_ptr statement;
        std::optional<std::uint64_t> rows;
        std::uint32_t used = 0;  // in this segment
        std::uint64_t turn = 0;  // when it was prepared
        bool unnamed = false;    // serves unnamed statements only
        bool outdated = false;
    };

    using entry_list = std::list<entry>;

    const statement_effect* last_change(const statement& s) const noexcept;
    statement_effect take();
    void prepared(const statement_effect& by);
    std::size_t expected_size() const noexcept;
    void closed(std::uint64_t number) noexcept;

    entry_list entries_;  // most recently used first
    std::unordered_map<std::uint64_t, entry_list::iterator> by_number_;
    std::vector<statement_effect> queue_;  // oldest first, from head_ on
    std::size_t head_ = 0;
    std::uint32_t describing_ = 0;
    std::uint32_t losses_ = 0;
    std::uint64_t unnamed_owner_ = 0;
    std::uint64_t last_rows_ = 0;
};

}  // namespace pgweir::pool
