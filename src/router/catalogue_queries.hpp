#pragma once

// The statements that read what a catalogue is made of. Each is one statement; all run in this
// order on one connection to the database, of any role, on a primary or a standby. PostgreSQL 11
// and newer. If one fails, the connection is of no more use: they are one transaction.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace pgweir::router {

enum class catalogue_part : std::uint8_t {
    nothing,         ///< returns no rows
    database,        ///< one row: its name, and the search_path of the configuration
    search_paths,    ///< role or nothing, whether for this database alone, search_path
    functions,       ///< see the statement
    operators,       ///< schema, name, operands, function
    relations,       ///< oid, schema, name, kind, persistence, row security, built in, definition
    children,        ///< relation, what it is read together with
    policies,        ///< relation, expression
    columns,         ///< relation, its row type, type of a column
    types,           ///< oid, schema, name, type behind it
    type_functions,  ///< type, function that it uses
    constraints,     ///< domain, expression
};

struct catalogue_query {
    catalogue_part part;
    std::size_t columns;
    std::string_view sql;
};

std::span<const catalogue_query> catalogue_queries() noexcept;

}  // namespace pgweir::router
