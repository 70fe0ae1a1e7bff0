// The gated activation of a transformer's feed-forward.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// x [...,2c] -> [...,c]: x[..., :c] * gelu(x[..., c:]), gelu exact by erf (diffusers' GEGLU).
struct Geglu {
  static constexpr std::string_view kName = "geglu";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kFuse;
  static constexpr Price kPrice = Price::kGate;

  template <typename F>
  void fields(F&&) {}
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1 && src[0].shape.rank() >= 1 && src[0].shape[-1] % 2 == 0, kName,
            "needs x with an even number of channels", src);
    return {src[0].dtype, src[0].shape.with(-1, src[0].shape[-1] / 2)};
  }
  Operations cost(Types src, const TensorType&) const {
    return 8.0 * static_cast<double>(src[0].shape.elements());
  }
};

}  // namespace semblance
