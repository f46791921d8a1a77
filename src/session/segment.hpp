#pragma once

// The requests at the front of what a client has sent that belong together: a Query, or all of
// extended query up to its Sync. They are the unit that is routed: where they go is decided before
// the first of their bytes does, so they are looked at whole. PostgreSQL's manual: "Simple Query",
// "Extended Query", "Pipelining".
//
// A pass over headers, with a judgement for each text. Pure; takes no memory; views into the bytes.

#include "router/judge.hpp"
#include "session/route_words.hpp"
#include "session/verdict_memo.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace pgweir::session {

struct segment {
    enum class form : std::uint8_t {
        incomplete,  ///< its end has not come yet
        query,
        extended,
        other,  ///< does not begin like a request that is routed; for the ordinary way
    };

    form what = form::incomplete;
    std::size_t length = 0;  ///< bytes, with its Sync

    /// All of its texts are proved reads, and nothing else keeps it from a standby.
    bool reads = false;
    bool harmless = false;  ///< of judgement, for all of them
    router::reason why = router::reason::not_judged;

    /// The one text, if it holds no more than one, and neither parameters nor names are involved.
    std::string_view text{};
    std::optional<config::routing> hint{};
};

/// What a segment is judged with.
struct segment_court {
    /// A statement that the client has named: its text, and its number, which no other text has.
    struct named {
        std::string_view text;
        std::uint64_t number = 0;
    };

    router::judge& judge;
    const router::name_scope& scope;
    std::function<std::optional<named>(std::string_view)> statement;  ///< nothing: not known
    verdict_memo& memo;                                               ///< of this scope
    bool keeps_names = true;     ///< a named statement is there on every server
    bool room_for_names = true;  ///< else who names one keeps the server that it is on
};

/// The segment at the front of the bytes. `limit`: one that is longer is not waited for: it comes
/// out with the bytes that are here, as no read.
segment read_segment(std::string_view bytes, std::size_t limit, const segment_court& court);

}  // namespace pgweir::session
