// Shared by benches with their own main: command-line options, a clock, error handling.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "core/error.h"

namespace semblance {

using BenchOptions = std::map<std::string, std::string>;

/// Parses the words from `first` on: names followed by a value, and `flags`, which take none.
inline BenchOptions options_of(int argc, char** argv,
                               std::initializer_list<std::string_view> flags = {}, int first = 1) {
  BenchOptions options;
  for (int i = first; i < argc; ++i) {
    const std::string name = argv[i];
    if (std::find(flags.begin(), flags.end(), name) != flags.end()) {
      options[name] = "1";
    } else if (i + 1 < argc) {
      options[name] = argv[++i];
    }
  }
  return options;
}

/// Seconds.
inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Runs `run` and returns its exit code; prints an Error.
template <typename Run>
int run_bench(const char* name, Run&& run) {
  try {
    return run();
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return exit_code(error.kind());
  }
}

}  // namespace semblance
