#pragma once

// The settings of a session after something was set or reset in it. PostgreSQL's manual: "SET",
// "RESET", "DISCARD". Parameters of `reported` are told by the server and stay as they are here.
// Not thread-safe; what it is made of must outlive it.

#include "pool/parameters.hpp"
#include "sql/setting.hpp"

namespace pgweir::pool {

class settings_editor {
public:
    /// Begins with `before`. What is reset gets its value from `defaults`.
    settings_editor(
        const parameter_store& store,
        const parameter_set& before,
        const parameter_set& defaults,
        const parameter_set& reported
    )
        : store_(store),
          defaults_(defaults),
          reported_(reported),
          values_(before.values()),
          extras_(before.extras()) {}

    /// Without a value: to its default.
    void set(const sql::setting& to);

    /// Leaves the role as it is.
    void reset_all();

    void discard_all();

    // What it has come to; to be taken at the end.

    parameter_values& values() noexcept { return values_; }

    extra_values& extras() noexcept { return extras_; }

private:
    void set_extra(const sql::setting& to);

    const parameter_store& store_;
    const parameter_set& defaults_;
    const parameter_set& reported_;
    parameter_values values_;
    extra_values extras_;
};

}  // namespace pgweir::pool
