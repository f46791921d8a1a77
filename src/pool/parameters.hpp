#pragma once

// Settings of a session that clients may have different from each other on shared servers:
// client_encoding, DateStyle, TimeZone and the like. A set of values is immutable and exists once
// in the process, so that "does this server suit this client?" is a comparison of two pointers.
// Thread-safe. PostgreSQL's manual: "Asynchronous Operations" (ParameterStatus), "SET".
//
// Tracked by index are the settings that a server reports and that a client can change, and what
// `track_extra_parameters` adds. What is reported but cannot be set (in_hot_standby,
// server_version, is_superuser, session_authorization) is not. Beside them a set holds further
// settings by name, which no server reports and which a client was seen to set: role,
// statement_timeout, app.user.
//
// All values are strings as set_config() takes them; those of parameters that are lists of names
// (search_path) are such lists.

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::pool {

/// Values by the index of their parameter; an unknown one is unset.
using parameter_values = std::vector<std::optional<std::string>>;

/// Values by name, in lower case; what is not here has the server's default.
using extra_values = std::map<std::string, std::string, std::less<>>;

class parameter_set {
public:
    explicit parameter_set(parameter_values values, extra_values extras = {})
        : values_(std::move(values)), extras_(std::move(extras)) {}

    const parameter_values& values() const noexcept { return values_; }

    const extra_values& extras() const noexcept { return extras_; }

    auto operator<=>(const parameter_set&) const = default;

private:
    parameter_values values_;
    extra_values extras_;
};

using parameter_set_ptr = std::shared_ptr<const parameter_set>;

class parameter_store {
public:
    /// The index of standard_conforming_strings, which is asked for often.
    static constexpr std::size_t conforming_strings = 7;

    /// The same of search_path.
    static constexpr std::size_t search_path = 6;

    /// The same of default_transaction_read_only.
    static constexpr std::size_t default_read_only = 3;

    explicit parameter_store(const std::vector<std::string>& extra_names);

    /// The index of a tracked parameter, whatever the case of its letters.
    std::optional<std::size_t> index_of(std::string_view name) const noexcept;

    const std::string& name_of(std::size_t index) const noexcept { return names_[index]; }

    /// The one set with these values.
    parameter_set_ptr intern(parameter_values values, extra_values extras = {});

    /// All values of a set by name, those that are tracked by index among them.
    extra_values by_name(const parameter_set& set) const;

    /// The one set with these.
    parameter_set_ptr intern_named(const extra_values& all);

    /// Nothing is known.
    const parameter_set_ptr& empty() const noexcept { return empty_; }

    /// The set with one value changed.
    parameter_set_ptr with(
        const parameter_set_ptr& base, std::size_t index, std::string_view value
    );

    /// The statements that change a session with the values of `from` into one with those of `to`,
    /// for one Query message. Empty if there is nothing to do.
    std::string change(const parameter_set& from, const parameter_set& to) const;

    /// True if the change has to be seen to have worked before anything else is asked for: it sets
    /// a role, and without it the session may be allowed more than the client wants.
    static bool must_be_confirmed(const parameter_set& from, const parameter_set& to);

private:
    std::vector<std::string> names_;  // fixed after construction
    parameter_set_ptr empty_;
    std::mutex mutex_;
    std::map<parameter_set, std::weak_ptr<const parameter_set>> interned_;  // under mutex_
    std::size_t prune_at_ = 1024;                                           // under mutex_
};

}  // namespace pgweir::pool
