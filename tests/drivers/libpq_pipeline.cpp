// libpq in pipeline mode: batches with several Syncs under way, an error in the middle, a COPY
// afterwards. Takes a connection string; prints "ok" and ends with 0, or says what was wrong and
// ends with 1. PostgreSQL's manual: "Pipeline Mode" of libpq.

#include <libpq-fe.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

namespace {

struct close_connection {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};

struct clear_result {
    void operator()(PGresult* result) const { PQclear(result); }
};

using connection_ptr = std::unique_ptr<PGconn, close_connection>;
using result_ptr = std::unique_ptr<PGresult, clear_result>;

[[noreturn]] void fail(const std::string& what, PGconn* connection) {
    std::cerr << what << ": " << PQerrorMessage(connection) << '\n';
    std::exit(1);
}

void expect(bool condition, const std::string& what, PGconn* connection) {
    if (!condition) {
        fail(what, connection);
    }
}

void send(PGconn* connection, const char* sql, const std::string& value) {
    const char* values[] = {value.c_str()};
    expect(
        PQsendQueryParams(connection, sql, 1, nullptr, values, nullptr, nullptr, 0) == 1,
        "send",
        connection
    );
}

/// The next result, and the null pointer that ends its query.
result_ptr next(PGconn* connection) {
    result_ptr result(PQgetResult(connection));
    expect(result != nullptr, "a result is missing", connection);
    if (PQresultStatus(result.get()) != PGRES_PIPELINE_SYNC) {
        expect(PQgetResult(connection) == nullptr, "more than one result", connection);
    }
    return result;
}

void expect_status(PGconn* connection, ExecStatusType status) {
    const result_ptr result = next(connection);
    expect(
        PQresultStatus(result.get()) == status,
        std::string("status ") + PQresStatus(PQresultStatus(result.get())) + " instead of " +
            PQresStatus(status),
        connection
    );
}

void expect_value(PGconn* connection, const std::string& value) {
    const result_ptr result = next(connection);
    expect(PQresultStatus(result.get()) == PGRES_TUPLES_OK, "no rows", connection);
    expect(PQgetvalue(result.get(), 0, 0) == value, "not " + value, connection);
}

void several_syncs_under_way(PGconn* connection) {
    constexpr int batches = 20;
    constexpr int requests = 10;
    for (int batch = 0; batch < batches; ++batch) {
        for (int at = 0; at < requests; ++at) {
            send(connection, "select $1::int", std::to_string(batch * requests + at));
        }
        expect(PQpipelineSync(connection) == 1, "sync", connection);
    }
    for (int batch = 0; batch < batches; ++batch) {
        for (int at = 0; at < requests; ++at) {
            expect_value(connection, std::to_string(batch * requests + at));
        }
        expect_status(connection, PGRES_PIPELINE_SYNC);
    }
}

void error_in_the_middle(PGconn* connection) {
    send(connection, "select $1::int", "1");
    send(connection, "select 1 / $1::int", "0");
    send(connection, "select $1::int", "3");
    expect(PQpipelineSync(connection) == 1, "sync", connection);
    send(connection, "select $1::int", "4");
    expect(PQpipelineSync(connection) == 1, "sync", connection);
    expect_value(connection, "1");
    expect_status(connection, PGRES_FATAL_ERROR);
    expect_status(connection, PGRES_PIPELINE_ABORTED);
    expect_status(connection, PGRES_PIPELINE_SYNC);
    expect_value(connection, "4");
    expect_status(connection, PGRES_PIPELINE_SYNC);
}

void flush_request(PGconn* connection) {
    send(connection, "select $1::int", "5");
    expect(PQsendFlushRequest(connection) == 1, "flush", connection);
    expect_value(connection, "5");
    expect(PQpipelineSync(connection) == 1, "sync", connection);
    expect_status(connection, PGRES_PIPELINE_SYNC);
}

void transaction_in_a_pipeline(PGconn* connection) {
    for (const char* sql : {"begin", "create temp table numbers (a int) on commit drop"}) {
        expect(
            PQsendQueryParams(connection, sql, 0, nullptr, nullptr, nullptr, nullptr, 0) == 1,
            "send",
            connection
        );
    }
    send(connection, "insert into numbers values ($1::int)", "6");
    send(connection, "select a from numbers where a = $1::int", "6");
    expect(
        PQsendQueryParams(connection, "commit", 0, nullptr, nullptr, nullptr, nullptr, 0) == 1,
        "send",
        connection
    );
    expect(PQpipelineSync(connection) == 1, "sync", connection);
    for (int at = 0; at < 3; ++at) {
        expect_status(connection, PGRES_COMMAND_OK);
    }
    expect_value(connection, "6");
    expect_status(connection, PGRES_COMMAND_OK);
    expect_status(connection, PGRES_PIPELINE_SYNC);
}

void copy_through_the_extended_protocol(PGconn* connection) {
    const result_ptr started(
        PQexecParams(connection, "copy copied from stdin", 0, nullptr, nullptr, nullptr, nullptr, 0)
    );
    expect(PQresultStatus(started.get()) == PGRES_COPY_IN, "copy", connection);
    expect(PQputCopyData(connection, "1\n2\n", 4) == 1, "copy data", connection);
    expect(PQputCopyEnd(connection, nullptr) == 1, "copy end", connection);
    const result_ptr ended(PQgetResult(connection));
    expect(PQresultStatus(ended.get()) == PGRES_COMMAND_OK, "end of the copy", connection);
    expect(std::string(PQcmdTuples(ended.get())) == "2", "two rows", connection);
    expect(PQgetResult(connection) == nullptr, "nothing more", connection);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: libpq_pipeline CONNECTION\n";
        return 2;
    }
    const connection_ptr connection(PQconnectdb(argv[1]));
    PGconn* raw = connection.get();
    expect(PQstatus(raw) == CONNECTION_OK, "connect", raw);
    expect(PQenterPipelineMode(raw) == 1, "pipeline mode", raw);
    several_syncs_under_way(raw);
    error_in_the_middle(raw);
    flush_request(raw);
    transaction_in_a_pipeline(raw);
    expect(PQexitPipelineMode(raw) == 1, "leave pipeline mode", raw);
    copy_through_the_extended_protocol(raw);
    std::cout << "ok\n";
}
