// The first half of group normalisation: statistics of the groups, by chunks of pixels.
#pragma once

#include "graph/group_chunks.h"
#include "graph/op_support.h"

namespace semblance {

/// x [n,...,c] -> f64 [n,chunks,groups,3]: for each group of channels in each chunk of
/// `chunk_pixels` consecutive pixels of a picture (the last chunk may have fewer), the count of its
/// numbers, their mean, and the sum of their squared distances from it. `groups` divides c. Chunks
/// are independent: a band of whole chunks has exactly their moments, and Concat along axis 1 joins
/// the bands.
struct GroupMoments {
  static constexpr std::string_view kName = "group_moments";
  static constexpr Cut kCut = Cut::kPictures;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kNorm;
  std::int64_t groups = 32;
  std::int64_t chunk_pixels = 128;  // group_chunk_pixels() of the whole picture's shape

  template <typename F>
  void fields(F&& f) {
    f("groups", groups), f("chunk_pixels", chunk_pixels);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1, kName, "needs x", src);
    const Shape& x = src[0].shape;
    require(x.rank() >= 2 && groups > 0 && x[-1] % groups == 0, kName,
            "groups must divide x's channels", src);
    require(chunk_pixels > 0, kName, "chunk_pixels must be positive", src);
    const std::int64_t pixels = x.with(0, 1).elements_before(-1);
    const std::int64_t chunks = pixels / chunk_pixels + (pixels % chunk_pixels > 0 ? 1 : 0);
    return {DType::kF64, Shape{x[0], chunks, groups, 3}};
  }
  Operations cost(Types src, const TensorType&) const {
    return 4.0 * static_cast<double>(src[0].shape.elements());
  }

  Part source_part(std::size_t, Types src, const TensorType&, const Part& part) const {
    return whole_picture(src[0].shape, part.picture);
  }
};

}  // namespace semblance
