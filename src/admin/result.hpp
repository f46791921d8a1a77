#pragma once

// The results of SHOW as messages: the columns of each kind, their types, and rows out of a
// snapshot. Names, order and types of the columns are PgBouncer's, because monitoring reads them;
// what is new goes into SHOW commands of its own. Values go out as text, or in PostgreSQL's binary
// format where a client of the extended protocol asks for that. PostgreSQL's manual: "Message
// Formats" (RowDescription, DataRow, Bind). Appends to the caller's string. Pure, but for the time
// zone of the process that times are shown in.

#include "admin/command.hpp"
#include "admin/snapshot.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgweir::admin {

/// The version that SHOW VERSION and the log-in speak of. The first number of the form x.y.z in it
/// is the version of PgBouncer whose console this is: Datadog and the Prometheus exporter read just
/// that and choose their queries by it. pgweir's own version follows it.
inline constexpr std::string_view version_text = "PgBouncer 1.25.2 (pgweir " PGWEIR_VERSION ")";

/// server_version of a console session. Drivers turn its leading numbers into a server version, so
/// it begins as PgBouncer's does.
inline constexpr std::string_view server_version = "1.25.2/pgweir";

/// The result format codes of a Bind: none is text for all columns, one is for all, else one for
/// each.
class column_formats {
public:
    column_formats() = default;

    explicit column_formats(std::vector<std::int16_t> codes) : codes_(std::move(codes)) {}

    /// True if the codes suit a result of so many columns.
    bool fits(std::size_t columns) const noexcept;
    std::int16_t of(std::size_t column) const noexcept;

private:
    std::vector<std::int16_t> codes_;
};

/// How many columns a SHOW has; 0 for HELP, which is a notice.
std::size_t column_count(show_kind what) noexcept;

/// RowDescription. REQUIRES: column_count(what) > 0.
void describe_show(std::string& out, show_kind what, const column_formats& formats = {});

/// The DataRows alone, sorted as PgBouncer sorts them. For HELP its notice.
/// REQUIRES: formats.fits(column_count(what)).
void put_show_rows(
    std::string& out, show_kind what, const snapshot& data, const column_formats& formats = {}
);

/// A whole answer without ReadyForQuery: RowDescription, rows, CommandComplete.
void put_show(std::string& out, show_kind what, const snapshot& data);

/// The description and the one row of a parameter, as two messages apart.
void describe_parameter(
    std::string& out, const show_parameter& parameter, const column_formats& formats = {}
);
void put_parameter_row(std::string& out, const show_parameter& parameter);

/// The ParameterStatus messages of a log-in to the console.
void put_console_welcome(std::string& out);

}  // namespace pgweir::admin
