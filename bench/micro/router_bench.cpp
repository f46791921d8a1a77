// What the router costs a worker: nanoseconds for each text that is looked at.

#include "router/analysis.hpp"
#include "router/first_word.hpp"
#include "router/shape.hpp"
#include "router/shape_cache.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

namespace pgweir::router {
namespace {

constexpr shape_key key{1, 2};
constexpr name_scope scope{1, "app", {}, "\"$user\", public"};
constexpr std::string_view short_select =
    "SELECT abalance FROM pgbench_accounts WHERE aid = 12345678;";
constexpr std::string_view long_select =
    "SELECT \"blog_article\".\"id\", \"blog_article\".\"title\", \"auth_user\".\"username\" FROM "
    "\"blog_article\" INNER JOIN \"auth_user\" ON (\"blog_article\".\"author_id\" = "
    "\"auth_user\".\"id\") WHERE UPPER(\"blog_article\".\"title\"::text) LIKE UPPER('%article%') "
    "ORDER BY \"blog_article\".\"published_at\" DESC LIMIT 10";

void RouterShape(benchmark::State& state) {
    const std::string_view text = state.range(0) == 0 ? short_select : long_select;
    for (auto _ : state) {
        benchmark::DoNotOptimize(shape_of(text, scope, 1, key));
    }
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

BENCHMARK(RouterShape)->Arg(0)->Arg(1);

void RouterShapeCacheFind(benchmark::State& state) {
    shape_cache cache(65'536);
    const auto what = shape_of(short_select, scope, 1, key);
    cache.store(*what, {true, reason::read, true});
    for (auto _ : state) {
        benchmark::DoNotOptimize(cache.find(*what));
    }
}

BENCHMARK(RouterShapeCacheFind)->ThreadRange(1, 2);

void RouterFirstWord(benchmark::State& state) {
    const std::string_view text =
        state.range(0) == 0 ? short_select : "UPDATE pgbench_accounts SET abalance = 1";
    for (auto _ : state) {
        benchmark::DoNotOptimize(judge_by_first_word(text, sql::backslash::plain));
    }
}

BENCHMARK(RouterFirstWord)->Arg(0)->Arg(1);

/// What the thread of the grammar does once for each shape.
void RouterAnalysis(benchmark::State& state) {
    const std::string_view text = state.range(0) == 0 ? short_select : long_select;
    for (auto _ : state) {
        benchmark::DoNotOptimize(analyse(text, sql::backslash::plain));
    }
}

BENCHMARK(RouterAnalysis)->Arg(0)->Arg(1);

}  // namespace
}  // namespace pgweir::router
