// Nodes that need no copy if their result is placed well: views and joins.
#pragma once

#include <cstdint>
#include <optional>

#include "graph/graph.h"

namespace semblance {

/// The byte offset of the node's result in its source, if the result is contiguous there: 0 for
/// Reshape and for a Slice over its whole axis; also for a Slice of step 1 along an axis before
/// which all sizes are 1. A multiple of the element size only: the caller must ensure the alignment
/// that kernels expect.
std::optional<std::int64_t> view_offset_bytes(const Graph& graph, const Node& node);

/// Whether the node's sources are contiguous in its result: Concat along an axis before which all
/// sizes are 1.
bool is_join(const Graph& graph, const Node& node);

}  // namespace semblance
