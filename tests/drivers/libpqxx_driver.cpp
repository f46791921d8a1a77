// libpqxx, the C++ library: prepared statements by name, transactions, streams (COPY), pipelines.
#include <atomic>
#include <chrono>
#include <iostream>
#include <memory>
#include <pqxx/pqxx>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

int steps = 0;

template <typename Left, typename Right>
void same(const Left& got, const Right& expected, const char* what) {
    if (!(got == expected)) {
        std::ostringstream text;
        text << what << ": got " << got << ", expected " << expected;
        throw std::runtime_error(text.str());
    }
    steps++;
}

void cancel(pqxx::connection& connection, const std::string& dsn) {
    std::thread other([&] {
        pqxx::connection watching(dsn);
        for (bool runs = false; !runs;) {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            pqxx::nontransaction look(watching);
            runs = look.exec1(
                           "select count(*) from pg_stat_activity where state = 'active' and "
                           "query = 'select pg_sleep(60)'"
                   )[0]
                       .as<int>() == 1;
        }
        connection.cancel_query();
    });
    std::string state;
    try {
        pqxx::nontransaction work(connection);
        work.exec("select pg_sleep(60)");
    } catch (const pqxx::sql_error& refused) {
        state = refused.sqlstate();
    }
    other.join();
    same(state, "57014", "a query that is cancelled");
}

void run(const std::string& dsn) {
    pqxx::connection connection(dsn);
    {
        pqxx::work work(connection);
        work.exec("drop table if exists pqxx_t; create table pqxx_t (a int primary key, b text)");
        work.commit();
    }
    connection.prepare("sum", "select $1::int + $2::int");
    int total = 0;
    for (int i = 0; i < 20; i++) {
        pqxx::work work(connection);
        total += work.exec_prepared1("sum", i, 1)[0].as<int>();
        work.commit();
    }
    same(total, 210, "a statement over many transactions");
    {
        pqxx::work work(connection);
        connection.prepare("insert", "insert into pqxx_t values ($1, $2)");
        for (int i = 0; i < 10; i++) {
            work.exec_prepared0("insert", i, "Größe " + std::to_string(i) + " 🐘");
        }
        work.commit();
    }
    {
        pqxx::work work(connection);
        same(
            work.exec_params1("select b from pqxx_t where a = $1", 7)[0].as<std::string>(),
            "Größe 7 🐘",
            "letters of many alphabets"
        );
        work.exec0("delete from pqxx_t");
        work.abort();
    }
    {
        pqxx::nontransaction work(connection);
        same(work.exec1("select count(*) from pqxx_t")[0].as<int>(), 10, "what is rolled back");
        try {
            work.exec_prepared0("insert", 1, "again");
            throw std::runtime_error("a key that is there already was taken");
        } catch (const pqxx::unique_violation& refused) {
            same(refused.sqlstate(), "23505", "an error of a prepared statement");
        }
        same(work.exec_prepared1("sum", 40, 2)[0].as<int>(), 42, "and on it goes");
    }
    {
        pqxx::work work(connection);
        pqxx::stream_to copy(work, "pqxx_t");
        for (int i = 100; i < 1100; i++) {
            copy << std::make_tuple(i, "copied");
        }
        copy.complete();
        work.commit();
    }
    {
        pqxx::work work(connection);
        pqxx::pipeline pipeline(work);
        std::vector<pqxx::pipeline::query_id> queries;
        for (int i = 0; i < 20; i++) {
            queries.push_back(pipeline.insert("select " + std::to_string(i)));
        }
        int sum = 0;
        for (const auto query : queries) {
            sum += pipeline.retrieve(query)[0][0].as<int>();
        }
        pipeline.complete();
        same(sum, 190, "a pipeline");
        same(
            work.exec1("select count(*) from pqxx_t where b = 'copied'")[0].as<int>(), 1000, "copy"
        );
    }
    {
        std::string everything;
        for (int i = 0; i < 256; i++) {
            everything += static_cast<char>(i);
        }
        pqxx::work work(connection);
        const auto row = work.exec_params1(
            "select $1::bytea, length($1::bytea)", pqxx::binarystring(everything)
        );
        same(pqxx::binarystring(row[0]).str() == everything, true, "bytes");
        same(row[1].as<int>(), 256, "their number");
    }
    cancel(connection, dsn);
    std::vector<std::thread> threads;
    std::atomic<int> sum = 0;
    for (int t = 0; t < 8; t++) {
        threads.emplace_back([&dsn, &sum, t] {
            pqxx::connection own(dsn);
            own.prepare("own", "select $1::int + " + std::to_string(t));
            for (int i = 0; i < 50; i++) {
                pqxx::work work(own);
                sum += work.exec_prepared1("own", i)[0].as<int>();
                work.commit();
            }
        });
    }
    for (std::thread& one : threads) {
        one.join();
    }
    same(sum.load(), 11200, "connections at the same time");
    std::vector<std::unique_ptr<pqxx::connection>> many;
    for (int i = 0; i < 20; i++) {
        many.push_back(std::make_unique<pqxx::connection>(dsn));
        many.back()->prepare("own", "select $1::int * " + std::to_string(i));
    }
    int products = 0;
    for (int round = 1; round <= 3; round++) {
        for (const auto& one : many) {
            pqxx::work work(*one);
            products += work.exec_prepared1("own", round)[0].as<int>();
            work.commit();
        }
    }
    same(products, 1140, "many connections");
    pqxx::work work(connection);
    work.exec("drop table pqxx_t");
    work.commit();
}

}  // namespace

int main(int, char** arguments) {
    try {
        run(arguments[1]);
    } catch (const std::exception& problem) {
        std::cerr << problem.what() << '\n';
        return 1;
    }
    std::cout << "ok " << steps << '\n';
}
