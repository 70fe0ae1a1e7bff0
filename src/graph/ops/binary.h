// Arithmetic of two tensors with numpy broadcasting.
#pragma once

#include "graph/op_support.h"

namespace semblance {

enum class BinaryFn : std::uint8_t { kAdd, kSub, kMul, kDiv };

/// x + scale * y, x - y, x * y, x / y; sizes are equal or 1 from the last axis on. `scale` is for
/// add alone. Result in x's dtype. May overwrite x where x has the result's shape.
struct Binary {
  static constexpr std::string_view kName = "binary";
  static constexpr unsigned kSlices = kSliceAny;
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
};

}  // namespace semblance
