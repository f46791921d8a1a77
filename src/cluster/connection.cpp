#include "cluster/connection.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <poll.h>

#include <array>
#include <chrono>
#include <string_view>

namespace pgweir::cluster {

namespace {

/// libpq ends its messages with a line end, and some have several lines.
std::string trimmed(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
        text.remove_suffix(1);
    }
    return std::string(text);
}

struct result_closer {
    void operator()(PGresult* handle) const noexcept { PQclear(handle); }
};

using result_handle = std::unique_ptr<PGresult, result_closer>;

struct memory_closer {
    void operator()(char* text) const noexcept { PQfreemem(text); }
};

using libpq_text = std::unique_ptr<char, memory_closer>;

std::vector<sql_row> rows_of(const PGresult* answer) {
    std::vector<sql_row> rows;
    for (int row = 0; row < PQntuples(answer); ++row) {
        sql_row values;
        for (int column = 0; column < PQnfields(answer); ++column) {
            if (PQgetisnull(answer, row, column) != 0) {
                values.emplace_back();
            } else {
                values.emplace_back(PQgetvalue(answer, row, column));
            }
        }
        rows.push_back(std::move(values));
    }
    return rows;
}

sql_row names_of(const PGresult* answer) {
    sql_row names;
    for (int column = 0; column < PQnfields(answer); ++column) {
        names.emplace_back(PQfname(answer, column));
    }
    return names;
}

sql_error error_of(const PGresult* answer) {
    const char* sqlstate = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    const char* primary = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
    return {
        trimmed(primary != nullptr ? primary : PQresultErrorMessage(answer)),
        sqlstate != nullptr ? sqlstate : "",
    };
}

/// Hands a target to one of libpq's functions that take keys and values.
template <typename Use>
auto with_parameters(const connection_target& target, Use&& use) {
    const std::string port = std::to_string(target.port);
    const std::string patience = std::to_string(target.patience.count());
    const std::string password{target.password ? target.password->view() : std::string_view{}};
    const std::array keys{
        "host",
        "port",
        "user",
        "dbname",
        "password",
        "passfile",
        "application_name",
        "connect_timeout",
        "replication",
        "client_encoding",
        "options",
        // A machine that is gone is noticed within half a minute, whatever it was asked for.
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        static_cast<const char*>(nullptr)};
    const std::array values{
        target.host.c_str(),
        port.c_str(),
        target.user.c_str(),
        target.database.c_str(),
        target.password ? password.c_str() : nullptr,
        "/dev/null/none",  // nobody's ~/.pgpass takes part
        "pgweirctl",
        patience.c_str(),
        target.kind == connection_kind::replication ? "true" : nullptr,
        // A replication connection has no database to convert for.
        target.kind == connection_kind::replication ? nullptr : "UTF8",
        target.options.empty() ? nullptr : target.options.c_str(),
        "10",
        "5",
        "3",
        "30000",
        static_cast<const char*>(nullptr)};
    return use(keys.data(), values.data());
}

}  // namespace

bool answers(const connection_target& target) {
    return with_parameters(target, [](const char* const* keys, const char* const* values) {
               return PQpingParams(keys, values, 0);
           }) != PQPING_NO_RESPONSE;
}

void connection::closer::operator()(pg_conn* handle) const noexcept {
    PQfinish(handle);
}

sql_error connection::last_error() const {
    return {trimmed(PQerrorMessage(handle_.get())), {}};
}

result<connection> connection::open(const connection_target& target) {
    connection made(with_parameters(target, [](const char* const* keys, const char* const* values) {
        return PQconnectdbParams(keys, values, 0);
    }));
    if (PQstatus(made.handle_.get()) != CONNECTION_OK) {
        return failure{made.last_error().message};
    }
    // Notices of DO blocks and "IF NOT EXISTS" are of no interest to the operator.
    PQsetNoticeProcessor(
        made.handle_.get(), [](void*, const char*) {}, nullptr
    );
    return made;
}

result<std::vector<sql_row>, sql_error> connection::query(
    const std::string& statement, const std::vector<std::string>& parameters
) {
    result_handle answer;
    if (parameters.empty()) {
        answer.reset(PQexec(handle_.get(), statement.c_str()));
    } else {
        std::vector<const char*> values;
        for (const std::string& each : parameters) {
            values.push_back(each.c_str());
        }
        answer.reset(PQexecParams(
            handle_.get(),
            statement.c_str(),
            static_cast<int>(values.size()),
            nullptr,
            values.data(),
            nullptr,
            nullptr,
            0
        ));
    }
    const auto status = PQresultStatus(answer.get());
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        return rows_of(answer.get());
    }
    return answer ? error_of(answer.get()) : last_error();
}

result<std::vector<sql_row>, sql_error> connection::query_within(
    const std::string& statement, milliseconds limit
) {
    if (const auto sent = begin(statement); !sent) {
        return sent.error();
    }
    return finish(limit);
}

result<void, sql_error> connection::begin(const std::string& statement) {
    if (PQsendQuery(handle_.get(), statement.c_str()) != 1) {
        return last_error();
    }
    return {};
}

result<std::vector<sql_row>, sql_error> connection::finish(milliseconds limit) {
    return wait(limit, nullptr);
}

result<std::vector<named_row>, sql_error> connection::query_named(
    const std::string& statement, milliseconds limit
) {
    if (const auto sent = begin(statement); !sent) {
        return sent.error();
    }
    sql_row names;
    const auto rows = wait(limit, &names);
    if (!rows) {
        return rows.error();
    }
    std::vector<named_row> named;
    for (const sql_row& row : *rows) {
        named_row& into = named.emplace_back();
        for (std::size_t column = 0; column < row.size() && column < names.size(); ++column) {
            if (row[column]) {
                into.emplace(*names[column], *row[column]);
            }
        }
    }
    return named;
}

result<std::vector<sql_row>, sql_error> connection::wait(milliseconds limit, sql_row* names) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    std::optional<result<std::vector<sql_row>, sql_error>> answer;
    for (;;) {
        while (PQisBusy(handle_.get()) == 0) {
            const result_handle part{PQgetResult(handle_.get())};
            if (!part) {
                return answer ? std::move(*answer) : last_error();
            }
            const auto status = PQresultStatus(part.get());
            const bool good = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
            // The first error of a statement is the one that matters.
            if (good && (!answer || *answer)) {
                answer = rows_of(part.get());
                if (names != nullptr) {
                    *names = names_of(part.get());
                }
            } else if (!good && (!answer || *answer)) {
                answer = error_of(part.get());
            }
        }
        const auto left =
            std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd socket{PQsocket(handle_.get()), POLLIN, 0};
        if (left.count() <= 0 || ::poll(&socket, 1, static_cast<int>(left.count())) == 0) {
            return sql_error{
                fmt::format("no answer within {:.1f} s", static_cast<double>(limit.count()) / 1000),
                std::string(no_answer)};
        }
        if (PQconsumeInput(handle_.get()) != 1) {
            return last_error();
        }
    }
}

result<std::optional<std::string>, sql_error> connection::value(
    const std::string& statement, const std::vector<std::string>& parameters
) {
    auto rows = query(statement, parameters);
    if (!rows) {
        return rows.error();
    }
    if (rows->empty() || rows->front().empty()) {
        return std::optional<std::string>{};
    }
    return std::move(rows->front().front());
}

result<std::string, sql_error> connection::scram_verifier(
    const std::string& role, const secret& password
) {
    const std::string plain{password.view()};
    const libpq_text verifier{
        PQencryptPasswordConn(handle_.get(), plain.c_str(), role.c_str(), "scram-sha-256")};
    if (!verifier) {
        return last_error();
    }
    return result<std::string, sql_error>(boost::system::in_place_value, verifier.get());
}

std::string connection::quoted(const std::string& text) {
    const libpq_text literal{PQescapeLiteral(handle_.get(), text.c_str(), text.size())};
    return literal ? std::string(literal.get()) : std::string("''");
}

}  // namespace pgweir::cluster
