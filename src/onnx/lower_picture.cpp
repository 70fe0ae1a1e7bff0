// Operators over pictures: convolution, pooling, normalisation, resizing.
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "onnx/import_call.h"

namespace semblance::onnx_import {
namespace {

constexpr std::int64_t kMostWindow = 1 << 12;  // for strides, dilations, kernels and padding

void require_picture(const Tensor& x) {
  if (x.shape.rank() != 4) {
    fail(ErrorKind::kArgument, "only pictures with four axes [n,c,h,w] are supported, got {}",
         to_string(x.shape));
  }
}

std::array<std::int64_t, 2> pair(Call& call, std::string_view attribute, std::int64_t least) {
  const std::vector<std::int64_t> values = call.integers(attribute);
  if (values.empty()) return {1, 1};
  if (values.size() != 2 || values[0] < least || values[1] < least || values[0] > kMostWindow ||
      values[1] > kMostWindow) {
    fail(ErrorKind::kArgument, "{} must be two numbers from {} to {}, got [{}]", attribute, least,
         kMostWindow, fmt::join(values, ","));
  }
  return {values[0], values[1]};
}

// ONNX's padding: top, left, bottom, right, or a rule that gives ceil(size / stride) results.
std::array<std::int64_t, 4> padding(Call& call, const Shape& nchw,
                                    const std::array<std::int64_t, 2>& window,
                                    const std::array<std::int64_t, 2>& stride) {
  const std::string rule = call.text("auto_pad", "NOTSET");
  const std::vector<std::int64_t> pads = call.integers("pads");
  std::array<std::int64_t, 4> result{0, 0, 0, 0};
  if (rule == "NOTSET" || rule.empty()) {
    if (pads.empty()) return result;
    if (pads.size() != 4) fail(ErrorKind::kCorrupt, "pads must be four numbers");
    for (std::size_t i = 0; i < 4; ++i) {
      if (pads[i] < 0 || pads[i] > kMostWindow)
        fail(ErrorKind::kArgument, "pads must be from 0 to {}, got {}", kMostWindow, pads[i]);
      result[i] = pads[i];
    }
    return result;
  }
  if (rule == "VALID") return result;
  if (rule != "SAME_UPPER" && rule != "SAME_LOWER")
    fail(ErrorKind::kArgument, "auto_pad '{}' is unknown", rule);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t size = nchw[static_cast<int>(i) + 2];
    const std::int64_t results = (size + stride[i] - 1) / stride[i];
    const std::int64_t total =
        std::max<std::int64_t>(0, (results - 1) * stride[i] + window[i] - size);
    const std::int64_t less = total / 2;
    result[i] = rule == "SAME_UPPER" ? less : total - less;
    result[i + 2] = total - result[i];
  }
  return result;
}

// A node's known [c] vector as a weight.
Value vector(Call& call, int input, std::int64_t size) {
  const StoredTensor& stored = call.stored(input);
  if (!(stored.shape == Shape{size})) {
    fail(ErrorKind::kShape, "input {} must be [{}], got {}", input, size, to_string(stored.shape));
  }
  return call.build.weight(call.input(input).name, stored);
}

Tensor pool(Call& call, PoolFn fn) {
  const Tensor& x = call.input(0);
  require_picture(x);
  Pool op;
  op.fn = fn;
  if (!call.has("kernel_shape")) fail(ErrorKind::kCorrupt, "kernel_shape is missing");
  op.kernel = pair(call, "kernel_shape", 1);
  op.stride = pair(call, "strides", 1);
  op.ceil = call.integer("ceil_mode", 0) != 0;
  if (pair(call, "dilations", 1) != std::array<std::int64_t, 2>{1, 1})
    fail(ErrorKind::kArgument, "dilations other than 1 are not supported");
  if (call.integer("storage_order", 0) != 0)
    fail(ErrorKind::kArgument, "storage_order 1 is not supported");
  op.count_pad = fn == PoolFn::kAverage && call.integer("count_include_pad", 0) != 0;
  op.pad = padding(call, x.shape, op.kernel, op.stride);
  return call.build.tensor(apply(op, {call.build.channels_last(x)}), true);
}

// How ONNX maps a position of the result to one of the source, in nearest mode.
struct Nearest {
  std::string transformation;
  std::string rounding;

  std::int64_t source(std::int64_t at, float scale, std::int64_t from, std::int64_t to) const {
    const auto x = static_cast<float>(at);
    float place = 0;
    if (transformation == "asymmetric") {
      place = x / scale;
    } else if (transformation == "align_corners") {
      place = to > 1 ? x * static_cast<float>(from - 1) / static_cast<float>(to - 1) : 0.0F;
    } else if (transformation == "tf_half_pixel_for_nn") {
      place = (x + 0.5F) / scale;
    } else if (transformation == "half_pixel" || to > 1) {
      place = (x + 0.5F) / scale - 0.5F;
    }
    if (rounding == "floor") {
      place = std::floor(place);
    } else if (rounding == "ceil") {
      place = std::ceil(place);
    } else if (rounding == "round_prefer_ceil") {
      place = std::floor(place + 0.5F);
    } else {
      place = std::ceil(place - 0.5F);
    }
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(place), 0, from - 1);
  }
};

// The source positions for one axis.
std::vector<std::int64_t> places(const Nearest& rule, float scale, std::int64_t from,
                                 std::int64_t to) {
  if (to < 1 || to > (1 << 16))
    fail(ErrorKind::kShape, "it makes an axis of size {}, at most 65536 are supported", to);
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < to; ++i) result.push_back(rule.source(i, scale, from, to));
  return result;
}

bool is_plain_nearest(const std::vector<std::int64_t>& source, std::int64_t from) {
  const auto to = static_cast<std::int64_t>(source.size());
  for (std::int64_t i = 0; i < to; ++i) {
    if (source[static_cast<std::size_t>(i)] != i * from / to) return false;
  }
  return true;
}

Tensor resized(Call& call, const Nearest& rule, const std::array<float, 2>& scale,
               const std::array<std::int64_t, 2>& size) {
  const Tensor& x = call.input(0);
  const std::vector<std::int64_t> rows = places(rule, scale[0], x.shape[2], size[0]);
  const std::vector<std::int64_t> columns = places(rule, scale[1], x.shape[3], size[1]);
  Value value = call.build.channels_last(x);
  if (is_plain_nearest(rows, x.shape[2]) && is_plain_nearest(columns, x.shape[3]))
    return call.build.tensor(upsample(value, size[0], size[1]), true);
  return call.build.tensor(take(take(value, 1, rows), 2, columns), true);
}

void check_resize_input(const Tensor& x, const std::string& mode) {
  require_picture(x);
  if (mode != "nearest")
    fail(ErrorKind::kArgument, "mode '{}' is not supported, only nearest is", mode);
  if (x.shape[2] < 1 || x.shape[3] < 1) fail(ErrorKind::kShape, "its picture is empty");
}

Tensor resized_by_scales(Call& call, const Nearest& rule, const std::vector<float>& scales) {
  const Tensor& x = call.input(0);
  if (scales.size() != 4 || scales[0] != 1.0F || scales[1] != 1.0F || !(scales[2] > 0.0F) ||
      !(scales[3] > 0.0F) || !(scales[2] < 65536.0F) || !(scales[3] < 65536.0F)) {
    fail(ErrorKind::kArgument, "scales must be [1,1,height,width], got [{}]",
         fmt::join(scales, ","));
  }
  const auto size = [&](int axis, float scale) {
    return static_cast<std::int64_t>(std::floor(static_cast<float>(x.shape[axis]) * scale));
  };
  return resized(call, rule, {scales[2], scales[3]}, {size(2, scales[2]), size(3, scales[3])});
}

}  // namespace

Tensor lower_conv(Call& call) {
  const Tensor& x = call.input(0);
  const StoredTensor& weight = call.stored(1);
  require_picture(x);
  if (weight.shape.rank() != 4 || weight.shape[2] > kMostWindow || weight.shape[3] > kMostWindow) {
    fail(ErrorKind::kArgument, "its weight must be [o,c,kh,kw], got {}", to_string(weight.shape));
  }
  Conv2d op;
  op.stride = pair(call, "strides", 1);
  op.dilation = pair(call, "dilations", 1);
  op.groups = call.integer("group", 1);
  const std::vector<std::int64_t> kernel = call.integers("kernel_shape");
  if (!kernel.empty() && kernel != std::vector<std::int64_t>{weight.shape[2], weight.shape[3]}) {
    fail(ErrorKind::kShape, "kernel_shape is [{}], the weight is {}", fmt::join(kernel, ","),
         to_string(weight.shape));
  }
  if (op.groups < 1 || op.groups > (1 << 20))
    fail(ErrorKind::kArgument, "group must be from 1 to 2^20, got {}", op.groups);
  op.pad = padding(
      call, x.shape,
      {op.dilation[0] * (weight.shape[2] - 1) + 1, op.dilation[1] * (weight.shape[3] - 1) + 1},
      op.stride);
  op.has_bias = call.has_input(2);
  const Value value = call.build.channels_last(x);
  const Value w = call.build.weight(call.input(1).name, weight);
  if (!op.has_bias) return call.build.tensor(apply(op, {value, w}), true);
  return call.build.tensor(apply(op, {value, w, vector(call, 2, weight.shape[0])}), true);
}

Tensor lower_batch_norm(Call& call) {
  const Tensor& x = call.input(0);
  if (x.shape.rank() != 2 && x.shape.rank() != 4)
    fail(ErrorKind::kArgument, "only [n,c] and [n,c,h,w] are supported, got {}",
         to_string(x.shape));
  if (call.integer("training_mode", 0) != 0)
    fail(ErrorKind::kArgument, "it is in training mode; export the model for inference");
  if (call.integer("spatial", 1) != 1) fail(ErrorKind::kArgument, "spatial 0 is not supported");
  call.ignore("momentum");
  const BatchNorm op{call.real("epsilon", 1e-5F)};
  const std::int64_t channels = x.shape[1];
  const bool last = x.shape.rank() == 4;
  const Value value = last ? call.build.channels_last(x) : call.build.plain(x);
  return call.build.tensor(apply(op, {value, vector(call, 1, channels), vector(call, 2, channels),
                                      vector(call, 3, channels), vector(call, 4, channels)}),
                           last);
}

Tensor lower_max_pool(Call& call) { return pool(call, PoolFn::kMax); }
Tensor lower_average_pool(Call& call) { return pool(call, PoolFn::kAverage); }

Tensor lower_global_average_pool(Call& call) {
  const Tensor& x = call.input(0);
  require_picture(x);
  if (x.shape[2] > kMostWindow || x.shape[3] > kMostWindow)
    fail(ErrorKind::kShape, "its picture is larger than {}", kMostWindow);
  Pool op;
  op.fn = PoolFn::kAverage;
  op.kernel = {x.shape[2], x.shape[3]};
  return call.build.tensor(apply(op, {call.build.channels_last(x)}), true);
}

Tensor lower_upsample(Call& call) {
  check_resize_input(call.input(0), call.text("mode", "nearest"));
  const Nearest rule{"asymmetric", "floor"};
  if (call.has("scales")) return resized_by_scales(call, rule, call.reals("scales"));
  const Constant scales = call.known(1);
  if (!is_float(scales.dtype)) fail(ErrorKind::kCorrupt, "its scales are not floats");
  return resized_by_scales(call, rule, scales.floats());
}

Tensor lower_resize(Call& call) {
  const Tensor& x = call.input(0);
  check_resize_input(x, call.text("mode", "nearest"));
  if (call.opset() < 11) return lower_upsample(call);
  Nearest rule{call.text("coordinate_transformation_mode", "half_pixel"),
               call.text("nearest_mode", "round_prefer_floor")};
  call.ignore("cubic_coeff_a");
  call.ignore("exclude_outside");
  call.ignore("extrapolation_value");
  const auto one_of = [](const std::string& word, std::initializer_list<const char*> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (!one_of(rule.transformation, {"half_pixel", "pytorch_half_pixel", "asymmetric",
                                    "align_corners", "tf_half_pixel_for_nn"})) {
    fail(ErrorKind::kArgument, "coordinate_transformation_mode '{}' is not supported",
         rule.transformation);
  }
  if (!one_of(rule.rounding, {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}))
    fail(ErrorKind::kArgument, "nearest_mode '{}' is unknown", rule.rounding);
  if (call.has_input(3) && call.input(3).shape.elements() > 0) {
    const std::vector<std::int64_t> sizes = call.known_integers(3);
    if (sizes.size() != 4 || sizes[0] != x.shape[0] || sizes[1] != x.shape[1]) {
      fail(ErrorKind::kArgument, "sizes must be [{},{},height,width], got [{}]", x.shape[0],
           x.shape[1], fmt::join(sizes, ","));
    }
    const auto scale = [&](std::int64_t to, int axis) {
      return static_cast<float>(to) / static_cast<float>(x.shape[axis]);
    };
    return resized(call, rule, {scale(sizes[2], 2), scale(sizes[3], 3)}, {sizes[2], sizes[3]});
  }
  const Constant scales = call.known(2);
  if (!is_float(scales.dtype)) fail(ErrorKind::kCorrupt, "its scales are not floats");
  return resized_by_scales(call, rule, scales.floats());
}

}  // namespace semblance::onnx_import
