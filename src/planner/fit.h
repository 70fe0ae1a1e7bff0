// From a graph and a limit to the fastest program that keeps to it.
#pragma once

#include <optional>

#include "planner/plan.h"

namespace semblance {

/// What the machine moves, in bytes a second.
struct Rates {
  double read = 1e9;        // weights from their files
  double pack = 4e9;        // packed bytes, from the file's numbers
  double file_write = 1e9;  // the scratch file
  double file_read = 1e9;
};

struct FitOptions {
  std::uint64_t memory_bytes = ~std::uint64_t{0};  // for arena, ring and resident weights
  bool may_spill = true;
  std::uint64_t file_bytes = ~std::uint64_t{0};  // the most that the scratch file may take
  bool keep_weights = false;  // the graph runs many times: what memory is left holds weights
  Rates rates;
};

/// The fastest program that fits, or nothing. The same result for the same arguments; what fits in
/// some bytes fits in more.
std::optional<Program> fit(const Graph& graph, const NeedsOf& needs, const FitOptions& options);

/// The least memory_bytes for which fit() gives a program.
std::uint64_t least_memory(const Graph& graph, const NeedsOf& needs, const FitOptions& options);

/// Seconds of a run, and of which it waits for what is read and written behind it.
struct RunSeconds {
  double all = 0;
  double waiting = 0;
};
RunSeconds predict(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan,
                   const Rates& rates);

}  // namespace semblance
