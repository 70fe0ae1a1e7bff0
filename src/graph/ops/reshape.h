// The same bytes under another shape.
#pragma once

#include <vector>

#include "graph/op_support.h"

namespace semblance {

/// A view: the result shares x's memory. The number of elements stays the same.
struct Reshape {
  static constexpr std::string_view kName = "reshape";
  static constexpr Reuse kReuse = Reuse::kFuse;
  static constexpr Price kPrice = Price::kNothing;
  std::vector<std::int64_t> shape;

  template <typename F>
  void fields(F&& f) {
    f("shape", shape);
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 1, kName, "needs x", src);
    const Shape result{std::span<const std::int64_t>(shape)};
    require(result.elements() == src[0].shape.elements(), kName, "must keep the number of elements",
            src);
    return {src[0].dtype, result};
  }
  Operations cost(Types, const TensorType&) const { return 0; }

  /// Pixels stay the same if the numbers of pictures and channels do.
  Cut cut(Types src, const TensorType& dst) const {
    const Shape& x = src[0].shape;
    const Shape& y = dst.shape;
    return is_pictured(x) && x[0] == y[0] && x[-1] == y[-1] ? Cut::kPixels : Cut::kWhole;
  }
  void narrow(Types, const TensorType& dst, Part& part) {
    const Shape part_shape = shape_of(dst.shape, part);
    shape.assign(part_shape.sizes().begin(), part_shape.sizes().end());
  }
};

}  // namespace semblance
