// Which nodes move nothing when their result lies in the right place: views and joins.
#pragma once

#include <cstdint>
#include <optional>

#include "graph/graph.h"

namespace semblance {

/// Where in its source's bytes the node's result lies as it is, if it does: for Reshape, 0; for a
/// Slice of step 1 along an axis before which all sizes are 1, or over all of its axis. Any
/// multiple of the element's size: whoever makes it a view sees to the alignment that kernels are
/// promised.
std::optional<std::int64_t> view_offset_bytes(const Graph& graph, const Node& node);

/// Whether the node's sources lie in its result one after the other: Concat along an axis before
/// which all sizes are 1.
bool is_join(const Graph& graph, const Node& node);

}  // namespace semblance
