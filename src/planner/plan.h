// A plan: where every byte of a run lies, as data.
//
// Two regions. The arena holds activations, scratch and streamed weights by offset, reusing places
// of what is dead; the resident region holds weights that stay. Views and in-place results share
// the place of their source. Inputs and outputs keep their places for the whole run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace semblance {

/// Every place begins at a multiple of this.
inline constexpr std::uint64_t kPlaceAlignment = 64;

struct Place {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// What the kernel of a node asks for; what the planner knows of kernels.
struct NodeNeeds {
  std::uint64_t scratch_bytes = 0;
  /// Packed bytes of each source that is a weight, 0 for the others and for weights that the
  /// runtime reads itself.
  std::vector<std::uint64_t> weight_bytes;
};

/// A weight as one node uses it.
struct WeightUse {
  int node = 0;
  int src = 0;
  bool resident = false;  // read once, in the resident region; else read before every run of the
                          // node, in the arena
  Place place;
};

struct Plan {
  std::uint64_t arena_bytes = 0;
  std::uint64_t resident_bytes = 0;
  std::vector<Place> values;       // by ValueId, in the arena; 0 bytes for weights
  std::vector<Place> scratch;      // by node, in the arena
  std::vector<WeightUse> weights;  // in the order of nodes
};

/// Plans a graph whose nodes run in their order. Weights are made resident, smallest first, up to
/// `resident_limit_bytes`; the others stream. The result is the same for the same arguments.
/// `needs` has an entry a node.
Plan make_plan(const Graph& graph, const std::vector<NodeNeeds>& needs,
               std::uint64_t resident_limit_bytes);

/// Walks a plan as a run would and throws Error(kInternal) at the first thing that is wrong: a read
/// of bytes that something else has overwritten, two live things in one place, a place outside its
/// region or badly aligned. Shares no code with make_plan.
void check_plan(const Graph& graph, const std::vector<NodeNeeds>& needs, const Plan& plan);

}  // namespace semblance
