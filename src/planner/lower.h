// Lowering: rewrites a graph to compute the same bits in less memory.
//
// Results are computed in parts (pictures one after the other, bands of rows, ranges of output
// channels). Cheap results are recomputed for every use instead of being kept. What is too large
// for memory is kept in the scratch file, written and read in bands. The lowered graph expresses
// all this with ops: Slice and Concat along the outermost axes are views and joins (graph/views.h),
// weights are ranges of rows, Paste puts output channels into place, and Spill and Fetch write and
// read the file.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "graph/graph.h"
#include "planner/passes.h"

namespace semblance {

struct LowerRules {
  static constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};
  /// Bytes a result may hold, besides itself and its sources, while it is computed whole; if it
  /// needs more, it is cut. A target, not a bound: the smallest part is one row of a picture.
  std::uint64_t slice_bytes = kNoLimit;
  /// Resolutions at which something would hold more than this besides itself compute a batch one
  /// picture at a time, and so read their weights once per picture.
  std::uint64_t batch_bytes = kNoLimit;
  /// Results and inputs with more bytes per picture are kept in the scratch file.
  std::uint64_t file_bytes = kNoLimit;
  /// Packed bytes of a weight held at a time, if cutting it does not change its kernel's bits.
  std::uint64_t weight_bytes = kNoLimit;
  /// Operations of a picture computed in one node; a node with more is cut, so that a run can stop
  /// in between. Also a target, not a bound.
  Operations slice_operations = std::numeric_limits<Operations>::infinity();
  // Passes that tests can switch off.
  bool split_group_norms = true;
  bool regroup = true;
};

/// What lowering needs to know about a node's kernel.
struct WeightFacts {
  std::uint64_t packed_bytes = 0;     // of source 1
  bool is_exact_by_channels = false;  // when cut into ranges of kChannelStep output channels
};
using WeightFactsOf = std::function<WeightFacts(const Graph&, const Node&)>;

/// Output channels are cut at multiples of this.
inline constexpr std::int64_t kChannelStep = 64;

struct Lowered {
  Graph graph;
  /// By node: nodes of the same epoch that use the same weight read it once.
  std::vector<int> epoch;
  /// Inputs kept in the scratch file.
  std::vector<ValueId> file_inputs;
};

Lowered lower(const Graph& graph, const LowerRules& rules, const WeightFactsOf& facts,
              PlanLog* log = nullptr);

}  // namespace semblance
