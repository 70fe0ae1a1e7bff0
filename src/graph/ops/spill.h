// Moves a tensor to the scratch file.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// Result as x; it stays in the scratch file until Fetch reads it. Without a scratch file, a kernel
/// just copies.
struct Spill {
  static constexpr std::string_view kName = "spill";
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
