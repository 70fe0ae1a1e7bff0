// Parses one op on tensors of given types from a line of text:
//
//   conv2d f32[2,9,7,32] w:f32[64,32,3,3] w:f32[64] stride=[2,2] pad=[1,1,1,1]
//
// "w:" marks a weight. Files of such lines (tests/shapes/<op>.txt, '#' for comments) feed tests of
// kernels and of shape rules, and `semblance gpu check`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace semblance {

/// The line as a graph of one node, with inputs and weights src0, src1, ... and output dst. Throws
/// what parse_graph throws.
Graph graph_of_case(const std::string& line);

/// The lines of a file's text without comments and blank lines.
std::vector<std::string> case_lines(std::string_view text);

}  // namespace semblance
