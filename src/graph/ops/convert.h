// Converts to another element type.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// Between f32, f16 and bf16, rounding to nearest even.
struct Convert {
  static constexpr std::string_view kName = "convert";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kFuse;
  static constexpr Price kPrice = Price::kElementwise;
  static constexpr std::string_view kDTypeNames[] = {"f32", "f16", "bf16"};
  DType dtype = DType::kF32;

  template <typename F>
  void fields(F&& f) {
    f("dtype", dtype, std::span<const std::string_view>(kDTypeNames));
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1 && is_float(src[0].dtype), kName, "needs x of a float type", src);
    return {dtype, src[0].shape};
  }
  Operations cost(Types, const TensorType&) const { return 0; }
};

}  // namespace semblance
