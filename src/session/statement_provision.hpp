#pragma once

// What is sent to a server ahead of a client's message, so that the server has the statement that
// the message needs: each of it noted in the server's pipeline, together with its effect.
// On the thread of the client that has leased the server.

#include "pool/server_statements.hpp"
#include "pool/statement_store.hpp"
#include "protocol/pipeline.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::session {

/// The server that a client has leased.
struct statement_target {
    protocol::pipeline& requests;
    pool::server_statements& statements;
    std::size_t limit;  // of statements on it
    const void* scope;  // who shares statements
    const pool::parameter_set_ptr& settings;
    pool::statement_store& store;
    bool keeps_unnamed = false;  // whether unnamed statements may be shared, too
    bool unnamed_is_own = true;  // the server's unnamed statement cannot be another client's
    bool may_pin = true;         // this server is one that a client can do all its work on
    std::uint32_t parses = 0;    // counts those that are sent to it
    std::string_view bound{};    // the text of the statement that was bound, if it is known
    std::string_view pin{};      // set if the client must keep this server: why
    bool unnamed = false;        // what is provided is for the client's unnamed statement
    bool uses_shared = false;  // set if the request depends on what the server is believed to have
    bool at_risk = false;      // set if that may be outdated, where PostgreSQL's would not be
};

/// The bytes of a name by which PostgreSQL tells it from others.
std::string_view significant_part(std::string_view name) noexcept;

/// The name of a statement that a client does not have, changed if it could be that of one of ours.
std::string never_ours(std::string_view name);

/// Notes a request and its effect.
void note(
    const statement_target& to,
    protocol::request what,
    protocol::origin whose,
    pool::statement_effect effect
);

/// The beginning of the text that makes a statement of statement_form::sql, up to its definition.
std::string prepare_text(const pool::statement& s);

/// Prepares a statement on the server for what comes behind. `moved`: for positions in its error,
/// against the client's PREPARE.
void inject_parse(
    const pool::statement_ptr& s,
    statement_target& to,
    std::string& out,
    pool::moved_text moved = {}
);

void inject_close(const pool::statement_ptr& s, const statement_target& to, std::string& out);

/// Closes what the server should not keep beside one that is about to be prepared.
void make_room(const pool::statement_ptr& keep, const statement_target& to, std::string& out);

/// Notes that a request uses it. REQUIRES: it is prepared, or about to be.
void use(const pool::statement_ptr& s, const statement_target& to) noexcept;

enum class provided : std::uint8_t {
    unsure,  ///< an answer must come first
    before,  ///< the server had it
    now,     ///< it is prepared by what is in `out`
};

/// Sees to it that the server has the statement when what comes behind needs it.
provided provide(
    const pool::statement_ptr& s,
    statement_target& to,
    std::string& out,
    pool::moved_text moved = {}
);

/// How a text with literals that comes now may be shared; nothing if that is not known before
/// replies have come, for a SET that is on its way decides how they are read.
std::optional<pool::statement_store::sharing> sharing_of(
    std::string_view text, const statement_target& to
) noexcept;

}  // namespace pgweir::session
