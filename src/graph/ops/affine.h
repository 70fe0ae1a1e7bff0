// x * scale + shift with two constants.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// Result as x. May overwrite x.
struct Affine {
  static constexpr std::string_view kName = "affine";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kFuse;
  static constexpr Price kPrice = Price::kElementwise;
  float scale = 1.0F;
  float shift = 0.0F;

  template <typename F>
  void fields(F&& f) {
    f("scale", scale), f("shift", shift);
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 1, kName, "needs x", src);
    return src[0];
  }
  Operations cost(Types src, const TensorType&) const {
    return 2.0 * static_cast<double>(src[0].shape.elements());
  }
};

}  // namespace semblance
