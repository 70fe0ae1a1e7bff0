// Batch normalisation with stored statistics (ONNX BatchNormalization at inference).
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// (x - mean) / sqrt(var + eps) * weight + bias per channel. x [...,c]; weight, bias, mean, var [c]
/// f32; result as x. May overwrite x.
struct BatchNorm {
  static constexpr std::string_view kName = "batch_norm";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kFuse;
  static constexpr Price kPrice = Price::kElementwise;
  float eps = 1e-5F;

  template <typename F>
  void fields(F&& f) {
    f("eps", eps);
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 5, kName, "needs x, weight, bias, mean, var", src);
    const Shape& x = src[0].shape;
    require(x.rank() >= 1, kName, "x must have channels", src);
    for (std::size_t i = 1; i < 5; ++i) {
      require(src[i].shape == Shape{x[-1]}, kName, "weight, bias, mean and var must be [c]", src);
    }
    return src[0];
  }
  Operations cost(Types src, const TensorType&) const {
    return 2.0 * static_cast<double>(src[0].shape.elements());
  }
};

}  // namespace semblance
