// Reorders nodes so that pictures of a batch are computed one after the other, for as long as they
// are independent.
#pragma once

#include <vector>

#include "core/integers.h"
#include "planner/lower.h"

namespace semblance {

/// Adds an input or weight of one graph to another and returns its id there.
ValueId copy_source(const Graph& from, ValueId value, Graph& to);

/// A graph built from another. It has the same inputs and weights; the caller adds the nodes.
class GraphCopy {
 public:
  /// Copies all inputs, in order.
  explicit GraphCopy(const Graph& from);

  Graph& graph() { return graph_; }
  /// The copy of a value of `from`; weights are copied on first use.
  ValueId of(ValueId value);
  std::vector<ValueId> of(const std::vector<ValueId>& values);
  /// Maps a result of `from` to a value of this graph.
  void set(ValueId value, ValueId here) { map_[at(value)] = here; }
  /// Adds the outputs of `from` and returns the graph.
  Graph finish();

 private:
  const Graph& from_;
  Graph graph_;
  std::vector<ValueId> map_;
};

/// The same nodes in another valid order. `order` has every node once.
Lowered reordered(const Graph& graph, const std::vector<int>& order, const std::vector<int>& epochs,
                  const std::vector<ValueId>& file_inputs);

/// `pictures` has each node's picture, or -1 for nodes that are for all of them. Runs of nodes of
/// single pictures are sorted by picture; nodes in between that do not need their results move in
/// front.
Lowered regroup_pictures(const Lowered& lowered, const std::vector<int>& pictures);

}  // namespace semblance
