#pragma once

// One connection to a server through libpq, for provisioning and checks: blocking, one statement at
// a time, closed by its destructor. Passwords go to libpq in memory, never through a command line
// or the environment. One thread at a time. Errors are values with the server's own words and
// SQLSTATE (empty when there was no answer at all).
// PostgreSQL's manual: "libpq".

#include "base/result.hpp"
#include "base/secret.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
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
};

struct sql_error {
    // Not an aggregate: a text alone must not pass for an error.
    sql_error() = default;

    sql_error(std::string text, std::string code)
        : message(std::move(text)), sqlstate(std::move(code)) {}

    std::string message;
    std::string sqlstate;
};

/// Rows of text; NULL is nullopt.
using sql_row = std::vector<std::optional<std::string>>;

class connection {
public:
    /// Waits for at most a few seconds.
    static result<connection> open(const connection_target& target);

    /// Runs one statement. REQUIRES: no parameters on a replication connection.
    result<std::vector<sql_row>, sql_error> query(
        const std::string& statement, const std::vector<std::string>& parameters = {}
    );

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

    sql_error last_error() const;

    std::unique_ptr<pg_conn, closer> handle_;
};

}  // namespace pgweir::cluster
