// Looks up rows of a table.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// ids i32 [n,l], table [v,c] -> [n,l,c] in the table's dtype. The caller ensures 0 <= id < v. The
/// table is a weight; only the rows used are read from it.
struct Embedding {
  static constexpr std::string_view kName = "embedding";
  static constexpr Cut kCut = Cut::kWhole;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kElementwise;

  template <typename F>
  void fields(F&&) {}
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 2, kName, "needs ids, table", src);
    require(src[0].dtype == DType::kI32 && src[0].shape.rank() == 2 && src[1].shape.rank() == 2,
            kName, "ids must be i32 [n,l] and the table [v,c]", src);
    return {src[1].dtype, Shape{src[0].shape[0], src[0].shape[1], src[1].shape[1]}};
  }
  Operations cost(Types, const TensorType&) const { return 0; }

  std::uint64_t moved_bytes(Types, const TensorType& dst) const { return 2 * dst.bytes(); }
};

}  // namespace semblance
