// Nearest-neighbour resizing of a picture.
#pragma once

#include "graph/op_support.h"

namespace semblance {

/// x [n,h,w,c] -> [n,height,width,c]; result row i reads row floor(i * h / height), columns
/// likewise, as torch.nn.functional.interpolate(mode="nearest") and ONNX Resize (asymmetric,
/// floor).
struct Upsample {
  static constexpr std::string_view kName = "upsample";
  static constexpr unsigned kSlices = kSlicePictures | kSliceRows;
  std::int64_t height = 0;
  std::int64_t width = 0;

  template <typename F>
  void fields(F&& f) {
    f("height", height), f("width", width);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1 && src[0].shape.rank() == 4, kName, "needs x [n,h,w,c]", src);
    require(height > 0 && width > 0 && src[0].shape.elements() > 0, kName, "sizes are positive",
            src);
    return {src[0].dtype, src[0].shape.with(1, height).with(2, width)};
  }
  Operations cost(Types, const TensorType&) const { return 0; }
};

}  // namespace semblance
