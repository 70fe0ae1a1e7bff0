// Overwrites a range of a tensor's channels.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// y [...,c], part [...,p] -> y with channels [begin, begin + p) replaced by part; any dtype, the
/// same for both. May overwrite y: then only the part is copied.
struct Paste {
  static constexpr std::string_view kName = "paste";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kElementwise;
  std::int64_t begin = 0;

  template <typename F>
  void fields(F&& f) {
    f("begin", begin);
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 2, kName, "needs y, part", src);
    const Shape& y = src[0].shape;
    const Shape& part = src[1].shape;
    require(src[0].dtype == src[1].dtype && y.rank() >= 1 && y.rank() == part.rank() &&
                y.with(-1, 0) == part.with(-1, 0),
            kName, "y and part may differ in their channels only", src);
    require(begin >= 0 && begin <= y[-1] && part[-1] <= y[-1] - begin, kName,
            "the range must be inside the axis", src);
    return src[0];
  }
  Operations cost(Types, const TensorType&) const { return 0; }

  std::uint64_t moved_bytes(Types src, const TensorType&) const { return 2 * src[1].bytes(); }
};

}  // namespace semblance
