// Reorders axes.
#pragma once

#include <vector>

#include "graph/op_support.h"

namespace semblance {

/// Result axis i is x's axis perm[i], as numpy.transpose. Any dtype.
struct Transpose {
  static constexpr std::string_view kName = "transpose";
  static constexpr Cut kCut = Cut::kWhole;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kElementwise;
  std::vector<std::int64_t> perm;

  template <typename F>
  void fields(F&& f) {
    f("perm", perm);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1, kName, "needs x", src);
    const Shape& x = src[0].shape;
    require(static_cast<int>(perm.size()) == x.rank(), kName, "perm must name every axis once",
            src);
    Shape result = x;
    unsigned seen = 0;
    for (int i = 0; i < x.rank(); ++i) {
      const std::int64_t axis = perm[static_cast<std::size_t>(i)];
      require(axis >= 0 && axis < x.rank() && (seen & (1U << axis)) == 0, kName,
              "perm must name every axis once", src);
      seen |= 1U << axis;
      result = result.with(i, x[static_cast<int>(axis)]);
    }
    return {src[0].dtype, result};
  }
  Operations cost(Types, const TensorType&) const { return 0; }
};

}  // namespace semblance
