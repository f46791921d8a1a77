#pragma once

// Asks one server who it is and how far it has come: one connection, one statement that is prepared
// on it, one round trip for each question. Every part of the answer that our role may not see or
// that the server does not know is unset. One thread at a time.

#include "base/result.hpp"
#include "topology/answer.hpp"
#include "topology/pq_connection.hpp"
#include "topology/server_access.hpp"

#include <optional>
#include <vector>

namespace pgweir::topology {

/// An answer's part that changes, from the row that the server gave; nothing if it is no such row.
std::optional<answer> read_answer(const text_row& row);

class probe {
public:
    explicit probe(server_access to) : to_(std::move(to)) {}

    /// Connects and asks what stays the same. REQUIRES: not connected.
    result<void> connect(const patience& limits);

    bool connected() const noexcept { return connection_.has_value(); }

    /// `running`: transactions of the primary's, of which a standby is to tell which ones it does
    /// not show. REQUIRES: connected. After a failure it may still be connected, or not: see
    /// alive().
    result<answer> ask(const std::vector<transaction_number>& running, const patience& limits);

    /// Whether the server is still there, as far as is known without asking.
    bool alive() noexcept { return connection_ && connection_->alive(); }

    /// -1 if not connected.
    int socket() const noexcept { return connection_ ? connection_->socket() : -1; }

    void close() noexcept { connection_.reset(); }

private:
    result<void> greet(const patience& limits);

    server_access to_;
    std::optional<pq_connection> connection_;
    answer known_;  // what stays the same while connected
};

}  // namespace pgweir::topology
