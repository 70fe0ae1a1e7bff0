// A tensor with undefined content.
#pragma once

#include <vector>

#include "graph/op_support.h"

namespace semblance {

/// Memory for Paste to write to. Its content is undefined, so no byte of it may reach a result. No
/// sources.
struct Blank {
  static constexpr std::string_view kName = "blank";
  static constexpr Cut kCut = Cut::kWhole;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kNothing;
  static constexpr std::string_view kDTypeNames[] = {"f32", "f16", "bf16", "f64", "i64",
                                                     "i32", "i16", "i8",   "u8",  "bool"};
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;

  template <typename F>
  void fields(F&& f) {
    f("dtype", dtype, std::span<const std::string_view>(kDTypeNames)), f("shape", shape);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.empty(), kName, "has no sources", src);
    return {dtype, Shape{std::span<const std::int64_t>(shape)}};
  }
  Operations cost(Types, const TensorType&) const { return 0; }
};

}  // namespace semblance
