// Matrix product with a weight: y = x W^T + b.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// x [...,k], weight [o,k], bias [o] f32 if has_bias, then residual [...,o] if has_residual, which
/// is added. Result [...,o] in x's dtype. May overwrite the residual.
struct Linear {
  static constexpr std::string_view kName = "linear";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kLinear;
  bool has_bias = true;
  bool has_residual = false;

  template <typename F>
  void fields(F&& f) {
    f("has_bias", has_bias), f("has_residual", has_residual);
  }
  int may_overwrite() const { return has_residual ? 2 + (has_bias ? 1 : 0) : -1; }

  TensorType infer(Types src) const {
    const std::size_t sources = 2U + (has_bias ? 1U : 0U) + (has_residual ? 1U : 0U);
    require(src.size() == sources, kName,
            "needs x, weight, then bias and residual as its flags declare", src);
    const Shape& x = src[0].shape;
    const Shape& weight = src[1].shape;
    require(x.rank() >= 1 && weight.rank() == 2 && x[-1] == weight[1], kName,
            "x must be [...,k] and weight [o,k]", src);
    if (has_bias) require(src[2].shape == Shape{weight[0]}, kName, "bias must be [o]", src);
    const TensorType result{src[0].dtype, x.with(-1, weight[0])};
    if (has_residual)
      require(src.back() == result, kName, "the residual must have the result's type", src);
    return result;
  }
  Operations cost(Types src, const TensorType& dst) const {
    return 2.0 * static_cast<double>(dst.shape.elements()) * static_cast<double>(src[1].shape[1]);
  }

  bool has_output_channels() const { return true; }
};

}  // namespace semblance
