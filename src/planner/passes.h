// The passes from a graph to a program, in order. Each is timed, and its resulting graph is
// checked.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace semblance {

enum class Pass : std::uint8_t {
  kSplitGroupNorms,  // group norms become moments and scaling
  kChoose,           // decides what is kept, cut, split and put into the file: choices.h
  kEmit,             // builds the graph that was chosen
  kRegroup,          // pictures of a batch one after the other
  kSpill,            // idle values go to the scratch file
  kPlace,            // every byte gets its place
};
/// "split group norms", "choose", ...
std::string_view name_of(Pass pass);

/// How a program was made.
struct PlanLog {
  struct Record {
    Pass pass = Pass::kChoose;
    double seconds = 0;
    std::size_t nodes = 0;  // of the graph after the pass
  };
  std::vector<Record> passes;
  std::string choices;  // to_string() of the lowering's choices
};

/// Throws Error(kInternal) unless both graphs have the same inputs and outputs, by name and type.
/// No pass may change them.
void check_interface(const Graph& before, const Graph& after, Pass pass);

/// Runs a pass and records it if there is a log.
template <typename Work, typename CountNodes>
auto run_pass(PlanLog* log, Pass pass, Work&& work, CountNodes&& nodes) {
  const auto begin = std::chrono::steady_clock::now();
  auto result = work();
  if (log != nullptr) {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    log->passes.push_back({pass, taken.count(), nodes(result)});
  }
  return result;
}

}  // namespace semblance
