// Maximum or average over windows of a picture.
#pragma once

#include <array>

#include "graph/op_support.h"

namespace semblance {

enum class PoolFn : std::uint8_t { kMax, kAverage };

/// x [n,h,w,c] -> [n,h',w',c], h' = (h + top + bottom - kernel) / stride + 1, rounded up if ceil;
/// then, as in torch and ONNX, a last window that would start in the bottom or right padding is
/// dropped. Max ignores padding. Average divides by the window's size inside the padded picture if
/// count_pad, else by its size inside the picture.
struct Pool {
  static constexpr std::string_view kName = "pool";
  static constexpr Cut kCut = Cut::kWhole;
  static constexpr Reuse kReuse = Reuse::kKeep;
  static constexpr Price kPrice = Price::kElementwise;
  static constexpr std::string_view kFnNames[] = {"max", "average"};
  PoolFn fn = PoolFn::kMax;
  std::array<std::int64_t, 2> kernel{1, 1};
  std::array<std::int64_t, 2> stride{1, 1};
  std::array<std::int64_t, 4> pad{0, 0, 0, 0};  // top, left, bottom, right
  bool ceil = false;
  bool count_pad = false;

  template <typename F>
  void fields(F&& f) {
    f("fn", fn, std::span<const std::string_view>(kFnNames)), f("kernel", kernel),
        f("stride", stride), f("pad", pad), f("ceil", ceil), f("count_pad", count_pad);
  }
  int may_overwrite() const { return -1; }

  TensorType infer(Types src) const {
    require(src.size() == 1 && src[0].shape.rank() == 4, kName, "needs x [n,h,w,c]", src);
    const Shape& x = src[0].shape;
    Shape result = x;
    for (int i = 0; i < 2; ++i) {
      const auto axis = static_cast<std::size_t>(i);
      require(kernel[axis] > 0 && kernel[axis] <= kLargestWindow && stride[axis] > 0 &&
                  stride[axis] <= kLargestWindow,
              kName, "kernel and stride must be 1 to 2^20", src);
      require(pad[axis] >= 0 && pad[axis + 2] >= 0 && pad[axis] < kernel[axis] &&
                  pad[axis + 2] < kernel[axis],
              kName, "padding must be smaller than the kernel", src);
      const std::int64_t room = x[i + 1] + pad[axis] + pad[axis + 2] - kernel[axis];
      require(room >= 0, kName, "the padded picture must be at least as large as the kernel", src);
      std::int64_t size = (room + (ceil ? stride[axis] - 1 : 0)) / stride[axis] + 1;
      if (ceil && (size - 1) * stride[axis] >= x[i + 1] + pad[axis]) --size;
      result = result.with(i + 1, size);
    }
    return {src[0].dtype, result};
  }
  Operations cost(Types, const TensorType& dst) const {
    return static_cast<double>(dst.shape.elements() * kernel[0] * kernel[1]);
  }
};

}  // namespace semblance
