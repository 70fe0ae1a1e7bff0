// Operators that move values or read shapes.
#include <algorithm>

#include "onnx/import_call.h"

namespace semblance::onnx_import {
namespace {

Tensor under_shape(Call& call, const Shape& shape) {
  return call.build.tensor(reshape(call.build.plain(call.input(0)), shape), false);
}

// The graph's axis for an axis in ONNX's order.
int place_of(const Tensor& x, int axis) {
  constexpr int kPlaces[] = {0, 3, 1, 2};
  return x.channels_last ? kPlaces[axis] : axis;
}

}  // namespace

Tensor lower_identity(Call& call) { return call.input(0); }

Tensor lower_cast(Call& call) {
  const DType to = onnx_dtype_of_cast(call);
  if (to != DType::kF32)
    fail(ErrorKind::kArgument, "the graph computes in float; it cannot cast to {}", name_of(to));
  return call.input(0);
}

Tensor lower_dropout(Call& call) {
  call.ignore("ratio");
  call.ignore("seed");
  if (call.has_input(2)) {
    const Constant training = call.known(2);
    if (is_float(training.dtype) || training.shape.elements() != 1 || training.integers()[0] != 0)
      fail(ErrorKind::kArgument, "it is in training mode; export the model for inference");
  }
  return call.input(0);
}

Tensor lower_shape(Call& call) {
  const Shape& x = call.input(0).shape;
  std::int64_t start = 0;
  std::int64_t end = x.rank();
  if (call.opset() >= 15) {
    const auto clamped = [&x](std::int64_t at) {
      return std::clamp<std::int64_t>(at < 0 ? at + x.rank() : at, 0, x.rank());
    };
    start = clamped(call.integer("start", 0));
    end = std::max(start, clamped(call.integer("end", x.rank())));
  }
  const std::vector<std::int64_t> sizes(x.sizes().begin() + start, x.sizes().begin() + end);
  return call.build.known(
      constant_of(DType::kI64, Shape{static_cast<std::int64_t>(sizes.size())}, sizes),
      call.result_name());
}

Tensor lower_size(Call& call) {
  return call.build.known(
      constant_of(DType::kI64, Shape{}, std::vector<std::int64_t>{call.input(0).shape.elements()}),
      call.result_name());
}

Tensor lower_reshape(Call& call) {
  const bool allow_zero = call.opset() >= 14 && call.integer("allowzero", 0) != 0;
  return under_shape(call, reshaped(call.input(0).shape, call.known_integers(1), allow_zero));
}
Tensor lower_flatten(Call& call) {
  return under_shape(call, flattened(call.input(0).shape, call.integer("axis", 1)));
}
Tensor lower_squeeze(Call& call) {
  return under_shape(call, squeezed(call.input(0).shape, call.integers_or_input("axes", 1)));
}
Tensor lower_unsqueeze(Call& call) {
  return under_shape(call, unsqueezed(call.input(0).shape, call.integers_or_input("axes", 1)));
}

Tensor lower_transpose(Call& call) {
  const Tensor& x = call.input(0);
  std::vector<std::int64_t> perm = permutation(call, x.shape.rank());
  for (std::int64_t& axis : perm) axis = place_of(x, static_cast<int>(axis));
  const Value value = call.value(0);
  // SCRFD's heads end in [n,h,w,c], which is already the graph's order.
  if (std::is_sorted(perm.begin(), perm.end())) return call.build.tensor(value, false);
  if (perm == std::vector<std::int64_t>{0, 3, 1, 2}) return call.build.tensor(value, true);
  return call.build.tensor(transpose(value, perm), false);
}

Tensor lower_concat(Call& call) {
  const int rank = call.input(0).shape.rank();
  const int axis = Call::axis(call.integer("axis", 0), rank);
  bool last = false;
  for (int i = 0; i < call.input_count(); ++i) last = last || call.input(i).channels_last;
  std::vector<Value> parts;
  for (int i = 0; i < call.input_count(); ++i) {
    const Tensor& part = call.input(i);
    if (part.shape.rank() != rank) fail(ErrorKind::kShape, "its inputs differ in rank");
    parts.push_back(last ? call.build.channels_last(part) : call.build.plain(part));
  }
  constexpr int kPlaces[] = {0, 3, 1, 2};
  return call.build.tensor(concat(std::move(parts), last ? kPlaces[axis] : axis), last);
}

Tensor lower_slice(Call& call) {
  const Tensor& x = call.input(0);
  Value value = call.value(0);
  for (const AxisRange& range : slice_ranges(call, x.shape)) {
    const int axis = place_of(x, range.axis);
    if (range.count == 0) {
      value = apply(Slice{axis, 0, 0, 1}, {value});
    } else if (range.step > 0) {
      if (range.count == value.shape()[axis]) continue;
      value = apply(
          Slice{axis, range.begin, range.begin + (range.count - 1) * range.step + 1, range.step},
          {value});
    } else {
      if (range.count > 512)
        fail(ErrorKind::kArgument, "it reverses an axis of size {}, at most 512 are supported",
             range.count);
      value = take(value, axis, range.indices());
    }
  }
  return call.build.tensor(value, x.channels_last);
}

Tensor lower_gather(Call& call) {
  const Tensor& x = call.input(0);
  const int axis = Call::axis(call.integer("axis", 0), x.shape.rank());
  const std::vector<std::int64_t> indices = gather_indices(call, x.shape[axis]);
  const Shape& index_shape = call.input(1).shape;
  const Value taken_value = take(call.value(0), place_of(x, axis), indices);
  Tensor result = call.build.tensor(taken_value, x.channels_last);
  if (index_shape.rank() == 1) return result;
  return call.build.tensor(reshape(call.build.plain(result), gathered(x.shape, axis, index_shape)),
                           false);
}

}  // namespace semblance::onnx_import
