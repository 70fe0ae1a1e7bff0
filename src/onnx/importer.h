// Converts an ONNX model to a Graph, for given input shapes.
//
// ONNX graphs of face models compute shapes at run time (Shape, Gather, Slice, Concat, ...). Here
// the input shapes are given, so all of that is computed at import and the graph only has float
// ops. Pictures, which are [n,c,h,w] in ONNX, are [n,h,w,c] in the graph from the first convolution
// to the last; they are transposed only where the model itself depends on the order of axes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "onnx/model.h"

namespace semblance {

struct ImportedInput {
  std::string name;
  Shape shape;                 // in the graph's order
  bool channels_last = false;  // [n,c,h,w] in the model, [n,h,w,c] in the graph
};

struct ImportedOutput {
  std::string name;
  Shape shape;  // in ONNX's order, like the values
  /// Its value if it only depends on the inputs' shapes; then the graph has no such output.
  std::optional<StoredTensor> constant;
};

struct Imported {
  Graph graph;        // inputs and outputs under the model's names
  WeightMap weights;  // by the graph's weight names; in the model's file where possible
  std::vector<ImportedInput> inputs;    // in the model's order
  std::vector<ImportedOutput> outputs;  // in the model's order
};

/// Builds the graph. `input_shapes` are in ONNX's order, [n,c,h,w] for pictures; an input whose
/// declared sizes are all fixed may be omitted. The graph reads every input with four axes as
/// [n,h,w,c]. `constants` gives inputs a fixed value (an integer input must have one).
///
/// Throws Error(kArgument), which names the node, operator, version or attribute, for unsupported
/// models, Error(kShape) for shapes that do not match the model, Error(kCorrupt) for an
/// inconsistent model. Operators: onnx_operators(), versions 7 to 17 of the operator set.
Imported import_onnx(const OnnxModel& model, const std::map<std::string, Shape>& input_shapes,
                     const WeightMap& constants = {});

/// The operators that can be imported, sorted.
std::vector<std::string_view> onnx_operators();

}  // namespace semblance
