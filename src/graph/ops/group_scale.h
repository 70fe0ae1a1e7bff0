// The second half of group normalisation: scaling by known statistics.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// GroupNorm with the picture's moments from GroupMoments: merges their chunks in order, then
/// computes (x - mean) / sqrt(var + eps) * weight + bias, then silu if `silu`. x [n,...,c], a whole
/// picture or any part of its pixels; moments f64 [n,chunks,groups,3] of the whole picture; weight,
/// bias [c] f32; result as x. May overwrite x.
struct GroupScale {
  static constexpr std::string_view kName = "group_scale";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kRecompute;
  static constexpr Price kPrice = Price::kNorm;
  std::int64_t groups = 32;
  float eps = 1e-5F;
  bool silu = false;

  template <typename F>
  void fields(F&& f) {
    f("groups", groups), f("eps", eps), f("silu", silu);
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 4, kName, "needs x, moments, weight, bias", src);
    const Shape& x = src[0].shape;
    require(x.rank() >= 2 && groups > 0 && x[-1] % groups == 0, kName,
            "groups must divide x's channels", src);
    const Shape& moments = src[1].shape;
    require(src[1].dtype == DType::kF64 && moments.rank() == 4 && moments[0] == x[0] &&
                moments[1] > 0 && moments[2] == groups && moments[3] == 3,
            kName, "moments must be f64 [n,chunks,groups,3]", src);
    require(src[2].shape == Shape{x[-1]} && src[3].shape == Shape{x[-1]}, kName,
            "weight and bias must be [c]", src);
    return src[0];
  }
  Operations cost(Types src, const TensorType&) const {
    return 4.0 * static_cast<double>(src[0].shape.elements());
  }

  bool reads_whole_picture(std::size_t i) const { return i == 1; }
};

}  // namespace semblance
