#pragma once

// Which unnamed statements are worth keeping, and which may be kept: a client that parses the same
// text again could be given the statement that a server has already. PostgreSQL's manual:
// "Extended Query", "Planner/Optimizer" in "Overview of PostgreSQL Internals", "PREPARE".

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgweir::pool {

/// True if this definition (text, zero byte, parameter types) means the same whenever it is parsed,
/// as far as a text can say: one SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE or WITH, in
/// ASCII, without a string that would become a constant, and with the type of each parameter given,
/// by the message or by a cast (else it follows a column's, and would go on doing so when the
/// column has another one). Errs on the side of false.
bool may_be_kept(std::string_view definition) noexcept;

/// Texts that came lately, so that one that comes once costs nobody anything. Thread-safe, and
/// never waits. Told apart by hashes alone: who makes two of them collide gains nothing.
class recurring_texts {
public:
    /// A text that comes again after so many others may be new again.
    static constexpr std::size_t remembered = 1024;

    /// Notes a text, of which this is the beginning. True if it came before, and was not dismissed.
    bool recurs(std::string_view beginning, std::size_t length) noexcept;

    /// It is of no interest: it does not recur any more.
    void dismiss(std::string_view beginning, std::size_t length) noexcept;

private:
    static std::uint64_t hash_of(std::string_view beginning, std::size_t length) noexcept;

    /// Each the upper half of a hash; its lowest bit says that the text is dismissed.
    std::array<std::atomic<std::uint32_t>, remembered> seen_{};
};

}  // namespace pgweir::pool
