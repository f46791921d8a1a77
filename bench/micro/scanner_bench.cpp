// The frame scanner: nanoseconds for each message, on streams as servers and clients send them.

#include "protocol/frame.hpp"
#include "protocol/message.hpp"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>

namespace pgweir::protocol {
namespace {

constexpr type_set server_whole("ZSKREC");
constexpr std::uint32_t no_limit = 0x7fffffff;

std::string frames(char type, std::size_t body, int count) {
    std::string out;
    for (; count > 0; --count) {
        message_writer(out, type).bytes(std::string(body, 'x'));
    }
    return out;
}

/// Feeds the stream in chunks; one iteration is the whole stream.
void scan(benchmark::State& state, const std::string& stream, std::size_t chunk) {
    frame_scanner scanner(server_whole, no_limit, no_limit);
    std::int64_t messages = 0;
    for (auto _ : state) {
        for (std::size_t at = 0; at < stream.size(); at += chunk) {
            scanner.feed(std::string_view(stream).substr(at, chunk));
            while (scanner.next() != frame_scanner::event::end) {
                benchmark::DoNotOptimize(scanner.type());
                ++messages;
            }
        }
    }
    state.SetItemsProcessed(messages);
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * stream.size()));
}

void ScannerHeaders(benchmark::State& state) {
    const auto body = static_cast<std::size_t>(state.range(0));
    const std::string stream = frames('D', body, 1000);
    scan(state, stream, stream.size());
}

BENCHMARK(ScannerHeaders)->Arg(10)->Arg(100)->Arg(1000);

void ScannerWholeMessages(benchmark::State& state) {
    const std::string stream = frames('Z', 1, 1000);
    scan(state, stream, stream.size());
}

BENCHMARK(ScannerWholeMessages);

/// The answer to a small SELECT by Bind and Execute.
void ScannerSmallAnswer(benchmark::State& state) {
    std::string stream;
    message_writer(stream, '2');
    stream += frames('D', 20, 1);
    put_command_complete(stream, "SELECT 1");
    put_ready_for_query(stream, transaction_status::idle);
    scan(state, stream, stream.size());
}

BENCHMARK(ScannerSmallAnswer);

/// Rows of 100 bytes in receive buffers of 16 kB: each buffer's end cuts a message.
void ScannerCutByChunks(benchmark::State& state) {
    scan(state, frames('D', 100, 10000), 16384);
}

BENCHMARK(ScannerCutByChunks);

/// A whole message that arrives in two pieces, with its allocation.
void ScannerCutWholeMessage(benchmark::State& state) {
    const std::string stream = frames('E', static_cast<std::size_t>(state.range(0)), 1);
    scan(state, stream, stream.size() / 2 + 1);
}

BENCHMARK(ScannerCutWholeMessage)->Arg(100)->Arg(10000);

}  // namespace
}  // namespace pgweir::protocol
