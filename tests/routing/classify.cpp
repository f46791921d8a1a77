// What the classifier says of statements, for tests: loads the catalogue of a database, reads
// statements from standard input, writes one verdict a line.
//
// usage: routing_classify CONNINFO, or routing_classify --digest CONNINFO
//
// A statement is three fields, each with a zero byte behind it: role, search_path (empty: the
// role's default), text. A verdict is "harmless", "read", or the reason against it.

#include "router/catalogue_builder.hpp"
#include "router/classifier.hpp"

#include <libpq-fe.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace pgweir::router;

struct finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }

    void operator()(PGresult* result) const { PQclear(result); }
};

bool add_rows(const PGresult* result, std::size_t query, catalogue_builder& builder) {
    const auto columns = static_cast<std::size_t>(PQnfields(result));
    std::vector<std::string_view> row(columns);
    for (int i = 0; i < PQntuples(result); i++) {
        for (std::size_t column = 0; column < columns; column++) {
            const int at = static_cast<int>(column);
            row[column] = {
                PQgetvalue(result, i, at), static_cast<std::size_t>(PQgetlength(result, i, at))};
        }
        if (!builder.add(query, row)) {
            std::fprintf(stderr, "row %d of query %zu is not as expected\n", i, query);
            return false;
        }
    }
    return true;
}

catalogue_ptr load(const char* conninfo) {
    const std::unique_ptr<PGconn, finish> connection(PQconnectdb(conninfo));
    catalogue_builder builder;
    const auto queries = catalogue_queries();
    for (std::size_t query = 0; query < queries.size(); query++) {
        const std::unique_ptr<PGresult, finish> result(
            PQexec(connection.get(), std::string(queries[query].sql).c_str())
        );
        const ExecStatusType status = PQresultStatus(result.get());
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
            std::fputs(PQerrorMessage(connection.get()), stderr);
            return nullptr;
        }
        if (!add_rows(result.get(), query, builder)) {
            return nullptr;
        }
    }
    return builder.build();
}

void print(const judgement& verdict) {
    const std::string_view name = verdict.harmless ? "harmless" : name_of(verdict.why);
    std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
}

void judge_all(const catalogue_ptr& names) {
    classifier judge;
    constexpr std::uint32_t id = 1;
    judge.use_catalogue(id, names);
    std::string role;
    std::string path;
    std::string text;
    while (std::getline(std::cin, role, '\0') && std::getline(std::cin, path, '\0') &&
           std::getline(std::cin, text, '\0')) {
        name_scope scope;
        scope.catalogue = id;
        scope.role = role;
        scope.search_path = path;
        print(judge.settled(text, scope));
    }
}

}  // namespace

int main(int count, char** arguments) {
    const bool digest = count == 3 && std::string_view(arguments[1]) == "--digest";
    if (count != 2 && !digest) {
        std::fputs("usage: routing_classify [--digest] CONNINFO\n", stderr);
        return 2;
    }
    const catalogue_ptr names = load(arguments[count - 1]);
    if (names == nullptr) {
        return 1;
    }
    if (digest) {
        std::printf("%llx\n", static_cast<unsigned long long>(names->digest()));
    } else {
        judge_all(names);
    }
    return 0;
}
