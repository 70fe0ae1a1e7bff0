// Order of nodes: pictures of a batch one after the other, as deep as they do not meet.
#pragma once

#include <vector>

#include "core/integers.h"
#include "planner/lower.h"

namespace semblance {

/// Adds an input or weight of one graph to another and gives its number there.
ValueId copy_source(const Graph& from, ValueId value, Graph& to);

/// A graph that is built from another: its inputs and weights are the same, its nodes are added by
/// whoever copies.
class GraphCopy {
 public:
  /// Takes over all inputs, in their order.
  explicit GraphCopy(const Graph& from);

  Graph& graph() { return graph_; }
  /// Where a value of the other graph is here; sources are taken over when first asked for.
  ValueId of(ValueId value);
  std::vector<ValueId> of(const std::vector<ValueId>& values);
  /// A result of the other graph is that value here.
  void set(ValueId value, ValueId here) { map_[at(value)] = here; }
  /// With the other one's outputs.
  Graph finish();

 private:
  const Graph& from_;
  Graph graph_;
  std::vector<ValueId> map_;
};

/// The same nodes in another order, in which they can run. `order` has every node once.
Lowered reordered(const Graph& graph, const std::vector<int>& order, const std::vector<int>& epochs,
                  const std::vector<ValueId>& file_inputs);

/// `pictures` says by node of which picture it is, or -1 for nodes of all. Runs of nodes of single
/// pictures are sorted by picture; what comes between and does not need them goes in front.
Lowered regroup_pictures(const Lowered& lowered, const std::vector<int>& pictures);

}  // namespace semblance
