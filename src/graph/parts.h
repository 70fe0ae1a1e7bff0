// Computing a node's result in parts: which part of each source a part of the result needs, and the
// op that computes just that part. Combines the ops' declarations (graph/op_facts.h) with a graph's
// shapes.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace semblance {

/// How a node's result can be computed in parts; kPixels counts as kRows.
Cut cut_of(const Graph& graph, const Node& node);
Reuse reuse_of(const Op& op);
/// Whether every part of the result needs whole pictures of source `index`, as attention needs keys
/// and values.
bool reads_whole_picture(const Op& op, std::size_t index);
/// Whether a range of output channels can be computed alone, from the same rows of the weight
/// (source 1) and of the bias.
bool has_output_channels(const Op& op);

/// The part of each source needed to compute `part` of the node's result; weights are needed whole.
/// cut_of() must allow such a part.
std::vector<Part> sources_for(const Graph& graph, const Node& node, const Part& part);

/// The op that computes a part. Its result may be larger than the part (Upsample works on whole
/// source rows): it covers pixels [first, end) of the result's picture.
struct PartOp {
  Op op;
  std::int64_t first = 0;
  std::int64_t end = 0;
};
PartOp op_for(const Graph& graph, const Node& node, const Part& part);

}  // namespace semblance
