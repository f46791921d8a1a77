// Runs a fuzz target without libFuzzer: over every file of the corpus folders (or files) named on
// the command line, and over every prefix of each, so that each seed is also tried truncated.
// Fails when there is no seed at all: a replay that runs nothing proves nothing. A violated
// property ends the process in the target, after the input's name has been printed.

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

// Above this size prefixes cost more time than they find.
constexpr std::size_t largest_truncated_seed = 4096;

std::vector<fs::path> seeds_under(const fs::path& path) {
    if (fs::is_regular_file(path)) {
        return {path};
    }
    std::vector<fs::path> seeds;
    if (fs::is_directory(path)) {
        for (const auto& entry : fs::recursive_directory_iterator(path)) {
            if (entry.is_regular_file()) {
                seeds.push_back(entry.path());
            }
        }
    }
    std::sort(seeds.begin(), seeds.end());
    return seeds;
}

std::vector<std::uint8_t> read_all(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A copy of exactly the input's size: an access past its end is then seen by AddressSanitizer.
void run_once(std::span<const std::uint8_t> input) {
    const std::vector<std::uint8_t> exact(input.begin(), input.end());
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::size_t replay(const fs::path& seed) {
    fmt::print("{}\n", seed.string());
    std::fflush(stdout);
    const auto input = read_all(seed);
    run_once(input);
    if (input.size() > largest_truncated_seed) {
        return 1;
    }
    for (std::size_t length = 0; length < input.size(); ++length) {
        run_once(std::span(input).first(length));
    }
    return input.size() + 1;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t seeds = 0;
    std::size_t runs = 0;
    for (int i = 1; i < argc; ++i) {
        for (const auto& seed : seeds_under(argv[i])) {
            runs += replay(seed);
            ++seeds;
        }
    }
    fmt::print("{} seeds, {} runs\n", seeds, runs);
    return seeds == 0 ? 1 : 0;
}
