// Layer normalisation over the last axis.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// (x - mean) / sqrt(var + eps) * weight + bias over the last axis. x [...,c]; weight, bias [c]
/// f32; result as x. May overwrite x.
struct LayerNorm {
  static constexpr std::string_view kName = "layer_norm";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kRecompute;
  static constexpr Price kPrice = Price::kNorm;
  float eps = 1e-5F;

  template <typename F>
  void fields(F&& f) {
    f("eps", eps);
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 3, kName, "needs x, weight, bias", src);
    const Shape& x = src[0].shape;
    require(x.rank() >= 1 && src[1].shape == Shape{x[-1]} && src[2].shape == Shape{x[-1]}, kName,
            "weight and bias must be [c]", src);
    return src[0];
  }
  Operations cost(Types src, const TensorType&) const {
    return 8.0 * static_cast<double>(src[0].shape.elements());
  }
};

}  // namespace semblance
