#include "models/vae.h"

#include "models/layers.h"
#include "models/unet_blocks.h"

namespace semblance {
namespace {

constexpr float kEps = 1e-6F;

/// Attention with one head over all pixels.
Value attention_block(const Scope& s, const VaeConfig& config, Value x) {
  const std::int64_t channels = x.channels();
  const Value normed = as_sequence(group_norm(s / "group_norm", x, config.groups, kEps, false));
  const Value mixed =
      attention(linear(s / "to_q", normed, channels), linear(s / "to_k", normed, channels),
                linear(s / "to_v", normed, channels), 1);
  return as_picture(linear(s / "to_out" / 0, mixed, channels, as_sequence(x)), x.shape()[1],
                    x.shape()[2]);
}

Value mid_block(const Scope& s, const VaeConfig& config, Value x) {
  x = resnet_block(s / "resnets" / 0, x, x.channels(), config.groups, kEps);
  if (config.mid_attention) x = attention_block(s / "attentions" / 0, config, x);
  return resnet_block(s / "resnets" / 1, x, x.channels(), config.groups, kEps);
}

}  // namespace

VaeConfig vae_config(const Json& json) {
  const IntRange positive{1, 1 << 16};
  VaeConfig config;
  config.latent_channels = json.get_int("latent_channels", 4, positive);
  config.channels =
      json.get_int_list("block_out_channels", std::vector<std::int64_t>{64}, positive);
  if (config.channels.size() != 4)
    json.refuse("block_out_channels",
                "a list of 4 numbers: an SDXL VAE decodes each to 8 x 8 pixels");
  config.layers = json.get_int("layers_per_block", 1, IntRange{1, 64});
  config.groups = json.get_int("norm_num_groups", 32, positive);
  config.scaling_factor = static_cast<float>(json.get_float("scaling_factor", 0.18215));
  config.mid_attention = json.get_bool("mid_block_add_attention", true);
  config.quant_conv = json.get_bool("use_quant_conv", true);
  config.post_quant_conv = json.get_bool("use_post_quant_conv", true);
  const bool list = json.has("sample_size") && json.child("sample_size").is_list();
  config.sample_size = list ? 0 : json.get_int("sample_size", 32, positive);
  if (json.get_int("in_channels", 3) != 3) json.refuse("in_channels", "3");
  if (json.get_int("out_channels", 3) != 3) json.refuse("out_channels", "3");
  if (json.get_string("act_fn", "silu") != "silu") json.refuse("act_fn", "\"silu\"");
  if (!(config.scaling_factor > 0)) json.refuse("scaling_factor", "positive");
  for (std::int64_t channels : config.channels) {
    if (channels % config.groups != 0)
      json.refuse("norm_num_groups", "a divisor of every block_out_channels");
  }
  for (const auto& [key, type] :
       {std::pair<const char*, std::string>{"down_block_types", "DownEncoderBlock2D"},
        {"up_block_types", "UpDecoderBlock2D"}}) {
    const auto types = json.get_string_list(key, std::vector<std::string>(4, type));
    if (types != std::vector<std::string>(4, type))
      json.refuse(key, fmt::format("a list of four times \"{}\"", type));
  }
  return config;
}

Value vae_decoder(const Scope& s, const VaeConfig& config, Value latent, DType dtype) {
  Value x = convert(latent, dtype);
  if (config.post_quant_conv) x = conv1x1(s / "post_quant_conv", x, config.latent_channels);
  const Scope decoder = s / "decoder";
  x = conv3x3(decoder / "conv_in", x, config.channels.back());
  x = mid_block(decoder / "mid_block", config, x);
  const std::size_t levels = config.channels.size();
  for (std::size_t i = 0; i < levels; ++i) {
    const Scope block = decoder / "up_blocks" / static_cast<std::int64_t>(i);
    const std::int64_t channels = config.channels[levels - 1 - i];
    for (std::int64_t j = 0; j <= config.layers; ++j)
      x = resnet_block(block / "resnets" / j, x, channels, config.groups, kEps);
    if (i + 1 < levels) {
      x = conv3x3(block / "upsamplers" / 0 / "conv",
                  upsample(x, 2 * x.shape()[1], 2 * x.shape()[2]), channels);
    }
  }
  x = group_norm(decoder / "conv_norm_out", x, config.groups, kEps, true);
  return convert(conv3x3(decoder / "conv_out", x, 3), DType::kF32);
}

Value vae_encoder(const Scope& s, const VaeConfig& config, Value picture, DType dtype) {
  const Scope encoder = s / "encoder";
  Value x = conv3x3(encoder / "conv_in", convert(picture, dtype), config.channels[0]);
  const std::size_t levels = config.channels.size();
  for (std::size_t i = 0; i < levels; ++i) {
    const Scope block = encoder / "down_blocks" / static_cast<std::int64_t>(i);
    for (std::int64_t j = 0; j < config.layers; ++j)
      x = resnet_block(block / "resnets" / j, x, config.channels[i], config.groups, kEps);
    if (i + 1 < levels)
      x = conv3x3(block / "downsamplers" / 0 / "conv", x, config.channels[i], 2, {0, 0, 1, 1});
  }
  x = mid_block(encoder / "mid_block", config, x);
  x = group_norm(encoder / "conv_norm_out", x, config.groups, kEps, true);
  x = conv3x3(encoder / "conv_out", x, 2 * config.latent_channels);
  if (config.quant_conv) x = conv1x1(s / "quant_conv", x, 2 * config.latent_channels);
  return convert(x, DType::kF32);
}

}  // namespace semblance
