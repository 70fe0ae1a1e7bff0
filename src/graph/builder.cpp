#include "graph/builder.h"

namespace semblance {

Scope Scope::operator/(std::string_view name) const {
  std::string path = path_;
  if (!path.empty() && path.back() != '.') path += '.';
  path += name;
  return {graph_, std::move(path)};
}

Value Scope::weight(std::string_view name, DType dtype, const Shape& shape) const {
  return {graph_, graph_->add_weight((*this / name).path_, {dtype, shape})};
}

Value apply(Op op, std::initializer_list<Value> src) {
  std::vector<ValueId> ids;
  ids.reserve(src.size());
  for (const Value& value : src) ids.push_back(value.id);
  Graph* graph = src.begin()->graph;
  return {graph, graph->add(std::move(op), std::move(ids))};
}

Value operator+(Value x, Value y) { return apply(Binary{BinaryFn::kAdd, 1.0F}, {x, y}); }
Value operator-(Value x, Value y) { return apply(Binary{BinaryFn::kSub, 1.0F}, {x, y}); }
Value operator*(Value x, Value y) { return apply(Binary{BinaryFn::kMul, 1.0F}, {x, y}); }
Value add_scaled(Value x, Value y, float scale) {
  return apply(Binary{BinaryFn::kAdd, scale}, {x, y});
}
Value affine(Value x, float scale, float shift) { return apply(Affine{scale, shift}, {x}); }
Value unary(Value x, UnaryFn fn) { return apply(Unary{fn}, {x}); }
Value geglu(Value x) { return apply(Geglu{}, {x}); }

Value reshape(Value x, const Shape& shape) {
  if (shape == x.shape()) return x;
  return apply(Reshape{{shape.sizes().begin(), shape.sizes().end()}}, {x});
}

Value transpose(Value x, std::vector<std::int64_t> perm) {
  return apply(Transpose{std::move(perm)}, {x});
}

Value concat(std::vector<Value> src, std::int64_t axis) {
  std::vector<ValueId> ids;
  ids.reserve(src.size());
  for (const Value& value : src) ids.push_back(value.id);
  Graph* graph = src.front().graph;
  return {graph, graph->add(Concat{axis}, std::move(ids))};
}

Value slice(Value x, std::int64_t axis, std::int64_t begin, std::int64_t end) {
  return apply(Slice{axis, begin, end, 1}, {x});
}

Value upsample(Value x, std::int64_t height, std::int64_t width) {
  return apply(Upsample{height, width}, {x});
}

Value scale_low_frequencies(Value x, float scale) { return apply(ScaleLowFrequencies{scale}, {x}); }

Value convert(Value x, DType dtype) {
  if (dtype == x.dtype()) return x;
  return apply(Convert{dtype}, {x});
}

Value attention(Value q, Value k, Value v, std::int64_t heads, bool causal, float scale) {
  return apply(Attention{heads, causal, scale}, {q, k, v});
}

}  // namespace semblance
