// Sinusoidal embedding of numbers (timesteps, sizes).
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// x f32 [n] -> f32 [n,dim]: cosines then sines (flip) or sines then cosines of x * exp(-ln(10000)
/// i / (dim/2 - shift)), i < dim/2, dim even. As diffusers' get_timestep_embedding.
struct Sinusoid {
  static constexpr std::string_view kName = "sinusoid";
  static constexpr Cut kCut = Cut::kWhole;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kElementwise;
  std::int64_t dim = 320;
  bool flip = true;
  float shift = 0.0F;

  template <typename F>
  void fields(F&& f) {
    f("dim", dim), f("flip", flip), f("shift", shift);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1 && src[0].dtype == DType::kF32 && src[0].shape.rank() == 1, kName,
            "needs x f32 [n]", src);
    require(dim > 0 && dim % 2 == 0, kName, "dim must be positive and even", src);
    return {DType::kF32, Shape{src[0].shape[0], dim}};
  }
  Operations cost(Types, const TensorType& dst) const {
    return 20.0 * static_cast<double>(dst.shape.elements());
  }
};

}  // namespace semblance
