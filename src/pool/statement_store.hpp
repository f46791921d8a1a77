#pragma once

// What clients have prepared, once for all of them: a statement is shared by everybody in a pool
// who prepared the same text with the same parameter types, and has one name on all servers of it.
// Literals in a text become constants when it is parsed, so where there are any, the settings that
// they are read by belong to the statement, too. PostgreSQL's manual: "Extended Query", "PREPARE".
//
// Its memory has a limit: beyond it nothing new is shared, and who prepares it has to manage
// without.
//
// Thread-safe. A statement is immutable, and forgotten when nobody refers to it any more; the store
// must outlive all references. Look-ups compare texts instead of hashing them: texts come from
// clients, who could choose them so that hashes collide.

#include "pool/kept_text.hpp"
#include "pool/parameters.hpp"

#include <boost/intrusive/set.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace pgweir::pool {

class statement_store;

/// What servers call our statements: this, then a number. A client that prepares a name of this
/// kind has it renamed like any other.
inline constexpr std::string_view statement_prefix = "PGWEIR_";

/// How a statement is made.
enum class statement_form : std::uint8_t {
    message,  ///< by Parse
    sql,      ///< by PREPARE
};

class statement {
public:
    /// Its name on every server.
    const std::string& name() const noexcept { return name_; }

    std::uint64_t number() const noexcept { return number_; }

    /// Of a Parse message, what follows the name in its body: query, zero byte, parameter types. Of
    /// a PREPARE, what follows the name in the text.
    std::string_view definition() const noexcept { return definition_; }

    statement_form form() const noexcept { return form_; }

    /// The settings that its literals were read by; null if it has none that depend on settings.
    const parameter_set_ptr& settings() const noexcept { return settings_; }

    /// True if an unnamed statement of this definition may be this one (pool/kept_text).
    bool may_serve_unnamed() const noexcept { return may_serve_unnamed_; }

    /// Nobody else gets it from now on: who prepares the text next has a statement of its own.
    void retire() const;

    statement(const statement&) = delete;
    statement& operator=(const statement&) = delete;
    ~statement() = default;

private:
    friend class statement_store;
    friend void intrusive_ptr_add_ref(const statement* s) noexcept;
    friend void intrusive_ptr_release(const statement* s) noexcept;

    statement() = default;

    statement_store* store_ = nullptr;
    const void* scope_ = nullptr;
    statement_form form_ = statement_form::message;
    bool may_serve_unnamed_ = false;
    std::uint64_t number_ = 0;
    std::string name_;
    std::string definition_;
    std::string settings_key_;
    parameter_set_ptr settings_;
    mutable std::atomic<std::uint32_t> references_{0};
    mutable boost::intrusive::set_member_hook<> hook_;  // under the store's mutex
};

/// The name of a statement of ours in a text. A client's name that only looks like one has
/// something behind the number (session/statement_provision).
struct statement_name {
    std::string_view text;
    std::uint64_t number = 0;
};

std::optional<statement_name> find_statement_name(std::string_view text) noexcept;

using statement_ptr = boost::intrusive_ptr<const statement>;

void intrusive_ptr_add_ref(const statement* s) noexcept;
void intrusive_ptr_release(const statement* s) noexcept;

/// True if what the text means can depend on settings of the session: if it has a string or dollar
/// quote, or a byte that is not ASCII.
bool depends_on_settings(std::string_view text) noexcept;

class statement_store {
public:
    explicit statement_store(const parameter_store& parameters);
    ~statement_store();

    enum class sharing : std::uint8_t {
        shared,
        alone,  ///< it is not known under which settings the text will be parsed
    };

    enum class room : std::uint8_t {
        limited,
        twice,  ///< as much as the limit: for who cannot do without
        made,   ///< the client has it already, from another process, and does not lose it
    };

    /// The statement with this definition, for clients of one pool (`scope`) whose settings are
    /// these. Null if it would be a new one and there is no room for it.
    statement_ptr find_or_make(
        const void* scope,
        std::string_view definition,
        const parameter_set_ptr& settings,
        sharing how = sharing::shared,
        statement_form form = statement_form::message,
        room there_is = room::limited
    );

    /// Of a set, the setting that says what a backslash in a literal is.
    bool conforming_strings(const parameter_set& settings) const noexcept {
        return settings.values()[literal_settings_.back()] != "off";
    }

    /// Of the settings that literals depend on: calls `visit(name, value)` for each that has
    /// another value in `to`.
    template <typename Visit>
    void for_each_difference(const parameter_set& from, const parameter_set& to, Visit&& visit)
        const {
        for (std::size_t at : literal_settings_) {
            if (from.values()[at] != to.values()[at] && to.values()[at]) {
                visit(parameters_.name_of(at), *to.values()[at]);
            }
        }
    }

    /// Statements are made in an order, too: a later one is larger. Clients ask for it as they
    /// prepare, and servers as they are made to, so that it can be told who came first.
    std::uint64_t next_turn() noexcept {
        return last_turn_.fetch_add(1, std::memory_order_relaxed) + 1;
    }

    /// How many bytes all statements may take; 0: any number.
    void set_limit(std::size_t bytes) noexcept { limit_.store(bytes, std::memory_order_relaxed); }

    /// The texts of unnamed statements that came lately.
    recurring_texts& recurring() noexcept { return recurring_; }

    /// True if there seems to be room for definitions of so many bytes.
    bool has_room(std::size_t definitions) const noexcept;

    std::size_t size() const;

    /// What all statements take, about.
    std::size_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

    /// What a statement takes beside its definition, about.
    static constexpr std::size_t overhead = sizeof(statement) + 64;

private:
    friend class statement;
    friend void intrusive_ptr_release(const statement* s) noexcept;

    struct identity {
        const void* scope;
        statement_form form;
        std::string_view definition;
        std::string_view settings;
    };

    static identity identity_of(const statement& s) noexcept;

    struct identity_of_statement {
        using type = identity;

        identity operator()(const statement& s) const noexcept { return identity_of(s); }
    };

    /// Lengths first, so that few texts are compared at all.
    struct order {
        bool operator()(const identity& a, const identity& b) const noexcept;
    };

    using index = boost::intrusive::set<
        statement,
        boost::intrusive::
            member_hook<statement, boost::intrusive::set_member_hook<>, &statement::hook_>,
        boost::intrusive::key_of_value<identity_of_statement>,
        boost::intrusive::compare<order>>;

    std::string settings_key(const parameter_set& settings) const;
    void release_last(const statement& s) noexcept;

    const parameter_store& parameters_;
    std::array<std::size_t, 5> literal_settings_{};  // their indexes
    mutable std::mutex mutex_;
    index index_;                        // under mutex_; does not own
    std::uint64_t last_number_ = 0;      // under mutex_
    std::size_t count_ = 0;              // under mutex_; those out of the index included
    std::atomic<std::size_t> bytes_{0};  // written under mutex_
    std::atomic<std::size_t> limit_{0};
    std::atomic<std::uint64_t> last_turn_{0};
    recurring_texts recurring_;
};

}  // namespace pgweir::pool
