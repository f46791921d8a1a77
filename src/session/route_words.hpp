#pragma once

// What a client's SQL says about where its transaction goes: BEGIN with its modes, the words that
// end a transaction, settings of our own (SET pgweir.routing) and hints in comments. PostgreSQL's
// manual: "BEGIN", "SET TRANSACTION", "COMMIT", "ROLLBACK". Pure; takes no memory. What is not
// understood whole is none of these.

#include "config/settings.hpp"
#include "sql/lexer.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace pgweir::session {

struct transaction_modes {
    std::optional<bool> read_only;
    std::optional<bool> serializable;

    void add(const transaction_modes& later) noexcept {
        read_only = later.read_only ? later.read_only : read_only;
        serializable = later.serializable ? later.serializable : serializable;
    }
};

enum class control_kind : std::uint8_t {
    none,
    begin,            ///< modes
    set_transaction,  ///< modes; SNAPSHOT is none of these
    commit,           ///< without AND CHAIN
    rollback,         ///< without AND CHAIN, and not TO a savepoint
};

struct transaction_control {
    control_kind kind = control_kind::none;
    transaction_modes modes{};
    std::string_view tag{};  ///< of the CommandComplete that PostgreSQL answers with
};

/// The text is exactly this one statement.
transaction_control read_control(std::string_view text, sql::backslash meaning) noexcept;

/// Settings that pgweir keeps for a session, and does not pass on.
enum class own_parameter : std::uint8_t { routing, read_consistency, read_after, last_write };

std::string_view name_of(own_parameter what) noexcept;

/// The parameter of this name ("pgweir.routing") that a session may set.
std::optional<own_parameter> settable_parameter(std::string_view name) noexcept;

struct own_statement {
    enum class kind : std::uint8_t { set, reset, show };
    kind what = kind::set;
    own_parameter parameter = own_parameter::routing;
    std::string_view value{};  ///< of `set`, without its quotes
};

/// SET, RESET or SHOW of one of these, if the text is exactly that. A value is a word or a plain
/// string.
std::optional<own_statement> read_own(std::string_view text, sql::backslash meaning) noexcept;

/// "/* pgweir: primary */" at the beginning of a text.
std::optional<config::routing> read_hint(std::string_view text) noexcept;

}  // namespace pgweir::session
