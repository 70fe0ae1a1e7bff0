#include "models/layers.h"

namespace semblance {
namespace {

Value conv(const Scope& s, Value x, std::int64_t channels, std::int64_t kernel, std::int64_t stride,
           std::array<std::int64_t, 4> pad, std::optional<Value> residual) {
  const Value weight = s.weight("weight", x.dtype(), {channels, x.channels(), kernel, kernel});
  const Value bias = s.weight("bias", DType::kF32, {channels});
  const Conv2d op{.stride = {stride, stride}, .pad = pad, .has_residual = residual.has_value()};
  return residual ? apply(op, {x, weight, bias, *residual}) : apply(op, {x, weight, bias});
}

}  // namespace

Value conv3x3(const Scope& s, Value x, std::int64_t channels, std::optional<Value> residual) {
  return conv(s, x, channels, 3, 1, {1, 1, 1, 1}, residual);
}

Value conv3x3(const Scope& s, Value x, std::int64_t channels, std::int64_t stride,
              std::array<std::int64_t, 4> pad) {
  return conv(s, x, channels, 3, stride, pad, {});
}

Value conv1x1(const Scope& s, Value x, std::int64_t channels, std::optional<Value> residual) {
  return conv(s, x, channels, 1, 1, {0, 0, 0, 0}, residual);
}

Value linear(const Scope& s, Value x, std::int64_t channels, std::optional<Value> residual) {
  const Value weight = s.weight("weight", x.dtype(), {channels, x.channels()});
  const Value bias = s.weight("bias", DType::kF32, {channels});
  const Linear op{.has_bias = true, .has_residual = residual.has_value()};
  return residual ? apply(op, {x, weight, bias, *residual}) : apply(op, {x, weight, bias});
}

Value linear_unbiased(const Scope& s, Value x, std::int64_t channels,
                      std::optional<Value> residual) {
  const Value weight = s.weight("weight", x.dtype(), {channels, x.channels()});
  const Linear op{.has_bias = false, .has_residual = residual.has_value()};
  return residual ? apply(op, {x, weight, *residual}) : apply(op, {x, weight});
}

Value embedding_layers(const Scope& s, Value x, std::int64_t channels) {
  return linear(s / "linear_2", silu(linear(s / "linear_1", x, channels)), channels);
}

Value group_norm(const Scope& s, Value x, std::int64_t groups, float eps, bool silu) {
  const Shape channels{x.channels()};
  return apply(GroupNorm{groups, eps, silu}, {x, s.weight("weight", DType::kF32, channels),
                                              s.weight("bias", DType::kF32, channels)});
}

Value layer_norm(const Scope& s, Value x, float eps) {
  const Shape channels{x.channels()};
  return apply(LayerNorm{eps}, {x, s.weight("weight", DType::kF32, channels),
                                s.weight("bias", DType::kF32, channels)});
}

Value over_pixels(Value t) { return reshape(t, {t.shape()[0], 1, 1, t.channels()}); }

Value as_sequence(Value x) {
  return reshape(x, {x.shape()[0], x.shape()[1] * x.shape()[2], x.channels()});
}

Value as_picture(Value x, std::int64_t h, std::int64_t w) {
  return reshape(x, {x.shape()[0], h, w, x.channels()});
}

}  // namespace semblance
