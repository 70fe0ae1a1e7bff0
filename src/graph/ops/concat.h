// Joins tensors along an axis.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// All sources have the same dtype and, except along `axis`, the same sizes. A negative axis counts
/// from the end.
struct Concat {
  static constexpr std::string_view kName = "concat";
  static constexpr Reuse kReuse = Reuse::kRecompute;
  static constexpr Price kPrice = Price::kElementwise;
  std::int64_t axis = -1;

  template <typename F>
  void fields(F&& f) {
    f("axis", axis);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(!src.empty(), kName, "needs at least one source", src);
    const int rank = src[0].shape.rank();
    require(axis >= -rank && axis < rank, kName, "the axis must exist", src);
    const int along = static_cast<int>(axis);
    std::int64_t size = 0;
    for (const TensorType& type : src) {
      require(type.dtype == src[0].dtype && type.shape.rank() == rank &&
                  type.shape.with(along, 0) == src[0].shape.with(along, 0),
              kName, "sources may differ along the axis only", src);
      size += type.shape[along];
    }
    return {src[0].dtype, src[0].shape.with(along, size)};
  }
  Operations cost(Types, const TensorType&) const { return 0; }

  Cut cut(Types, const TensorType& dst) const {
    return dst.shape.place_of(axis) == dst.shape.rank() - 1 ? Cut::kPixels : Cut::kWhole;
  }
};

}  // namespace semblance
