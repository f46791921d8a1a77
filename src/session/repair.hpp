#pragma once

// Whether a segment of requests (up to its Sync) that a server refuses may be sent again, so that
// the client never hears of it: by another server, or by the same one when something was put right
// there. PostgreSQL's manual: "Message Flow", "Asynchronous Operations".
//
// The guard keeps the requests of one segment, and holds what comes back as long as that says
// nothing of results: what was parsed, bound and described, and notices. The first word of a result
// decides that the client gets it all; an error before it can be taken back. The caller answers for
// what else the rules demand: that nothing of an earlier segment is under way, that no explicit
// transaction is open, and that what was asked for cannot have happened twice.
//
//   off -- begin --> watching -- a result, too much, end --> off
//                        \-- an error --> refused -- end --> off
//                                            \-- drop --> dropping -- again --> off
//
// Bytes only: no I/O. Costs the look at a few headers, and no copy, for replies that have their
// result in the first chunk. Not thread-safe; on the thread of the client. Keeps no memory when it
// is off, but for a little.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgweir::session {

/// What an error says of itself: views into it, empty where it says nothing.
struct refusal {
    std::string_view sqlstate;
    std::string_view message;
    std::string_view routine;  // in PostgreSQL's source: unlike the message, never translated
};

/// Of a whole ErrorResponse, with its header.
refusal read_refusal(std::string_view error) noexcept;

/// True if a standby may say this of a request that the primary would have served.
bool may_be_the_standbys(std::string_view sqlstate) noexcept;

/// "cached plan must not change result type": the statement was prepared before its tables were
/// changed.
bool is_outdated_plan(const refusal& error) noexcept;

class reply_guard {
public:
    /// Larger segments are not sent again.
    static constexpr std::size_t request_limit = 64 * 1024;

    /// More is not held.
    static constexpr std::size_t reply_limit = 64 * 1024;

    enum class verdict : std::uint8_t {
        pass,     ///< the bytes are the client's
        hold,     ///< the bytes are kept here, or dropped
        release,  ///< what end() returns is the client's, then the bytes; the guard is off
        refused,  ///< an error came first, kept here like all that is behind it: drop() or end()
    };

    /// Keeps requests and holds replies from now on. REQUIRES: off, and no reply is owed.
    void begin() noexcept { state_ = state::watching; }

    bool watching() const noexcept { return state_ == state::watching; }

    /// The segment is to be sent again when all replies to it have come.
    bool dropping() const noexcept { return state_ == state::dropping; }

    bool off() const noexcept { return state_ == state::off; }

    /// The next bytes of the segment, as the client sent them. False if that is too much to keep:
    /// what end() returns is the client's, and the guard is off. REQUIRES: watching.
    bool keep(std::string_view requests);

    /// Replies, in whatever pieces.
    verdict feed(std::string_view bytes);

    /// What was kept.
    std::string_view requests() const noexcept { return requests_; }

    /// The server is gone: as drop(), without an error. REQUIRES: not off.
    void abandon();

    /// The error. REQUIRES: refused. Valid until drop() or end().
    refusal why() const noexcept;

    /// The client does not hear of it. What comes behind is dropped, too. REQUIRES: refused.
    void drop();

    /// The requests that are to be sent again. `told`: what is not about them, but about the
    /// session (parameters, notifications), and is the client's all the same. REQUIRES: dropping.
    std::string again(std::string& told);

    /// There is nothing to take back any more, or nobody wants to. Returns what was held, for the
    /// client.
    std::string end();

private:
    enum class state : std::uint8_t { off, watching, refused, dropping };

    verdict look(std::string_view all) noexcept;
    void drop_messages();

    state state_ = state::off;
    std::string requests_;
    std::string held_;      // watching: all replies; dropping: of a message that is kept, its begin
    std::size_t next_ = 0;  // where the next header begins, from the begin of held_
    std::size_t error_ = 0;  // the same of the error
    std::string told_;
};

}  // namespace pgweir::session
