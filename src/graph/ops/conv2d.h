// Two-dimensional convolution, channels last.
#pragma once

#include <array>

#include "graph/op_support.h"

namespace semblance {

/// x [n,h,w,c], weight [o,c/groups,kh,kw] (as in checkpoints), bias [o] f32 if has_bias, then
/// residual [n,h',w',o] if has_residual, which is added to the result. Result [n,h',w',o] in x's
/// dtype with h' = (h + top + bottom - dilation (kh - 1) - 1) / stride + 1. May overwrite the
/// residual.
struct Conv2d {
  static constexpr std::string_view kName = "conv2d";
  static constexpr Reuse kReuse = Reuse::kKeep;
  std::array<std::int64_t, 2> stride{1, 1};     // rows, columns
  std::array<std::int64_t, 4> pad{0, 0, 0, 0};  // top, left, bottom, right; zeros
  std::array<std::int64_t, 2> dilation{1, 1};
  std::int64_t groups = 1;
  bool has_bias = true;
  bool has_residual = false;

  template <typename F>
  void fields(F&& f) {
    f("stride", stride), f("pad", pad), f("dilation", dilation), f("groups", groups),
        f("has_bias", has_bias), f("has_residual", has_residual);
  }
  int may_overwrite() const { return has_residual ? 2 + (has_bias ? 1 : 0) : -1; }

  TensorType infer(Types src) const {
    const std::size_t sources = 2U + (has_bias ? 1U : 0U) + (has_residual ? 1U : 0U);
    require(src.size() == sources, kName,
            "needs x, weight, then bias and residual as its flags declare", src);
    const Shape& x = src[0].shape;
    const Shape& weight = src[1].shape;
    require(x.rank() == 4 && weight.rank() == 4, kName,
            "x must be [n,h,w,c] and weight [o,c,kh,kw]", src);
    require(groups > 0, kName, "groups must be positive", src);
    for (std::size_t i = 0; i < 2; ++i) {
      require(stride[i] > 0 && stride[i] <= kLargestWindow && dilation[i] > 0 &&
                  dilation[i] <= kLargestWindow && weight.sizes()[i + 2] <= kLargestWindow,
              kName, "strides and dilations must be positive, and no window size may exceed 2^20",
              src);
      require(pad[i] >= 0 && pad[i] <= kLargestWindow && pad[i + 2] >= 0 &&
                  pad[i + 2] <= kLargestWindow,
              kName, "pads must be 0 to 2^20", src);
    }
    require(x[3] % groups == 0 && x[3] / groups == weight[1] && weight[0] % groups == 0, kName,
            "x's channels must be the weight's times groups", src);
    if (has_bias) require(src[2].shape == Shape{weight[0]}, kName, "bias must be [o]", src);
    const std::int64_t kernel_h = dilation[0] * (weight[2] - 1) + 1;
    const std::int64_t kernel_w = dilation[1] * (weight[3] - 1) + 1;
    const std::int64_t padded_h = x[1] + pad[0] + pad[2];
    const std::int64_t padded_w = x[2] + pad[1] + pad[3];
    require(weight[2] > 0 && weight[3] > 0 && padded_h >= kernel_h && padded_w >= kernel_w, kName,
            "the padded picture must be at least as large as the kernel", src);
    const TensorType result{src[0].dtype, Shape{x[0], (padded_h - kernel_h) / stride[0] + 1,
                                                (padded_w - kernel_w) / stride[1] + 1, weight[0]}};
    if (has_residual)
      require(src.back() == result, kName, "the residual must have the result's type", src);
    return result;
  }
  Operations cost(Types src, const TensorType& dst) const {
    return 2.0 * static_cast<double>(dst.shape.elements()) *
           static_cast<double>(src[1].shape.elements_from(1));
  }

  /// In rows, unless some window reads only padding.
  Cut cut(Types src, const TensorType&) const {
    const std::int64_t most = dilation[0] * (src[1].shape[2] - 1);
    return pad[0] <= most && pad[2] <= most ? Cut::kRows : Cut::kWhole;
  }
  bool has_output_channels() const { return groups == 1; }
  Part source_part(std::size_t i, Types src, const TensorType& dst, const Part& part) const {
    if (i != 0) return part;  // the residual
    return part_of_rows(src[0].shape, part.picture, window(src, dst, part));
  }
  void narrow(Types src, const TensorType& dst, Part& part) {
    const RowSpan rows = window(src, dst, part);
    pad[0] = std::max<std::int64_t>(0, -rows.begin);
    pad[2] = std::max<std::int64_t>(0, rows.end - src[0].shape[1]);
  }
  Price price(Types src) const {
    constexpr std::int64_t kNarrow = 512;  // channels; backend/cpu also chooses kernels by it
    const Shape& weight = src[1].shape;
    if (weight[2] == 1 && weight[3] == 1) return Price::kLinear;
    return weight[2] == 3 && weight[3] == 3 && weight[1] <= kNarrow ? Price::kNarrowConvolution
                                                                    : Price::kWideConvolution;
  }

 private:
  /// Rows of x that a part of the result reads; some can be outside the picture, in the padding.
  RowSpan window(Types src, const TensorType& dst, const Part& part) const {
    const RowSpan rows = rows_of(dst.shape, part);
    const std::int64_t reach = dilation[0] * (src[1].shape[2] - 1) + 1;
    return {rows.begin * stride[0] - pad[0], (rows.end - 1) * stride[0] - pad[0] + reach};
  }
};

}  // namespace semblance
