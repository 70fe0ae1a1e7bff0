// What models are written with: values that know their graph, and a scope that builds the
// checkpoint's names.
//
//   Value h = conv3x3(s / "conv1", silu(group_norm(s / "norm1", x)), channels);
#pragma once

#include <initializer_list>
#include <string>

#include "graph/graph.h"

namespace semblance {

/// A value of a graph that is being built. Copies freely; the graph must outlive it.
struct Value {
  Graph* graph = nullptr;
  ValueId id = -1;

  const TensorType& type() const { return graph->type(id); }
  const Shape& shape() const { return type().shape; }
  DType dtype() const { return type().dtype; }
  /// Size of the last axis.
  std::int64_t channels() const { return shape()[-1]; }
};

/// A prefix of the checkpoint's names: Scope(graph, "unet.") / "down_blocks" / 0 is
/// "unet.down_blocks.0".
class Scope {
 public:
  Scope(Graph* graph, std::string prefix) : graph_(graph), path_(std::move(prefix)) {}
  Scope operator/(std::string_view name) const;
  Scope operator/(std::int64_t index) const { return *this / std::to_string(index); }

  /// The weight `<path>.<name>`.
  Value weight(std::string_view name, DType dtype, const Shape& shape) const;
  Value input(std::string name, DType dtype, const Shape& shape) const {
    return {graph_, graph_->add_input(std::move(name), {dtype, shape})};
  }
  Graph* graph() const { return graph_; }
  const std::string& path() const { return path_; }

 private:
  Graph* graph_;
  std::string path_;  // a prefix if empty or ending in '.', else a name
};

/// Appends an op. All values must be of one graph.
Value apply(Op op, std::initializer_list<Value> src);

Value operator+(Value x, Value y);
Value operator-(Value x, Value y);
Value operator*(Value x, Value y);
Value add_scaled(Value x, Value y, float scale);
Value affine(Value x, float scale, float shift);
Value unary(Value x, UnaryFn fn);
inline Value silu(Value x) { return unary(x, UnaryFn::kSilu); }
inline Value gelu(Value x) { return unary(x, UnaryFn::kGelu); }
Value geglu(Value x);
Value reshape(Value x, const Shape& shape);
Value transpose(Value x, std::vector<std::int64_t> perm);
Value concat(std::vector<Value> src, std::int64_t axis);
Value slice(Value x, std::int64_t axis, std::int64_t begin, std::int64_t end);
Value upsample(Value x, std::int64_t height, std::int64_t width);
Value scale_low_frequencies(Value x, float scale);
Value convert(Value x, DType dtype);
Value attention(Value q, Value k, Value v, std::int64_t heads, bool causal = false,
                float scale = 0.0F);

}  // namespace semblance
