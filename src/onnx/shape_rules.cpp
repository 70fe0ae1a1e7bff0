// Shape arithmetic shared by operators computed at import and in the graph.
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

#include "onnx/import_call.h"
#include "onnx/tensor_reader.h"

namespace semblance::onnx_import {
namespace {

constexpr std::size_t kMostSlices = 512;

unsigned axis_flags(const std::vector<std::int64_t>& axes, int rank) {
  unsigned flags = 0;
  for (const std::int64_t given : axes) {
    const unsigned flag = 1U << Call::axis(given, rank);
    if ((flags & flag) != 0) fail(ErrorKind::kCorrupt, "axis {} is named twice", given);
    flags |= flag;
  }
  return flags;
}

}  // namespace

DType onnx_dtype_of_cast(Call& call) {
  return onnx_dtype(call.integer("to", 0), "the type it casts to");
}

Shape reshaped(const Shape& x, const std::vector<std::int64_t>& sizes, bool allow_zero) {
  std::vector<std::int64_t> result = sizes;
  std::int64_t known = 1;
  std::int64_t* free = nullptr;
  const auto refuse = [&] {
    fail(ErrorKind::kShape, "cannot reshape {} to [{}]", to_string(x), fmt::join(sizes, ","));
  };
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (result[i] == 0 && !allow_zero) {
      if (i >= static_cast<std::size_t>(x.rank())) refuse();
      result[i] = x[static_cast<int>(i)];
    }
    if (result[i] == -1) {
      if (free != nullptr) refuse();
      free = &result[i];
    } else if (result[i] < 0 || __builtin_mul_overflow(known, result[i], &known)) {
      refuse();
    }
  }
  if (free != nullptr) {
    if (known == 0 || x.elements() % known != 0) refuse();
    *free = x.elements() / known;
  } else if (known != x.elements()) {
    refuse();
  }
  return Shape(std::span<const std::int64_t>(result));
}

Shape flattened(const Shape& x, std::int64_t axis) {
  if (axis < -x.rank() || axis > x.rank())
    fail(ErrorKind::kShape, "axis {} is outside of a tensor with {} axes", axis, x.rank());
  const int split = x.place_of(axis);
  return Shape{x.elements_before(split), x.elements_from(split)};
}

Shape squeezed(const Shape& x, const std::vector<std::int64_t>& axes) {
  unsigned flags = axis_flags(axes, x.rank());
  std::vector<std::int64_t> sizes;
  for (int i = 0; i < x.rank(); ++i) {
    const bool drop = axes.empty() ? x[i] == 1 : (flags >> i & 1U) != 0;
    if (!drop) sizes.push_back(x[i]);
    if (drop && x[i] != 1)
      fail(ErrorKind::kShape, "axis {} of {} is not 1 and cannot be squeezed", i, to_string(x));
  }
  return Shape(std::span<const std::int64_t>(sizes));
}

Shape unsqueezed(const Shape& x, const std::vector<std::int64_t>& axes) {
  const std::size_t rank = static_cast<std::size_t>(x.rank()) + axes.size();
  if (rank > Shape::kMaxRank)
    fail(ErrorKind::kShape, "its result would have {} axes, at most {} are supported", rank,
         Shape::kMaxRank);
  const unsigned flags = axis_flags(axes, static_cast<int>(rank));
  std::vector<std::int64_t> sizes;
  int from = 0;
  for (unsigned i = 0; i < rank; ++i) sizes.push_back((flags >> i & 1U) != 0 ? 1 : x[from++]);
  return Shape(std::span<const std::int64_t>(sizes));
}

std::vector<std::int64_t> permutation(Call& call, int rank) {
  std::vector<std::int64_t> perm = call.integers("perm");
  if (perm.empty()) {
    for (int i = rank; i-- > 0;) perm.push_back(i);
  }
  if (static_cast<int>(perm.size()) != rank || std::popcount(axis_flags(perm, rank)) != rank)
    fail(ErrorKind::kCorrupt, "perm [{}] does not name every axis of {} once", fmt::join(perm, ","),
         rank);
  for (std::int64_t& axis : perm) axis = Call::axis(axis, rank);
  return perm;
}

std::vector<std::int64_t> AxisRange::indices() const {
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < count; ++i) result.push_back(begin + i * step);
  return result;
}

std::vector<AxisRange> slice_ranges(Call& call, const Shape& x) {
  std::vector<std::int64_t> starts = call.integers_or_input("starts", 1);
  std::vector<std::int64_t> ends = call.integers_or_input("ends", 2);
  std::vector<std::int64_t> axes = call.integers_or_input("axes", 3);
  std::vector<std::int64_t> steps;
  if (call.has_input(4)) steps = call.known_integers(4);
  if (axes.empty() && !call.has("axes") && !call.has_input(3)) {
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    fail(ErrorKind::kCorrupt, "starts, ends, axes and steps have different lengths");
  axis_flags(axes, x.rank());
  std::vector<AxisRange> ranges;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const int axis = Call::axis(axes[i], x.rank());
    const std::int64_t size = x[axis];
    const std::int64_t step = steps[i];
    if (step == 0 || step == INT64_MIN) fail(ErrorKind::kCorrupt, "a step of {} is invalid", step);
    const auto clamped = [size](std::int64_t at, std::int64_t low, std::int64_t high) {
      return std::clamp(at < 0 ? at + size : at, low, high);
    };
    const bool up = step > 0;
    const std::int64_t begin = clamped(starts[i], 0, up ? size : size - 1);
    const std::int64_t end = clamped(ends[i], up ? 0 : -1, up ? size : size - 1);
    const std::int64_t distance = up ? end - begin : begin - end;
    const std::int64_t stride = up ? step : -step;
    const std::int64_t count = distance > 0 ? (distance - 1) / stride + 1 : 0;
    ranges.push_back({axis, begin, count > 1 ? step : 1, count});
  }
  return ranges;
}

std::vector<std::int64_t> gather_indices(Call& call, std::int64_t size) {
  const Constant constant = call.known(1);
  if (is_float(constant.dtype)) fail(ErrorKind::kCorrupt, "its indices must be integers");
  std::vector<std::int64_t> indices = constant.integers();
  for (std::int64_t& index : indices) {
    if (index < -size || index >= size)
      fail(ErrorKind::kShape, "index {} is outside of an axis of {}", index, size);
    if (index < 0) index += size;
  }
  return indices;
}

Shape gathered(const Shape& x, int axis, const Shape& indices) {
  std::vector<std::int64_t> sizes(x.sizes().begin(), x.sizes().begin() + axis);
  sizes.insert(sizes.end(), indices.sizes().begin(), indices.sizes().end());
  sizes.insert(sizes.end(), x.sizes().begin() + axis + 1, x.sizes().end());
  return Shape(std::span<const std::int64_t>(sizes));
}

Value take(Value x, int axis, const std::vector<std::int64_t>& indices) {
  std::vector<Value> parts;
  for (std::size_t i = 0; i < indices.size();) {
    // The longest run of equal positive steps is one slice.
    std::size_t last = i;
    const std::int64_t step = i + 1 < indices.size() ? indices[i + 1] - indices[i] : 1;
    while (step > 0 && last + 1 < indices.size() && indices[last + 1] - indices[last] == step)
      ++last;
    parts.push_back(apply(Slice{axis, indices[i], indices[last] + 1, last > i ? step : 1}, {x}));
    i = last + 1;
    if (parts.size() > kMostSlices) {
      fail(ErrorKind::kArgument, "it picks {} unordered indices, at most {} runs are supported",
           indices.size(), kMostSlices);
    }
  }
  if (parts.empty()) return apply(Slice{axis, 0, 0, 1}, {x});
  return parts.size() == 1 ? parts[0] : concat(std::move(parts), axis);
}

}  // namespace semblance::onnx_import
