// The pipeline: nanoseconds for the bookkeeping of one exchange, requests and replies together.

#include "protocol/pipeline.hpp"

#include <benchmark/benchmark.h>

namespace pgweir::protocol {
namespace {

void PipelineSimpleQuery(benchmark::State& state) {
    pipeline owed;
    for (auto _ : state) {
        owed.sent(request::query);
        owed.reply('T');
        owed.reply('D');
        owed.reply('C');
        benchmark::DoNotOptimize(owed.ready('I'));
        benchmark::DoNotOptimize(owed.releasable());
    }
}

BENCHMARK(PipelineSimpleQuery);

void PipelineExtendedQuery(benchmark::State& state) {
    pipeline owed;
    for (auto _ : state) {
        for (request what :
             {request::parse, request::bind, request::describe, request::execute, request::sync}) {
            owed.sent(what);
        }
        for (char type : {'1', '2', 'T', 'D', 'C'}) {
            owed.reply(type);
        }
        benchmark::DoNotOptimize(owed.ready('I'));
        benchmark::DoNotOptimize(owed.releasable());
    }
}

BENCHMARK(PipelineExtendedQuery);

/// One DataRow of a long result.
void PipelineRow(benchmark::State& state) {
    pipeline owed;
    owed.sent(request::query);
    owed.reply('T');
    for (auto _ : state) {
        benchmark::DoNotOptimize(owed.reply('D'));
    }
}

BENCHMARK(PipelineRow);

/// A client that keeps this many batches under way.
void PipelineManyBatches(benchmark::State& state) {
    pipeline owed;
    const auto batch = [&owed] {
        for (request what : {request::bind, request::execute, request::sync}) {
            owed.sent(what);
        }
    };
    for (auto count = state.range(0); count > 1; --count) {
        batch();
    }
    for (auto _ : state) {
        batch();
        owed.reply('2');
        owed.reply('C');
        benchmark::DoNotOptimize(owed.ready('I'));
    }
}

BENCHMARK(PipelineManyBatches)->Arg(1)->Arg(100)->Arg(10000);

}  // namespace
}  // namespace pgweir::protocol
