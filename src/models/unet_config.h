// The sizes of an SDXL-like UNet, or of a ControlNet with its encoder, from config.json, with
// diffusers' defaults.
#pragma once

#include <vector>

#include "core/json.h"

namespace semblance {

struct UNetConfig {
  std::int64_t in_channels = 4;  // 9 for a UNet made for inpainting
  std::int64_t out_channels = 4;
  std::int64_t sample_size = 128;      // side in latent pixels of the square it was trained for
  std::vector<std::int64_t> channels;  // by level, from the full resolution down
  std::vector<std::int64_t> layers;    // residual blocks by level
  std::vector<bool> down_attention;    // whether a level's encoder has transformers
  std::vector<bool> up_attention;      // the decoder's, in the order of up_blocks: deepest first
  std::vector<std::int64_t> transformer_layers;  // blocks in each transformer, by level
  std::vector<std::int64_t> heads;           // by level; config.json calls them attention_head_dim
  std::vector<std::int64_t> cross_channels;  // width of the text, by level
  bool linear_projection = false;
  std::int64_t groups = 32;
  float eps = 1e-5F;
  std::int64_t downsample_padding = 1;
  bool flip_sin_to_cos = true;
  float freq_shift = 0;
  std::int64_t time_id_channels = 256;  // of the sinusoid of each of the six time ids
  std::int64_t added_channels = 2816;   // pooled text and time ids together
  /// Of the sinusoid of the guidance scale, which distilled UNets (LCM) take as an input; 0: none.
  std::int64_t guidance_channels = 0;
  // Only for a ControlNet:
  std::int64_t conditioning_channels = 3;
  std::vector<std::int64_t> conditioning_embedding;  // 16, 32, 96, 256
  // Only for a Union ControlNet, by its tensors (controlnet_config()):
  std::int64_t control_types = 0;  // of pictures that it takes; 0: it is none
  std::int64_t union_layers = 1;   // of its transformer

  /// Whether it is made for inpainting: it also reads a mask and the latent of what the mask does
  /// not cover.
  bool reads_masks() const { return in_channels == 2 * out_channels + 1; }
  std::int64_t time_channels() const { return channels[0] * 4; }
  std::int64_t pooled_channels() const { return added_channels - 6 * time_id_channels; }
  int levels() const { return static_cast<int>(channels.size()); }
};

/// Throws what Json's getters throw, also for a value that requires a structure other than SDXL's.
UNetConfig unet_config(const Json& json);
/// Of IdentityNet or another ControlNet.
UNetConfig controlnet_config(const Json& json);

}  // namespace semblance
