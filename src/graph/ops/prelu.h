// Rectifier with a learned slope per channel.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// x where x > 0, else slope * x. x [...,c]; slope [c] or [1] f32; result as x. May overwrite x.
struct PRelu {
  static constexpr std::string_view kName = "prelu";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kFuse;
  static constexpr Price kPrice = Price::kElementwise;

  template <typename F>
  void fields(F&&) {}
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 2, kName, "needs x, slope", src);
    const Shape& x = src[0].shape;
    require(x.rank() >= 1 && (src[1].shape == Shape{x[-1]} || src[1].shape == Shape{1}), kName,
            "slope must be [c] or [1]", src);
    return src[0];
  }
  Operations cost(Types src, const TensorType&) const {
    return 2.0 * static_cast<double>(src[0].shape.elements());
  }
};

}  // namespace semblance
