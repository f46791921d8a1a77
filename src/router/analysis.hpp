#pragma once

// What a text asks of a server, by PostgreSQL's own grammar (libpg_query): what its statements are,
// and the names of everything that they call and read. What the names stand for is the catalogue's
// knowledge. Pure.
//
// The grammar's trees are as deep as a text is nested, so this runs where there is stack enough:
// see large_stack.hpp. Each thread that analyses keeps memory of the grammar until it ends.

#include "router/judge.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace pgweir::router {

/// A name as it is written, of a function, operator, type or relation.
struct used_name {
    std::string schema;  ///< empty: by the search_path
    std::string name;

    bool operator==(const used_name&) const = default;
};

struct used_function {
    used_name name;
    int arguments = 0;
    bool variadic = false;  ///< the last argument is an array of what is passed
    std::string setting;    ///< of current_setting('...') alone: what it asks for

    bool operator==(const used_function&) const = default;
};

struct used_operator {
    used_name name;
    int operands = 2;

    bool operator==(const used_operator&) const = default;
};

struct text_facts {
    /// read: nothing but the names can be against it. Otherwise the strictest reason found; the
    /// names are then not complete.
    reason why = reason::read;

    std::vector<used_function> functions;
    std::vector<used_operator> operators;
    std::vector<used_name> relations;
    std::vector<used_name> types;

    /// The last parts of a.b and (x).b: b may also be a function that takes the whole row.
    std::vector<std::string> fields;
};

/// REQUIRES: a large stack. Longer texts than shape.hpp allows are not understood.
text_facts analyse(std::string_view text, sql::backslash strings);

/// Of two reasons, the one that says more; `read` says least.
reason stricter(reason one, reason other) noexcept;

}  // namespace pgweir::router
