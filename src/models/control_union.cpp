#include "models/control_union.h"

#include "models/layers.h"

namespace semblance {
namespace {

/// The mean over the pixels, [1,h,w,c] -> [1,1,c]: attention whose scores are all 0.
Value mean_of_pixels(const UNetConfig& config, Value x) {
  const Value sequence = as_sequence(x);
  const Value zero = affine(slice(sequence, 1, 0, 1), 0, 0);
  return attention(zero, sequence, sequence, config.heads[0]);
}

/// The residual attention block for a single token.
Value token_layer(const Scope& s, Value x) {
  const std::int64_t channels = x.channels();
  const Value value = linear(s / "attn" / "v_proj", layer_norm(s / "ln_1", x), channels);
  x = linear(s / "attn" / "out_proj", value, channels, x);
  const Value wide = linear(s / "mlp" / "c_fc", layer_norm(s / "ln_2", x), 4 * channels);
  return linear(s / "mlp" / "c_proj", unary(wide, UnaryFn::kQuickGelu), channels, x);
}

}  // namespace

Value type_embedding(const Scope& s, const UNetConfig& config, Value timestep, int type) {
  const std::int64_t n = timestep.shape()[0];
  const Value off = reshape(affine(timestep, 0, 0), {n, 1});
  const Value on = reshape(affine(timestep, 0, 1), {n, 1});
  std::vector<Value> flags;
  for (std::int64_t i = 0; i < config.control_types; ++i) flags.push_back(i == type ? on : off);
  const Value waves =
      apply(Sinusoid{config.time_id_channels, config.flip_sin_to_cos, config.freq_shift},
            {reshape(concat(flags, 1), {n * config.control_types})});
  return embedding_layers(s / "control_add_embedding",
                          reshape(waves, {n, config.control_types * config.time_id_channels}),
                          config.time_channels());
}

Value add_type(const Scope& s, const UNetConfig& config, Value features, int type) {
  const std::int64_t channels = config.channels[0];
  const Value x = convert(features, DType::kF32);
  const Value types = s.weight("task_embedding", DType::kF32, {config.control_types, channels});
  Value token =
      mean_of_pixels(config, x) + reshape(slice(types, 0, type, type + 1), {1, 1, channels});
  for (std::int64_t i = 0; i < config.union_layers; ++i)
    token = token_layer(s / "transformer_layes" / i, token);
  const Value shift = linear(s / "spatial_ch_projs", token, channels);
  return x + over_pixels(reshape(shift, {1, channels}));
}

std::vector<std::string> union_unread() {
  return {"transformer_layes.*.attn.q_proj.*", "transformer_layes.*.attn.k_proj.*"};
}

}  // namespace semblance
