// What lowering decides, value by value, before it emits anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/parts.h"
#include "planner/lower.h"

namespace semblance {

struct ValueChoice {
  bool kept = false;        // computed once, before anything uses it; else wherever it is needed
  bool in_file = false;     // and lies in the scratch file
  bool split = false;       // the pictures of a batch are computed one after the other
  std::int64_t chunks = 1;  // into how many parts of output channels its weight is cut
  std::int64_t band = 0;    // pixels of a picture that are computed at a time; 0: all
};

/// Who makes and who uses each value of a graph, which must outlive this.
class GraphLinks {
 public:
  explicit GraphLinks(const Graph& graph);

  const Node& node(int index) const { return graph_.nodes()[static_cast<std::size_t>(index)]; }
  /// nullptr for inputs and weights.
  const Node* producer(ValueId value) const;
  /// Nodes, by number, once for each use.
  const std::vector<int>& consumers(ValueId value) const {
    return consumers_[static_cast<std::size_t>(value)];
  }
  bool is_output(ValueId value) const { return is_output_[static_cast<std::size_t>(value)]; }
  /// The nodes that take a value's moments.
  std::vector<const Node*> moments_of(ValueId value) const;

 private:
  const Graph& graph_;
  std::vector<std::vector<int>> consumers_;
  std::vector<bool> is_output_;
};

/// By value. `graph` has its group norms in two halves.
std::vector<ValueChoice> choose(const Graph& graph, const GraphLinks& links,
                                const LowerRules& rules, const WeightFactsOf& facts);

/// A line for each kept value that is not computed in one piece, and how many are:
/// "%52 conv2d f32[2,128,128,320], picture by picture, in 4 bands of 4096 pixels".
std::string to_string(const Graph& graph, const std::vector<ValueChoice>& choices);

}  // namespace semblance
