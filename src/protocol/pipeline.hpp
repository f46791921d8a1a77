#pragma once

// What a server still owes: every request that was sent to it and not yet answered, in order, and
// the transaction status of its last ReadyForQuery. Answers the one question that a pooler lives
// by: may this server be given to another client?
// PostgreSQL's manual: "Message Flow": "Extended Query", "Pipelining", "COPY Operations",
// "Function Call".
//
// The traps that this class knows, each as PostgreSQL's backend does it:
// - An error in Parse, Bind, Describe, Execute or Close makes the server skip everything up to the
//   next Sync, Query and FunctionCall messages included; these are never answered. An error in
//   Query, FunctionCall or Sync skips nothing. Where no Sync was sent yet, what the client sends up
//   to its Sync is skipped too.
// - While a COPY FROM STDIN takes data, Sync and Flush are ignored and never answered: those sent
//   after the COPY's Query or Execute and before its CopyDone or CopyFail owe nothing. CopyDone and
//   CopyFail are not answered themselves, and are ignored outside of a COPY.
// - An error that ends such a COPY may have come before the server read those Syncs (a trigger that
//   fails, say), and then they are answered after all. Nothing in the protocol tells, so they stay
//   in doubt until a later request is answered, which proves that they were swallowed.
// - Parse, Bind, Describe, Execute and Close open an implicit transaction that only Sync ends: a
//   server whose replies have all come (after a Flush) is not settled before that.
// - Query can hold several statements, so several CommandCompletes and several COPYs belong to it.
//   It has at least one reply before its ReadyForQuery.
// - Notices, notifications and parameter changes may come at any time and answer nothing.
//
// - Some requests never go to the server: what the pooler can answer by itself has its place in the
//   order of replies, and is skipped after an error, like any other.
//
// Pure bookkeeping: no I/O, no clock. One byte for each request under way; allocates only when more
// than fifteen are under way. A reply that no request explains is a desync: the server must be
// closed, and every later verdict is desync too. Not thread-safe.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace pgweir::protocol {

/// Requests that change what a server owes.
enum class request : std::uint8_t {
    query,          ///< Q
    function_call,  ///< F
    sync,           ///< S
    parse,          ///< P
    bind,           ///< B
    describe,       ///< D
    execute,        ///< E
    close,          ///< C
    flush,          ///< H
    copy_data,      ///< d
    copy_end,       ///< c or f
};

/// Its last answer is ReadyForQuery.
constexpr bool ends_in_ready(request what) {
    return what == request::query || what == request::function_call || what == request::sync;
}

/// The request that a message of this type from a client is; none for Terminate, for answers to
/// authentication, and for types that do not exist.
std::optional<request> request_of(char type) noexcept;

/// On whose behalf a request was sent: replies to the pooler's own are not the client's to see.
enum class origin : std::uint8_t {
    client,
    pooler,
    injected,  ///< the pooler's own, ahead of a request of the client's that needs it: if it fails,
               ///< the error is the client's
    local,     ///< the client's, not sent: the pooler answers it when its turn comes
};

/// Whether the sender wants to know what becomes of a request: see pipeline::take_passed.
enum class notice : std::uint8_t { none, wanted };

/// Status byte of ReadyForQuery.
enum class transaction_status : char {
    idle = 'I',
    in_transaction = 'T',
    failed = 'E',
};

class pipeline {
public:
    enum class verdict : std::uint8_t {
        forward,  ///< belongs to a request of the client, or to nobody in particular
        own,      ///< belongs to a request of the pooler's own
        desync,   ///< no request explains it: the stream cannot be trusted any more
    };

    /// What has become of requests whose sender wanted notice, oldest first.
    struct passed {
        std::uint32_t done;     ///< answered without an error
        std::uint32_t dropped;  ///< failed, or skipped after an error
    };

    /// Notes a request, in the order in which it goes to the server. False if it will never be
    /// answered because it is ignored or skipped: no notice is given of it either.
    bool sent(request what, origin whose = origin::client, notice about = notice::none);

    /// Notes a message of the server's, by its type; ReadyForQuery ('Z') goes to `ready`. For types
    /// of messages that exist only before or at log-in (K, R, v) the verdict is desync.
    verdict reply(char type);

    /// Notes ReadyForQuery. A status byte other than I, T or E is a desync.
    verdict ready(char status);

    /// Nothing is owed or in doubt, no COPY waits for data, and no Sync is missing.
    bool settled() const noexcept { return empty() && !needs_sync() && doubtful_ == 0 && !broken_; }

    /// Settled, and the last ReadyForQuery said idle: another client may have the server.
    bool releasable() const noexcept { return settled() && status_ == transaction_status::idle; }

    /// What the last ReadyForQuery said; idle before the first one.
    transaction_status status() const noexcept { return status_; }

    /// The server waits for copy data from the client, and no CopyDone or CopyFail was sent yet.
    bool copy_in_open() const noexcept { return copy_ == copy_state::in_open; }

    /// Requests of extended query were sent that no Sync follows yet: the server will say
    /// ReadyForQuery only when one is sent.
    bool needs_sync() const noexcept { return skipping_ || unsynced_; }

    /// ReadyForQuery messages that are owed; an upper bound where a COPY FROM STDIN swallows Syncs.
    std::size_t ready_owed() const noexcept { return ready_owed_ + doubtful_; }

    /// A failed COPY FROM STDIN may or may not have swallowed Syncs, so that ReadyForQuery may
    /// still come. Nothing else is owed then; the first answer to a Query (an empty one will do)
    /// settles it.
    bool in_doubt() const noexcept { return doubtful_ != 0 && empty() && !needs_sync(); }

    /// Requests have numbers, in their order: who cares about one keeps the number that it is about
    /// to get, and finds it again when it is the oldest unanswered one. A request that is skipped
    /// or ignored gets none, so that the next one has it.
    std::uint64_t next_number() const noexcept { return base_ + owed_.size(); }

    std::uint64_t oldest_number() const noexcept { return base_ + head_; }

    /// True if the oldest unanswered request is the pooler's own (not an injected one).
    bool own_next() const noexcept { return head_has(pooler_bit); }

    /// True if the oldest unanswered request was put ahead of one of the client's.
    bool injected_next() const noexcept { return head_has(injected_bit); }

    /// True if the oldest unanswered request is for the pooler to answer, which it does before it
    /// looks at the server's next reply.
    bool local_next() const noexcept { return head_has(local_bit); }

    /// True if notice is to be given of the oldest unanswered request.
    bool notice_next() const noexcept { return head_has(notice_bit); }

    /// The local request at the head, which counts as answered from now on. REQUIRES: local_next().
    request take_local();

    /// What has happened since this was asked last. After each reply only one of the two can have.
    passed take_passed() noexcept { return std::exchange(passed_, {0, 0}); }

    bool has_passed() const noexcept { return passed_.done != 0 || passed_.dropped != 0; }

    /// An error came, and everything up to the next Sync is skipped.
    bool skipping() const noexcept { return skipping_; }

    /// An Execute was sent that no Sync follows yet.
    bool executing() const noexcept { return executing_; }

    /// Counts the requests that end in ReadyForQuery, as they are sent.
    std::uint32_t segment() const noexcept { return segment_; }

private:
    enum class copy_state : std::uint8_t {
        none,
        in_open,   ///< CopyInResponse seen, CopyDone/CopyFail not sent yet
        in_ended,  ///< CopyInResponse seen, CopyDone/CopyFail sent, not completed yet
        out,       ///< CopyOutResponse seen
        both,      ///< CopyBothResponse seen (streaming replication)
    };

    /// In a byte of owed_, beside the request.
    static constexpr unsigned char pooler_bit = 0x80;
    static constexpr unsigned char injected_bit = 0x40;
    static constexpr unsigned char local_bit = 0x20;
    static constexpr unsigned char notice_bit = 0x10;
    static constexpr unsigned char request_bits = 0x0f;

    static constexpr request request_in(char record) noexcept {
        return static_cast<request>(static_cast<unsigned char>(record) & request_bits);
    }

    bool head_has(unsigned char bits) const noexcept {
        return !empty() && (static_cast<unsigned char>(owed_[head_]) & bits) != 0;
    }

    bool empty() const noexcept { return head_ == owed_.size(); }

    request head() const noexcept { return request_in(owed_[head_]); }

    verdict whose() const noexcept {
        return head_has(pooler_bit | injected_bit) ? verdict::own : verdict::forward;
    }

    void push(request what, origin whose, notice about);
    void pop();
    void leave_head();
    void drop_head();
    void compact();
    std::size_t find_behind_head(request what) const noexcept;
    bool sent_while_skipping(request what);

    verdict desync() noexcept;
    verdict error_response();
    bool skip_to_sync(bool in_copy);
    bool copy_step(char type);
    void copy_in_begins();
    void copy_in_completes();

    std::string owed_;              // one byte a request, oldest first, from head_ on
    std::size_t head_ = 0;          // index of the oldest; never a copy_end, which nobody answers
    std::uint64_t base_ = 0;        // the number of the first byte
    std::uint32_t ready_owed_ = 0;  // how many of them end in ReadyForQuery
    std::uint32_t doubtful_ = 0;    // Syncs that a COPY swallowed, or maybe did not
    std::uint32_t segment_ = 0;
    passed passed_{0, 0};
    copy_state copy_ = copy_state::none;
    bool answered_ = false;  // the oldest request has had a reply of its own
    bool skipping_ = false;  // an error came and no Sync was sent yet: what is sent is skipped
    bool unsynced_ = false;  // requests of extended query were sent and no Sync since
    bool executing_ = false;
    bool broken_ = false;
    transaction_status status_ = transaction_status::idle;
};

}  // namespace pgweir::protocol
