// An ONNX model as a Graph, for given input shapes.
//
// ONNX graphs of face models compute shapes while they run (Shape, Gather, Slice, Concat, ...).
// Here the input shapes are given, so all of that is worked out at import, and the graph holds
// float ops alone. Pictures, which ONNX has as [n,c,h,w], are [n,h,w,c] in the graph from the first
// convolution to the last; they are turned only where the model itself looks at the order of axes.
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
  bool channels_last = false;  // the model has it as [n,c,h,w], the graph reads [n,h,w,c]
};

struct ImportedOutput {
  std::string name;
  Shape shape;  // in ONNX's order, and so are the values
  /// Its value where it depends on the inputs' shapes alone; the graph has no such output then.
  std::optional<StoredTensor> constant;
};

struct Imported {
  Graph graph;        // inputs and outputs under the model's names
  WeightMap weights;  // by the graph's weight names; lies in the model's file where it can
  std::vector<ImportedInput> inputs;    // in the model's order
  std::vector<ImportedOutput> outputs;  // in the model's order
};

/// Builds the graph. `input_shapes` are in ONNX's order, [n,c,h,w] for pictures; an input whose
/// declared sizes are all fixed may be left out. Every input with four axes is read as [n,h,w,c] by
/// the graph. `constants` gives inputs a fixed value (an input of integers must have one).
///
/// Throws Error(kArgument) naming node, operator, version or attribute for what is not supported,
/// Error(kShape) for shapes that do not fit the model, Error(kCorrupt) for a model that contradicts
/// itself. Operators: onnx_operators(), versions 7 to 17 of the operator set.
Imported import_onnx(const OnnxModel& model, const std::map<std::string, Shape>& input_shapes,
                     const WeightMap& constants = {});

/// The operators that can be imported, sorted.
std::vector<std::string_view> onnx_operators();

}  // namespace semblance
