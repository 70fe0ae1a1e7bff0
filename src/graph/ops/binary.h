// Arithmetic of two tensors with numpy broadcasting.
#pragma once

#include "graph/op_support.h"

namespace semblance {

enum class BinaryFn : std::uint8_t { kAdd, kSub, kMul, kDiv };

/// x + scale * y, x - y, x * y, x / y; aligned from the last axis, sizes are equal or 1. Only add
/// uses `scale`. Result in x's dtype. May overwrite x where x has the result's shape.
struct Binary {
  static constexpr std::string_view kName = "binary";
  static constexpr Reuse kReuse = Reuse::kFuse;
  static constexpr Price kPrice = Price::kElementwise;
  static constexpr std::string_view kFnNames[] = {"add", "sub", "mul", "div"};
  BinaryFn fn = BinaryFn::kAdd;
  float scale = 1.0F;

  template <typename F>
  void fields(F&& f) {
    f("fn", fn, std::span<const std::string_view>(kFnNames)), f("scale", scale);
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    return {src.empty() ? DType::kF32 : src[0].dtype, broadcast(kName, src)};
  }
  Operations cost(Types, const TensorType& dst) const {
    return 2.0 * static_cast<double>(dst.shape.elements());
  }

  /// Rows, if every source has the result's rows, has one pixel per picture or is a vector.
  Cut cut(Types src, const TensorType& dst) const {
    for (const TensorType& type : src) {
      const Shape& shape = type.shape;
      if (shape.rank() <= 1) continue;
      if (shape.rank() != dst.shape.rank() || (shape[0] != dst.shape[0] && shape[0] != 1))
        return Cut::kWhole;
      const bool is_same_rows =
          pixels_of(shape) == pixels_of(dst.shape) && row_of(shape) == row_of(dst.shape);
      if (pixels_of(shape) != 1 && !is_same_rows) return Cut::kWhole;
    }
    return Cut::kRows;
  }
  Part source_part(std::size_t i, Types src, const TensorType& dst, const Part& part) const {
    const Shape& shape = src[i].shape;
    if (shape.rank() <= 1) return {};
    if (pixels_of(shape) == 1 && pixels_of(dst.shape) != 1 && part.end > part.begin)
      return whole_picture(shape, part.picture);
    return {shape[0] == 1 ? 0 : part.picture, part.begin, part.end};
  }
};

}  // namespace semblance
