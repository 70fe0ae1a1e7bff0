// Functions of one number, applied to every element.
#pragma once

#include "graph/op_support.h"

namespace semblance {

enum class UnaryFn : std::uint8_t { kSilu, kGelu, kQuickGelu, kSigmoid, kRelu, kTanh };

/// silu x sigmoid(x); gelu x Phi(x), exact by erf; quick_gelu x sigmoid(1.702 x); sigmoid; relu;
/// tanh. Result as x. May overwrite x.
struct Unary {
  static constexpr std::string_view kName = "unary";
  static constexpr Cut kCut = Cut::kPixels;
  static constexpr Reuse kReuse = Reuse::kFuse;
  static constexpr Price kPrice = Price::kElementwise;
  static constexpr std::string_view kFnNames[] = {"silu",    "gelu", "quick_gelu",
                                                  "sigmoid", "relu", "tanh"};
  UnaryFn fn = UnaryFn::kSilu;

  template <typename F>
  void fields(F&& f) {
    f("fn", fn, std::span<const std::string_view>(kFnNames));
  }
  int may_overwrite() const { return 0; }

  TensorType infer(Types src) const {
    require(src.size() == 1, kName, "needs x", src);
    return src[0];
  }
  Operations cost(Types src, const TensorType&) const {
    return 8.0 * static_cast<double>(src[0].shape.elements());
  }
};

}  // namespace semblance
