#include "models/clip.h"

#include <algorithm>

#include "models/layers.h"

namespace semblance {
namespace {

Value encoder_layer(const Scope& s, const ClipConfig& config, Value x) {
  const Scope attn = s / "self_attn";
  const Value normed = layer_norm(s / "layer_norm1", x, config.eps);
  const Value mixed = attention(
      linear(attn / "q_proj", normed, config.width), linear(attn / "k_proj", normed, config.width),
      linear(attn / "v_proj", normed, config.width), config.heads, /*causal=*/true);
  x = linear(attn / "out_proj", mixed, config.width, x);
  const Value h = unary(
      linear(s / "mlp" / "fc1", layer_norm(s / "layer_norm2", x, config.eps), config.feed_forward),
      config.activation);
  return linear(s / "mlp" / "fc2", h, config.width, x);
}

}  // namespace

ClipConfig clip_config(const Json& json) {
  const IntRange positive{1, 1 << 20};
  ClipConfig config{};
  config.vocab_size = json.get_int("vocab_size", 49408, IntRange{1, 1 << 24});
  config.width = json.get_int("hidden_size", 512, positive);
  config.feed_forward = json.get_int("intermediate_size", 2048, positive);
  config.layers = json.get_int("num_hidden_layers", 12, IntRange{2, 1000});
  config.heads = json.get_int("num_attention_heads", 8, positive);
  config.length = json.get_int("max_position_embeddings", 77, IntRange{3, 1 << 16});
  config.projection = json.get_int("projection_dim", 512, positive);
  config.end_id = json.get_int("eos_token_id", 49407);
  config.eps = static_cast<float>(json.get_float("layer_norm_eps", 1e-5));
  if (config.width % config.heads != 0)
    json.refuse("num_attention_heads", "a divisor of hidden_size");
  const std::string activation = json.get_string("hidden_act", "quick_gelu");
  if (activation == "gelu") {
    config.activation = UnaryFn::kGelu;
  } else if (activation != "quick_gelu") {
    json.refuse("hidden_act", "quick_gelu or gelu");
  }
  return config;
}

std::int32_t end_position(const ClipConfig& config, std::span<const std::int32_t> ids) {
  auto end = config.end_id == 2
                 ? std::max_element(ids.begin(), ids.end())
                 : std::find(ids.begin(), ids.end(), static_cast<std::int32_t>(config.end_id));
  if (end == ids.end()) end = ids.begin();  // like transformers' argmax without a match
  return static_cast<std::int32_t>(end - ids.begin());
}

ClipOutputs clip_text(const Scope& s, const ClipConfig& config, Value ids,
                      std::optional<Value> ends, std::int64_t skip,
                      const std::optional<TokenVectors>& vectors) {
  const Scope model = s / "text_model";
  const Scope embeddings = model / "embeddings";
  Value x = apply(Embedding{},
                  {ids, (embeddings / "token_embedding")
                            .weight("weight", DType::kF32, {config.vocab_size, config.width})});
  if (vectors) x = x * vectors->keep + vectors->vectors;
  const Value positions = (embeddings / "position_embedding")
                              .weight("weight", DType::kF32, {config.length, config.width});
  const std::int64_t length = ids.shape()[1];
  x = x + (length == config.length ? positions : slice(positions, 0, 0, length));
  const std::int64_t texts = ids.shape()[0];
  const std::int64_t taken = config.layers - 1 - skip;
  Value of_last = x;
  for (std::int64_t i = 0; i < (ends || texts > 1 ? config.layers - 1 : taken); ++i) {
    x = encoder_layer(model / "encoder" / "layers" / i, config, x);
    if (i + 1 == taken) of_last = x;
  }
  ClipOutputs out{of_last, {}};
  if (skip > 0 && texts > 1)
    out.hidden = concat({slice(x, 0, 0, texts - 1), slice(of_last, 0, texts - 1, texts)}, 0);
  if (ends) {
    x = encoder_layer(model / "encoder" / "layers" / (config.layers - 1), config, x);
    x = apply(TakeRow{}, {layer_norm(model / "final_layer_norm", x, config.eps), *ends});
    out.pooled = linear_unbiased(s / "text_projection", x, config.projection);
  }
  return out;
}

std::vector<std::string> clip_unread(const ClipConfig& config) {
  return {"text_model.encoder.layers." + std::to_string(config.layers - 1) + ".*",
          "text_model.final_layer_norm.*", "text_projection.*"};
}

}  // namespace semblance
