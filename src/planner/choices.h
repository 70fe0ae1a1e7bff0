// What lowering decides for each value before it emits anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/parts.h"
#include "planner/lower.h"

namespace semblance {

struct ValueChoice {
  bool kept = false;        // computed once and kept, else recomputed for every use
  bool in_file = false;     // kept in the scratch file
  bool split = false;       // pictures of a batch are computed one after the other
  std::int64_t chunks = 1;  // number of ranges of output channels its weight is cut into
  std::int64_t band = 0;    // pixels of a picture computed at a time; 0: all
};

/// The producer and the consumers of each value of a graph. The graph must outlive this.
class GraphLinks {
 public:
  explicit GraphLinks(const Graph& graph);

  const Node& node(int index) const { return graph_.nodes()[static_cast<std::size_t>(index)]; }
  /// nullptr for inputs and weights.
  const Node* producer(ValueId value) const;
  /// Indices of nodes, once for each use.
  const std::vector<int>& consumers(ValueId value) const {
    return consumers_[static_cast<std::size_t>(value)];
  }
  bool is_output(ValueId value) const { return is_output_[static_cast<std::size_t>(value)]; }
  /// The GroupMoments nodes of a value.
  std::vector<const Node*> moments_of(ValueId value) const;

 private:
  const Graph& graph_;
  std::vector<std::vector<int>> consumers_;
  std::vector<bool> is_output_;
};

/// One choice per value. The graph's group norms may be split into GroupMoments and GroupScale.
std::vector<ValueChoice> choose(const Graph& graph, const GraphLinks& links,
                                const LowerRules& rules, const WeightFactsOf& facts);

/// One line per kept value that is not computed in one piece, and the number of those that are:
/// "%52 conv2d f32[2,128,128,320], picture by picture, in 4 bands of 4096 pixels".
std::string to_string(const Graph& graph, const std::vector<ValueChoice>& choices);

}  // namespace semblance
