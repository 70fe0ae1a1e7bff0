#include "models/resampler.h"

#include "models/layers.h"

namespace semblance {
namespace {

constexpr std::int64_t kHeadWidth = 64;

/// The size of one axis of a tensor, which must have `rank` axes.
std::int64_t size_in(const WeightMap& weights, const std::string& name, int rank, int axis) {
  const StoredTensor* tensor = weights.find(name);
  if (tensor == nullptr) {
    fail(ErrorKind::kMissing,
         "cannot read the face adapter: it has no tensor {}\n  is this InstantID's ip-adapter.bin?",
         name);
  }
  if (tensor->shape.rank() != rank || tensor->shape[axis] < 1) {
    fail(ErrorKind::kShape, "cannot read the face adapter: {} must have {} axes, got {}", name,
         rank, to_string(tensor->shape));
  }
  return tensor->shape[axis];
}

/// Perceiver attention: queries from the latents, keys and values from x and the latents. Both are
/// normalised first.
Value perceiver_attention(const Scope& s, const ResamplerConfig& config, Value x, Value latents) {
  const std::int64_t inner = config.heads * kHeadWidth;
  const Value normed = layer_norm(s / "norm2", latents);
  const Value kv =
      linear_unbiased(s / "to_kv", concat({layer_norm(s / "norm1", x), normed}, 1), 2 * inner);
  const Value q = linear_unbiased(s / "to_q", normed, inner);
  const Value mixed =
      attention(q, slice(kv, -1, 0, inner), slice(kv, -1, inner, 2 * inner), config.heads);
  return linear_unbiased(s / "to_out", mixed, config.width, latents);
}

}  // namespace

ResamplerConfig resampler_config(const WeightMap& weights, const std::string& prefix) {
  ResamplerConfig config;
  config.tokens = size_in(weights, prefix + "latents", 3, 1);
  config.width = size_in(weights, prefix + "latents", 3, 2);
  config.embedding = size_in(weights, prefix + "proj_in.weight", 2, 1);
  config.output = size_in(weights, prefix + "proj_out.weight", 2, 0);
  const std::int64_t inner = size_in(weights, prefix + "layers.0.0.to_q.weight", 2, 0);
  if (inner % kHeadWidth != 0) {
    fail(ErrorKind::kShape,
         "cannot read the face adapter: to_q must have a multiple of {} rows, got {}", kHeadWidth,
         inner);
  }
  config.heads = inner / kHeadWidth;
  config.feed_forward = size_in(weights, prefix + "layers.0.1.1.weight", 2, 0);
  config.depth = 0;
  while (weights.find(fmt::format("{}layers.{}.0.to_q.weight", prefix, config.depth)) != nullptr)
    ++config.depth;
  return config;
}

Value resampler(const Scope& s, const ResamplerConfig& config, Value embeddings) {
  Value latents = s.weight("latents", DType::kF32, {1, config.tokens, config.width});
  const Value x = reshape(linear(s / "proj_in", embeddings, config.width),
                          {1, embeddings.shape()[0], config.width});
  for (std::int64_t i = 0; i < config.depth; ++i) {
    const Scope layer = s / "layers" / i;
    latents = perceiver_attention(layer / 0, config, x, latents);
    const Value h = gelu(
        linear_unbiased(layer / 1 / 1, layer_norm(layer / 1 / 0, latents), config.feed_forward));
    latents = linear_unbiased(layer / 1 / 3, h, config.width, latents);
  }
  return layer_norm(s / "norm_out", linear(s / "proj_out", latents, config.output));
}

}  // namespace semblance
