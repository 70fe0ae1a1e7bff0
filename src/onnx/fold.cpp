// Operators computed at import: models use them on shapes.
#include <algorithm>
#include <cmath>

#include "onnx/import_call.h"

namespace semblance::onnx_import {
namespace {

Tensor with_shape(Call& call, const Shape& shape) {
  Tensor result = call.input(0);
  result.shape = shape;
  result.constant->shape = shape;
  return result;
}

Tensor moved(Call& call, const Constant& x, const Shape& shape,
             const std::vector<std::int64_t>& source) {
  return call.build.known(gather_elements(x, shape, source), call.result_name());
}

void check_size(const Shape& shape) {
  if (shape.elements() > kMostConstantElements) {
    fail(ErrorKind::kArgument, "its result {} is computed at import and has more than {} elements",
         to_string(shape), kMostConstantElements);
  }
}

template <typename Ints, typename Floats>
Tensor arithmetic(Call& call, Ints on_ints, Floats on_floats) {
  const Constant a = call.known(0);
  const Constant b = call.known(1);
  if (a.dtype != b.dtype)
    fail(ErrorKind::kCorrupt, "its inputs are {} and {}", name_of(a.dtype), name_of(b.dtype));
  const TensorType types[] = {{a.dtype, a.shape}, {b.dtype, b.shape}};
  const Shape shape = broadcast("arithmetic", types);
  check_size(shape);
  const std::vector<std::int64_t> from_a = broadcast_to(a.shape, shape);
  const std::vector<std::int64_t> from_b = broadcast_to(b.shape, shape);
  const auto compute = [&](const auto& x, const auto& y, auto f) {
    std::remove_cvref_t<decltype(x)> result(from_a.size());
    for (std::size_t i = 0; i < result.size(); ++i)
      result[i] = f(x[static_cast<std::size_t>(from_a[i])], y[static_cast<std::size_t>(from_b[i])]);
    return constant_of(a.dtype, shape, result);
  };
  return call.build.known(is_float(a.dtype) ? compute(a.floats(), b.floats(), on_floats)
                                            : compute(a.integers(), b.integers(), on_ints),
                          call.result_name());
}

// Integers wrap, as in ONNX's runtimes; computed as unsigned, where wrapping is defined.
std::int64_t wrapped(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t raw(std::int64_t value) { return static_cast<std::uint64_t>(value); }

template <typename F>
Tensor rounded(Call& call, F f) {
  const Constant x = call.known(0);
  if (!is_float(x.dtype)) fail(ErrorKind::kCorrupt, "its input must be floats");
  std::vector<float> values = x.floats();
  for (float& value : values) value = f(value);
  return call.build.known(constant_of(x.dtype, x.shape, values), call.result_name());
}

std::int64_t to_integer(float value) {
  if (!(std::fabs(value) < 9.0e18F))
    fail(ErrorKind::kArgument, "{} cannot become an integer", value);
  return static_cast<std::int64_t>(value);
}

}  // namespace

Tensor fold_add(Call& call) {
  return arithmetic(
      call, [](std::int64_t a, std::int64_t b) { return wrapped(raw(a) + raw(b)); },
      [](float a, float b) { return a + b; });
}
Tensor fold_sub(Call& call) {
  return arithmetic(
      call, [](std::int64_t a, std::int64_t b) { return wrapped(raw(a) - raw(b)); },
      [](float a, float b) { return a - b; });
}
Tensor fold_mul(Call& call) {
  return arithmetic(
      call, [](std::int64_t a, std::int64_t b) { return wrapped(raw(a) * raw(b)); },
      [](float a, float b) { return a * b; });
}
Tensor fold_div(Call& call) {
  return arithmetic(
      call,
      [](std::int64_t a, std::int64_t b) {
        if (b == 0) fail(ErrorKind::kCorrupt, "it divides an integer by zero");
        return b == -1 ? wrapped(0 - raw(a)) : a / b;
      },
      [](float a, float b) { return a / b; });
}
Tensor fold_floor(Call& call) {
  return rounded(call, [](float x) { return std::floor(x); });
}
Tensor fold_ceil(Call& call) {
  return rounded(call, [](float x) { return std::ceil(x); });
}

Tensor fold_cast(Call& call) {
  const DType to = onnx_dtype_of_cast(call);
  const Constant x = call.known(0);
  Constant result{to, x.shape, {}};
  if (is_float(x.dtype)) {
    const std::vector<float> values = x.floats();
    if (is_float(to)) {
      result = constant_of(to, x.shape, values);
    } else {
      std::vector<std::int64_t> integers;
      integers.reserve(values.size());
      for (const float value : values)
        integers.push_back(to == DType::kBool ? value != 0.0F : to_integer(value));
      result = constant_of(to, x.shape, integers);
    }
  } else {
    std::vector<std::int64_t> integers = x.integers();
    if (is_float(to)) {
      result = constant_of(to, x.shape, std::vector<float>(integers.begin(), integers.end()));
    } else {
      if (to == DType::kBool) {
        for (std::int64_t& value : integers) value = value != 0;
      }
      result = constant_of(to, x.shape, integers);
    }
  }
  return call.build.known(std::move(result), call.result_name());
}

Tensor fold_concat(Call& call) {
  const Constant first = call.known(0);
  const int axis = Call::axis(call.integer("axis", 0), first.shape.rank());
  std::vector<TensorType> types;
  std::vector<Constant> parts;
  for (int i = 0; i < call.input_count(); ++i) {
    parts.push_back(call.known(i));
    types.push_back({parts.back().dtype, parts.back().shape});
  }
  const TensorType type = Concat{axis}.infer(types);
  check_size(type.shape);
  Constant result{type.dtype, type.shape, {}};
  std::int64_t outer = 1;
  for (int i = 0; i < axis; ++i) outer *= type.shape[i];
  for (std::int64_t o = 0; o < outer; ++o) {
    for (const Constant& part : parts) {
      const std::size_t run = part.bytes.size() / static_cast<std::size_t>(outer);
      const auto begin = part.bytes.begin() + static_cast<std::ptrdiff_t>(run) * o;
      result.bytes.insert(result.bytes.end(), begin, begin + static_cast<std::ptrdiff_t>(run));
    }
  }
  return call.build.known(std::move(result), call.result_name());
}

Tensor fold_constant(Call& call) {
  if (const StoredTensor* value = call.tensor("value")) {
    Tensor result;
    result.name = call.result_name();
    result.shape = value->shape;
    result.constant = *value;
    return result;
  }
  const auto list = [](const auto& values) {
    return Shape{static_cast<std::int64_t>(values.size())};
  };
  if (call.has("value_int")) {
    return call.build.known(
        constant_of(DType::kI64, Shape{}, std::vector<std::int64_t>{call.integer("value_int", 0)}),
        call.result_name());
  }
  if (call.has("value_float")) {
    return call.build.known(
        constant_of(DType::kF32, Shape{}, std::vector<float>{call.real("value_float", 0)}),
        call.result_name());
  }
  if (call.has("value_ints")) {
    const std::vector<std::int64_t> values = call.integers("value_ints");
    return call.build.known(constant_of(DType::kI64, list(values), values), call.result_name());
  }
  if (call.has("value_floats")) {
    const std::vector<float> values = call.reals("value_floats");
    return call.build.known(constant_of(DType::kF32, list(values), values), call.result_name());
  }
  fail(ErrorKind::kArgument, "its value is neither a tensor nor numbers");
}

Tensor fold_constant_of_shape(Call& call) {
  const std::vector<std::int64_t> sizes = call.known_integers(0);
  const Shape shape{std::span<const std::int64_t>(sizes)};
  check_size(shape);
  Constant one = constant_of(DType::kF32, Shape{1}, std::vector<float>{0.0F});
  if (const StoredTensor* value = call.tensor("value")) one = call.build.load(*value);
  if (one.shape.elements() != 1) fail(ErrorKind::kCorrupt, "its value is not one number");
  return moved(call, one, shape,
               std::vector<std::int64_t>(static_cast<std::size_t>(shape.elements()), 0));
}

Tensor fold_identity(Call& call) { return call.input(0); }

Tensor fold_reshape(Call& call) {
  const bool allow_zero = call.opset() >= 14 && call.integer("allowzero", 0) != 0;
  return with_shape(call, reshaped(call.input(0).shape, call.known_integers(1), allow_zero));
}
Tensor fold_flatten(Call& call) {
  return with_shape(call, flattened(call.input(0).shape, call.integer("axis", 1)));
}
Tensor fold_squeeze(Call& call) {
  return with_shape(call, squeezed(call.input(0).shape, call.integers_or_input("axes", 1)));
}
Tensor fold_unsqueeze(Call& call) {
  return with_shape(call, unsqueezed(call.input(0).shape, call.integers_or_input("axes", 1)));
}

Tensor fold_transpose(Call& call) {
  const Tensor& x = call.input(0);
  const std::vector<std::int64_t> perm = permutation(call, x.shape.rank());
  if (perm == std::vector<std::int64_t>{1, 0}) {  // a weight, perhaps a large one: stays on disk
    Tensor result;
    result.name = call.result_name();
    result.constant = turned_matrix(*x.constant);
    result.shape = result.constant->shape;
    return result;
  }
  const Constant loaded = call.known(0);
  const TensorType type[] = {{x.constant->dtype, x.shape}};
  return moved(call, loaded, Transpose{perm}.infer(type).shape, transposed(x.shape, perm));
}

Tensor fold_slice(Call& call) {
  Constant x = call.known(0);
  for (const AxisRange& range : slice_ranges(call, x.shape)) {
    const Shape shape = x.shape.with(range.axis, range.count);
    x = gather_elements(x, shape, taken(x.shape, range.axis, range.indices()));
  }
  return call.build.known(std::move(x), call.result_name());
}

Tensor fold_gather(Call& call) {
  const Constant x = call.known(0);
  const int axis = Call::axis(call.integer("axis", 0), x.shape.rank());
  const std::vector<std::int64_t> indices = gather_indices(call, x.shape[axis]);
  const Shape shape = gathered(x.shape, axis, call.input(1).shape);
  check_size(shape);
  return moved(call, x, shape, taken(x.shape, axis, indices));
}

}  // namespace semblance::onnx_import
