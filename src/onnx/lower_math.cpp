// Arithmetic, activations and matrix products.
#include <algorithm>

#include "onnx/import_call.h"

namespace semblance::onnx_import {
namespace {

std::int64_t elements(const Tensor& x) { return x.shape.elements(); }

Shape with_rank(const Shape& x, int rank) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(rank - x.rank()), 1);
  sizes.insert(sizes.end(), x.sizes().begin(), x.sizes().end());
  return Shape(std::span<const std::int64_t>(sizes));
}

// One operand of elementwise arithmetic, in the result's order of axes. The other operand has
// `rank` axes.
Value operand(Call& call, const Tensor& x, bool channels_last, int rank) {
  Tensor widened = x;
  if (x.constant && x.shape.rank() <= rank) {
    // A single number, or one per channel, becomes a vector, which broadcasts as needed.
    const bool one = elements(x) == 1;
    const bool by_channel = channels_last && x.shape.rank() >= 3 && x.shape[-3] == elements(x);
    if (one || by_channel) {
      widened.constant->shape = Shape{elements(x)};
      return call.build.weight(x.name, *widened.constant);
    }
  }
  if (!channels_last) return call.build.plain(x);
  if (x.shape.rank() == 4) return call.build.channels_last(x);
  widened.shape = with_rank(x.shape, 4);
  if (x.constant) {
    widened.constant->shape = widened.shape;
  } else {
    widened.value = reshape({&call.build.graph, x.value}, widened.shape).id;
  }
  return call.build.channels_last(widened);
}

// The value of a known single number whose shape does not extend the other operand's; else nullopt.
std::optional<float> number(Call& call, const Tensor& x, const Tensor& other) {
  if (!x.constant || elements(x) != 1 || x.shape.rank() > other.shape.rank() ||
      !is_float(x.constant->dtype))
    return std::nullopt;
  return call.build.load(*x.constant).floats()[0];
}

Tensor arithmetic(Call& call, BinaryFn fn) {
  const Tensor& a = call.input(0);
  const Tensor& b = call.input(1);
  const Value a_value{&call.build.graph, a.value};
  const Value b_value{&call.build.graph, b.value};
  if (const std::optional<float> y = number(call, b, a); y && fn != BinaryFn::kDiv) {
    const float scale = fn == BinaryFn::kMul ? *y : 1.0F;
    const float shift = fn == BinaryFn::kAdd ? *y : fn == BinaryFn::kSub ? -*y : 0.0F;
    return call.build.tensor(affine(a_value, scale, shift), a.channels_last);
  }
  if (const std::optional<float> x = number(call, a, b); x && fn != BinaryFn::kDiv) {
    const float scale = fn == BinaryFn::kMul ? *x : fn == BinaryFn::kSub ? -1.0F : 1.0F;
    const float shift = fn == BinaryFn::kMul ? 0.0F : *x;
    return call.build.tensor(affine(b_value, scale, shift), b.channels_last);
  }
  const int rank = std::max(a.shape.rank(), b.shape.rank());
  const bool last = rank == 4 && (a.channels_last || b.channels_last);
  if (rank > 4 && (a.channels_last || b.channels_last)) {
    // A picture against a tensor with more axes: both in ONNX's order.
    return call.build.tensor(apply(Binary{fn, 1.0F}, {call.build.plain(a), call.build.plain(b)}),
                             false);
  }
  const Value x = operand(call, a, last, b.shape.rank());
  const Value y = operand(call, b, last, a.shape.rank());
  // If the order does not matter, the value that the result may overwrite comes first.
  const bool commutes = fn == BinaryFn::kAdd || fn == BinaryFn::kMul;
  if (a.constant && commutes) return call.build.tensor(apply(Binary{fn, 1.0F}, {y, x}), last);
  return call.build.tensor(apply(Binary{fn, 1.0F}, {x, y}), last);
}

Tensor function(Call& call, UnaryFn fn) {
  return call.build.tensor(unary(call.value(0), fn), call.input(0).channels_last);
}

void require_matrix(const Tensor& x, std::string_view what) {
  if (x.shape.rank() != 2)
    fail(ErrorKind::kArgument, "{} must be a matrix, got {}", what, to_string(x.shape));
}

// x [..., k] times a weight, stored as [k,o] or, if transposed, [o,k].
Value product(Call& call, Value x, int weight_input, bool is_transposed,
              std::optional<Value> bias) {
  const Tensor& tensor = call.input(weight_input);
  const StoredTensor& stored = call.stored(weight_input);
  require_matrix(tensor, "its right side");
  const Value weight = is_transposed
                           ? call.build.weight(tensor.name, stored)
                           : call.build.weight(tensor.name + ".transposed", turned_matrix(stored));
  if (bias) return apply(Linear{true, false}, {x, weight, *bias});
  return apply(Linear{false, false}, {x, weight});
}

}  // namespace

Tensor lower_add(Call& call) { return arithmetic(call, BinaryFn::kAdd); }
Tensor lower_sub(Call& call) { return arithmetic(call, BinaryFn::kSub); }
Tensor lower_mul(Call& call) { return arithmetic(call, BinaryFn::kMul); }
Tensor lower_div(Call& call) { return arithmetic(call, BinaryFn::kDiv); }
Tensor lower_relu(Call& call) { return function(call, UnaryFn::kRelu); }
Tensor lower_sigmoid(Call& call) { return function(call, UnaryFn::kSigmoid); }
Tensor lower_tanh(Call& call) { return function(call, UnaryFn::kTanh); }

Tensor lower_prelu(Call& call) {
  const Tensor& x = call.input(0);
  const Tensor& slope = call.input(1);
  const StoredTensor& stored = call.stored(1);
  const Value value = call.value(0);
  const int rank = x.shape.rank();
  const std::int64_t channels = value.shape().rank() > 0 ? value.channels() : 0;
  // In ONNX's order the channel axis of a picture is 1; other tensors use the last axis.
  const int axis = x.channels_last ? 1 : rank - 1;
  const int own = axis - (rank - slope.shape.rank());
  const bool by_channel =
      own >= 0 && slope.shape[own] == elements(slope) && elements(slope) == channels;
  if (rank > 0 && (by_channel || elements(slope) == 1)) {
    StoredTensor vector = stored;
    vector.shape = Shape{elements(slope)};
    return call.build.tensor(apply(PRelu{}, {value, call.build.weight(slope.name, vector)}),
                             x.channels_last);
  }
  if (slope.shape.rank() > rank) fail(ErrorKind::kShape, "the slope has more axes than x");
  const Value slopes = operand(call, slope, x.channels_last, rank);
  const Value negative = unary(affine(value, -1.0F, 0.0F), UnaryFn::kRelu);
  return call.build.tensor(unary(value, UnaryFn::kRelu) - negative * slopes, x.channels_last);
}

Tensor lower_gemm(Call& call) {
  const float alpha = call.real("alpha", 1.0F);
  const float beta = call.real("beta", 1.0F);
  const bool turn_a = call.integer("transA", 0) != 0;
  const bool turn_b = call.integer("transB", 0) != 0;
  const Tensor& a = call.input(0);
  require_matrix(a, "its left side");
  Value x = call.build.plain(a);
  if (turn_a) x = transpose(x, {1, 0});
  if (alpha != 1.0F) x = affine(x, alpha, 0.0F);
  const Shape& b = call.input(1).shape;
  require_matrix(call.input(1), "its right side");
  const std::int64_t width = turn_b ? b[0] : b[1];
  if (!call.has_input(2) || beta == 0.0F)
    return call.build.tensor(product(call, x, 1, turn_b, std::nullopt), false);
  const Tensor& c = call.input(2);
  const bool vector = c.constant && elements(c) == width && c.shape.rank() >= 1 &&
                      c.shape.rank() <= 2 && c.shape[-1] == width;
  if (vector && beta == 1.0F) {
    StoredTensor bias = *c.constant;
    bias.shape = Shape{width};
    return call.build.tensor(product(call, x, 1, turn_b, call.build.weight(c.name, bias)), false);
  }
  if (c.shape.rank() > 2)
    fail(ErrorKind::kShape, "its third input has shape {}", to_string(c.shape));
  const Value y = product(call, x, 1, turn_b, std::nullopt);
  return call.build.tensor(add_scaled(y, operand(call, c, false, 2), beta), false);
}

Tensor lower_matmul(Call& call) {
  const Tensor& a = call.input(0);
  if (a.constant || a.shape.rank() < 2) {
    fail(
        ErrorKind::kArgument,
        "its left side must be a computed tensor with two axes or more, its right side a constant");
  }
  return call.build.tensor(product(call, call.build.plain(a), 1, false, std::nullopt), false);
}

}  // namespace semblance::onnx_import
