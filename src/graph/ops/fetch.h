// Reads a tensor back from the scratch file.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// x is the result of a Spill or a view of one; result as x. Without a scratch file, a kernel just
/// copies.
struct Fetch {
  static constexpr std::string_view kName = "fetch";
  static constexpr Cut kCut = Cut::kWhole;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kNothing;

  template <typename F>
  void fields(F&&) {}
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1, kName, "needs x", src);
    return src[0];
  }
  Operations cost(Types, const TensorType&) const { return 0; }
};

}  // namespace semblance
