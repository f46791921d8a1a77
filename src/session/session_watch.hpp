#pragma once

// Reads what a client asks for, as it is relayed, for what it does to the session: the way from
// messages to session_state. Costs nothing for a client that only queries: its texts pass the gate
// (sql/gate), and nothing is allocated.
//
// A text that is cut by the end of a chunk is collected from the pieces as they pass by, up to a
// limit; of a longer one every piece is looked at for the few words that matter. Pure; not
// thread-safe.

#include "protocol/pipeline.hpp"
#include "session/session_state.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::session {

class session_watch {
public:
    /// What there is to do for a request when it has been sent.
    struct finding {
        effects_ptr effects;         ///< to be handed to sent()
        std::optional<leak> leaves;  ///< stays in the session whatever comes of the request
        bool collects = false;       ///< the rest of its body is to be handed to more()

        bool nothing() const noexcept { return !effects && !leaves && !collects; }
    };

    /// A request of the client's, its body as far as it is at hand. `length`: the whole body's.
    finding request(
        protocol::request what, std::string_view body, std::size_t length, sql::backslash meaning
    );

    /// The request has this number in the pipeline. If it got none, it is not to be called.
    void sent(std::uint64_t number, const finding& found);

    /// The next bytes of the body that is being collected, as many as there are in the chunk.
    finding more(std::string_view chunk);

    bool collecting() const noexcept { return rest_ && rest_->left != 0; }

    /// nullptr as long as there was nothing to follow.
    session_state* state() noexcept { return state_.get(); }

    /// True if the request before may still be under way, or is not committed: tags matter.
    bool active() const noexcept { return state_ && state_->active(); }

    /// True the first time that it is asked of this leak: it is worth a line in the log.
    bool is_news(leak why) noexcept;

    void lease_over();

private:
    /// A body that is not at hand as a whole.
    struct rest {
        protocol::request what = protocol::request::query;
        sql::backslash meaning = sql::backslash::plain;
        std::size_t left = 0;
        std::string body;  // or its end, where it is too long
        bool too_long = false;
        std::optional<std::uint64_t> number;
    };

    session_state& follow();
    effects_ptr effects_of(std::string_view text, sql::backslash meaning);
    void note_prepared(const text_effects& effects) noexcept;
    finding text_of_query(std::string_view text, sql::backslash meaning);
    finding text_of_parse(std::string_view body, sql::backslash meaning);
    finding collect(
        protocol::request what, std::string_view body, std::size_t length, sql::backslash meaning
    );
    finding collected();
    finding look_at_piece(std::string_view piece);

    std::unique_ptr<session_state> state_;
    std::unique_ptr<rest> rest_;
    std::uint32_t told_ = 0;  // bits of leaks
    prepared prepared_ = prepared::nothing;
};

}  // namespace pgweir::session
