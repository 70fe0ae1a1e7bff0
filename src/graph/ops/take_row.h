// One row of each picture or sequence.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// x [n,l,c], rows i32 [n] -> [n,c]: x[i, rows[i]]. Out-of-range rows are clamped.
struct TakeRow {
  static constexpr std::string_view kName = "take_row";
  static constexpr Cut kCut = Cut::kWhole;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kElementwise;

  template <typename F>
  void fields(F&&) {}
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 2 && src[0].shape.rank() == 3, kName, "needs x [n,l,c] and rows", src);
    require(src[1] == TensorType{DType::kI32, Shape{src[0].shape[0]}} && src[0].shape[1] > 0, kName,
            "rows must be i32 [n]", src);
    return {src[0].dtype, Shape{src[0].shape[0], src[0].shape[2]}};
  }
  Operations cost(Types, const TensorType&) const { return 0; }

  std::uint64_t moved_bytes(Types, const TensorType& dst) const { return 2 * dst.bytes(); }
};

}  // namespace semblance
