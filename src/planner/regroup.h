// Order of nodes: pictures of a batch one after the other, as deep as they do not meet.
#pragma once

#include <vector>

#include "planner/lower.h"

namespace semblance {

/// Adds an input or weight of one graph to another and gives its number there.
ValueId copy_source(const Graph& from, ValueId value, Graph& to);

/// The same nodes in another order, in which they can run. `order` has every node once.
Lowered reordered(const Graph& graph, const std::vector<int>& order, const std::vector<int>& epochs,
                  const std::vector<ValueId>& file_inputs);

/// `pictures` says by node of which picture it is, or -1 for nodes of all. Runs of nodes of single
/// pictures are sorted by picture; what comes between and does not need them goes in front.
Lowered regroup_pictures(Graph graph, const std::vector<int>& pictures, std::vector<int> epochs,
                         std::vector<ValueId> file_inputs);

}  // namespace semblance
