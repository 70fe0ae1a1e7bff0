// A range of one axis.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// Indices begin, begin + step, ... < end of `axis`. 0 <= begin <= end <= size, step >= 1; any
/// dtype.
struct Slice {
  static constexpr std::string_view kName = "slice";
  static constexpr Cut kCut = Cut::kWhole;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kElementwise;
  std::int64_t axis = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t step = 1;

  template <typename F>
  void fields(F&& f) {
    f("axis", axis), f("begin", begin), f("end", end), f("step", step);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1, kName, "needs x", src);
    const int rank = src[0].shape.rank();
    require(axis >= -rank && axis < rank, kName, "the axis must exist", src);
    const int along = static_cast<int>(axis);
    require(0 <= begin && begin <= end && end <= src[0].shape[along] && step >= 1, kName,
            "the range must be inside the axis", src);
    const std::int64_t size = begin == end ? 0 : (end - begin - 1) / step + 1;
    return {src[0].dtype, src[0].shape.with(along, size)};
  }
  Operations cost(Types, const TensorType&) const { return 0; }

  std::uint64_t moved_bytes(Types, const TensorType& dst) const { return 2 * dst.bytes(); }
};

}  // namespace semblance
