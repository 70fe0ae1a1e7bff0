// The context for importing one node: tensors by name, the node's attributes, the graph so far.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/builder.h"
#include "onnx/constant.h"
#include "onnx/importer.h"

namespace semblance::onnx_import {

/// What a name in the model refers to: a known tensor, or a value of the graph.
struct Tensor {
  std::string name;
  Shape shape;                           // in ONNX's order
  std::optional<StoredTensor> constant;  // known at import
  ValueId value = -1;                    // otherwise
  bool channels_last = false;            // whether the value's four axes are [n,h,w,c]
};

/// The graph and the weights under construction.
class Building {
 public:
  Graph graph;
  WeightMap weights;

  /// The tensor with its axes in ONNX's order.
  Value plain(const Tensor& x);
  /// A tensor with four axes as [n,h,w,c].
  Value channels_last(const Tensor& x);
  /// A known float tensor as a weight of the graph.
  Value weight(const std::string& name, const StoredTensor& stored);
  /// A value of the graph as a Tensor.
  Tensor tensor(Value value, bool channels_last) const;
  Tensor known(Constant constant, const std::string& name);
  /// Reads a known tensor; the total over all reads of an import is limited.
  Constant load(const StoredTensor& stored);

 private:
  std::int64_t loaded_bytes_ = 0;
};

/// One node being imported. Attributes that nothing asked for are rejected afterwards.
class Call {
 public:
  Call(Building& building, const OnnxNode& node, std::int64_t opset,
       std::vector<const Tensor*> inputs)
      : build(building), node_(node), opset_(opset), inputs_(std::move(inputs)) {}

  Building& build;

  std::int64_t opset() const { return opset_; }
  std::string result_name() const { return node_.outputs.empty() ? "" : node_.outputs[0]; }
  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has_input(int i) const {
    return i < input_count() && inputs_[static_cast<std::size_t>(i)] != nullptr;
  }
  /// Throws Error(kCorrupt) if the node has no such input.
  const Tensor& input(int i) const;
  /// An input's value in the graph, in the graph's order of axes; throws Error(kArgument) if it is
  /// a constant.
  Value value(int i);
  /// Reads an input that must be known at import.
  Constant known(int i);
  std::vector<std::int64_t> known_integers(int i);
  /// An input that must be known at import, without reading it.
  const StoredTensor& stored(int i) const;
  bool all_known() const;

  bool has(std::string_view attribute) const;
  std::int64_t integer(std::string_view attribute, std::int64_t otherwise);
  float real(std::string_view attribute, float otherwise);
  std::string text(std::string_view attribute, std::string_view otherwise);
  std::vector<std::int64_t> integers(std::string_view attribute);
  std::vector<float> reals(std::string_view attribute);
  const StoredTensor* tensor(std::string_view attribute);
  /// Accepts an attribute that has no effect here.
  void ignore(std::string_view attribute) { asked_.emplace(attribute); }
  /// Throws Error(kArgument) for attributes that nothing asked for.
  void check_attributes() const;

  /// Resolves an axis that may count from the end, of `rank` axes; throws Error(kShape).
  static int axis(std::int64_t given, int rank);
  /// For values that newer operator sets pass as an input instead of an attribute (such as the axes
  /// of Squeeze).
  std::vector<std::int64_t> integers_or_input(std::string_view attribute, int input);

 private:
  template <typename T>
  const T* find(std::string_view attribute);

  const OnnxNode& node_;
  std::int64_t opset_;
  std::vector<const Tensor*> inputs_;
  std::set<std::string, std::less<>> asked_;
};

/// An operator: a function that computes it at import (all inputs known), and one that adds it to
/// the graph. Either may be missing.
struct Operator {
  std::string_view name;
  Tensor (*fold)(Call&) = nullptr;
  Tensor (*lower)(Call&) = nullptr;
};
/// Sorted by name.
std::span<const Operator> operators();
const Operator* find_operator(std::string_view name);

// fold.cpp
Tensor fold_add(Call&);
Tensor fold_sub(Call&);
Tensor fold_mul(Call&);
Tensor fold_div(Call&);
Tensor fold_floor(Call&);
Tensor fold_ceil(Call&);
Tensor fold_cast(Call&);
Tensor fold_concat(Call&);
Tensor fold_constant(Call&);
Tensor fold_constant_of_shape(Call&);
Tensor fold_flatten(Call&);
Tensor fold_gather(Call&);
Tensor fold_identity(Call&);
Tensor fold_reshape(Call&);
Tensor fold_slice(Call&);
Tensor fold_squeeze(Call&);
Tensor fold_transpose(Call&);
Tensor fold_unsqueeze(Call&);
// lower_shape.cpp
Tensor lower_cast(Call&);
Tensor lower_concat(Call&);
Tensor lower_dropout(Call&);
Tensor lower_flatten(Call&);
Tensor lower_gather(Call&);
Tensor lower_identity(Call&);
Tensor lower_reshape(Call&);
Tensor lower_shape(Call&);
Tensor lower_size(Call&);
Tensor lower_slice(Call&);
Tensor lower_squeeze(Call&);
Tensor lower_transpose(Call&);
Tensor lower_unsqueeze(Call&);
// lower_picture.cpp
Tensor lower_average_pool(Call&);
Tensor lower_batch_norm(Call&);
Tensor lower_conv(Call&);
Tensor lower_global_average_pool(Call&);
Tensor lower_max_pool(Call&);
Tensor lower_resize(Call&);
Tensor lower_upsample(Call&);
// lower_math.cpp
Tensor lower_add(Call&);
Tensor lower_div(Call&);
Tensor lower_gemm(Call&);
Tensor lower_matmul(Call&);
Tensor lower_mul(Call&);
Tensor lower_prelu(Call&);
Tensor lower_relu(Call&);
Tensor lower_sigmoid(Call&);
Tensor lower_sub(Call&);
Tensor lower_tanh(Call&);

// Rules that fold and lower share (shape_rules.cpp).

/// The element type that a Cast node requests.
DType onnx_dtype_of_cast(Call& call);

/// The shape after Reshape to these sizes (0 keeps a size unless allow_zero, -1 is the remainder).
Shape reshaped(const Shape& x, const std::vector<std::int64_t>& sizes, bool allow_zero);
Shape flattened(const Shape& x, std::int64_t axis);
Shape squeezed(const Shape& x, const std::vector<std::int64_t>& axes);
Shape unsqueezed(const Shape& x, const std::vector<std::int64_t>& axes);
/// The checked permutation of a Transpose node.
std::vector<std::int64_t> permutation(Call& call, int rank);
/// The indices of an axis that a Slice node keeps.
struct AxisRange {
  int axis;
  std::int64_t begin;
  std::int64_t step;
  std::int64_t count;
  std::vector<std::int64_t> indices() const;
};
std::vector<AxisRange> slice_ranges(Call& call, const Shape& x);
/// The checked indices of a Gather node, made non-negative.
std::vector<std::int64_t> gather_indices(Call& call, std::int64_t size);
/// The shape of Gather's result.
Shape gathered(const Shape& x, int axis, const Shape& indices);
/// Indices of one axis in any order, as joined slices. For a few indices only.
Value take(Value x, int axis, const std::vector<std::int64_t>& indices);

}  // namespace semblance::onnx_import
