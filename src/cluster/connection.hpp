#pragma once

// One connection to a server through libpq, for provisioning and checks: blocking, one statement at
// a time, closed by its destructor. Passwords go to libpq in memory, never through a command line
// or the environment. One thread at a time. Errors are values with the server's own words and
// SQLSTATE (empty when there was no answer at all).
// PostgreSQL's manual: "libpq".

#include "base/clock.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct pg_conn;

namespace pgweir::cluster {

enum class connection_kind { ordinary, replication };

/// Where to, and as whom. A host that begins with / is the folder of a Unix socket.
struct connection_target {
    std::string host;
    std::uint16_t port = 5432;
    std::string user;
    std::string database = "postgres";
    std::optional<secret> password;
    connection_kind kind = connection_kind::ordinary;
    seconds patience{5};    ///< For the connection to be made; libpq counts 1 as 2.
    std::string options{};  ///< Settings of the session: "-c name=value".
};

struct sql_error {
    // Not an aggregate: a text alone must not pass for an error.
    sql_error() = default;

    sql_error(std::string text, std::string code)
        : message(std::move(text)), sqlstate(std::move(code)) {}

    std::string message;
    std::string sqlstate;
};

/// Stands for an SQLSTATE when a bound has passed.
inline constexpr std::string_view no_answer = "late";

/// Rows of text; NULL is nullopt.
using sql_row = std::vector<std::optional<std::string>>;

using named_row = std::map<std::string, std::string, std::less<>>;

/// True if a server answers there, be it with a refusal: it starts, is full, or does not know the
/// role or its password.
bool answers(const connection_target& target);

class connection {
public:
    /// Waits for at most a few seconds.
    static result<connection> open(const connection_target& target);

    /// Runs one statement. REQUIRES: no parameters on a replication connection.
    result<std::vector<sql_row>, sql_error> query(
        const std::string& statement, const std::vector<std::string>& parameters = {}
    );

    /// The same with a bound; a statement that has not answered by then is left alone, and the
    /// connection is of no more use.
    result<std::vector<sql_row>, sql_error> query_within(
        const std::string& statement, milliseconds limit
    );

    /// Rows by the names of their columns; NULL is left out. For the pooler's console, whose SHOW
    /// commands may gain columns.
    result<std::vector<named_row>, sql_error> query_named(
        const std::string& statement, milliseconds limit
    );

    /// Sends a statement without waiting; `finish` waits for its answer. For several clients at
    /// once.
    result<void, sql_error> begin(const std::string& statement);
    result<std::vector<sql_row>, sql_error> finish(milliseconds limit);

    /// The first column of the first row; nullopt when there is none or it is NULL.
    result<std::optional<std::string>, sql_error> value(
        const std::string& statement, const std::vector<std::string>& parameters = {}
    );

    /// The SCRAM verifier of a password, made here so that the server's log never sees the
    /// password.
    result<std::string, sql_error> scram_verifier(const std::string& role, const secret& password);

    /// A string as an SQL literal.
    std::string quoted(const std::string& text);

private:
    struct closer {
        void operator()(pg_conn* handle) const noexcept;
    };

    explicit connection(pg_conn* handle) : handle_(handle) {}

    result<std::vector<sql_row>, sql_error> wait(milliseconds limit, sql_row* names);

    sql_error last_error() const;

    std::unique_ptr<pg_conn, closer> handle_;
};

}  // namespace pgweir::cluster
