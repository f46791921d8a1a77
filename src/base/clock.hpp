#pragma once

// Time as values: whoever decides is told the time, and never asks for it.

#include <chrono>

namespace pgweir {

using steady_time = std::chrono::steady_clock::time_point;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace pgweir
