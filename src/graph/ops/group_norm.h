// Group normalisation, channels last, with an optional SiLU after it.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// Normalises each group of channels of each picture: (x - mean) / sqrt(var + eps) * weight + bias,
/// then silu if `silu`. x [n,...,c]; weight, bias [c] f32; result as x. `groups` divides c. May
/// overwrite x. Bit-identical to GroupScale(x, GroupMoments(x)) with chunks of
/// group_chunk_pixels(x).
struct GroupNorm {
  static constexpr std::string_view kName = "group_norm";
  static constexpr Cut kCut = Cut::kWhole;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kNorm;
  std::int64_t groups = 32;
  float eps = 1e-5F;  // 1e-6 before a transformer and in the VAE: docs/reference.md, section 2
  bool silu = false;

  template <typename F>
  void fields(F&& f) {
    f("groups", groups), f("eps", eps), f("silu", silu);
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 3, kName, "needs x, weight, bias", src);
    const Shape& x = src[0].shape;
    require(x.rank() >= 2 && groups > 0 && x[-1] % groups == 0, kName,
            "groups must divide x's channels", src);
    require(src[1].shape == Shape{x[-1]} && src[2].shape == Shape{x[-1]}, kName,
            "weight and bias must be [c]", src);
    return src[0];
  }
  Operations cost(Types src, const TensorType&) const {
    return 8.0 * static_cast<double>(src[0].shape.elements());
  }
};

}  // namespace semblance
