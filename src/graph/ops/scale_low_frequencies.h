// FreeU's filter of skip connections (Si et al. 2023, arXiv 2309.11497).
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// x [n,h,w,c] -> the same type. Multiplies the four components of each channel's Fourier transform
/// over the picture whose frequencies are 0 or -1 in both directions by `scale`, and returns the
/// real part: diffusers' fourier_filter() with threshold 1. May overwrite x.
struct ScaleLowFrequencies {
  static constexpr std::string_view kName = "scale_low_frequencies";
  static constexpr Cut kCut = Cut::kPictures;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kNorm;
  float scale = 1;

  template <typename F>
  void fields(F&& f) {
    f("scale", scale);
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 1 && src[0].shape.rank() == 4, kName, "needs x [n,h,w,c]", src);
    return src[0];
  }
  Operations cost(Types src, const TensorType&) const {
    return 28.0 * static_cast<double>(src[0].shape.elements());
  }

  Part source_part(std::size_t, Types src, const TensorType&, const Part& part) const {
    return whole_picture(src[0].shape, part.picture);
  }
};

}  // namespace semblance
