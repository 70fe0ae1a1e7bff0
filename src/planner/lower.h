// Lowering: a graph becomes one that does the same in less memory, with the same bits.
//
// Results are computed in parts (pictures one after the other, bands of rows, ranges of output
// channels), cheap results are computed again where they are needed instead of being kept, and what
// is too large to be held lies in the scratch file, written and read in bands. All of that is said
// in ops: Slice and Concat along the outermost axes are views and joins (graph/views.h), weights
// are ranges of rows, Paste puts output channels into place, Spill and Fetch go to the file and
// back.
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
  /// What a result may hold beside itself and its sources while it is computed whole; beyond, it is
  /// cut. A target, not a bound: one row of a picture is the least there is.
  std::uint64_t slice_bytes = kNoLimit;
  /// Levels of pictures where something would hold more than that beside itself compute the
  /// pictures of a batch one after the other, and so read their weights for each.
  std::uint64_t batch_bytes = kNoLimit;
  /// Results and inputs of more bytes a picture lie in the scratch file.
  std::uint64_t file_bytes = kNoLimit;
  /// Packed bytes of a weight that are held at a time, where its kernel keeps its bits in parts.
  std::uint64_t weight_bytes = kNoLimit;
  /// Operations of a picture that are computed in one node; beyond, it is cut, so that a run can
  /// stop in between. Also a target, not a bound.
  Operations slice_operations = std::numeric_limits<Operations>::infinity();
  // Passes that may be left out, for tests.
  bool split_group_norms = true;
  bool regroup = true;
};

/// What lowering asks of the kernels, by a node of the graph that is being lowered.
struct WeightFacts {
  std::uint64_t packed_bytes = 0;       // of source 1
  bool keeps_bits_by_channels = false;  // in parts of kChannelStep output channels
};
using WeightFactsOf = std::function<WeightFacts(const Graph&, const Node&)>;

/// Output channels are cut at multiples of this.
inline constexpr std::int64_t kChannelStep = 64;

struct Lowered {
  Graph graph;
  /// By node: nodes of one epoch that use the same weight read it once.
  std::vector<int> epoch;
  /// Inputs that lie in the scratch file.
  std::vector<ValueId> file_inputs;
};

Lowered lower(const Graph& graph, const LowerRules& rules, const WeightFactsOf& facts,
              PlanLog* log = nullptr);

}  // namespace semblance
