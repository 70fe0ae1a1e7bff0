// The VAE: latents to pictures and back. Source: diffusers' AutoencoderKL (docs/reference.md, 2).
#pragma once

#include <vector>

#include "core/json.h"
#include "graph/builder.h"
#include "weights/weight_map.h"

namespace semblance {

struct VaeConfig {
  std::int64_t latent_channels = 4;
  std::vector<std::int64_t> channels;  // by level, from the full resolution down
  std::int64_t layers = 2;
  std::int64_t groups = 32;
  float scaling_factor = 0.13025F;  // the sampler's latents are the VAE's times this
  bool mid_attention = true;
  bool quant_conv = true;
  bool post_quant_conv = true;
  /// The side of a tile in pixels for tiled decoding; 0 if the file has a list.
  std::int64_t sample_size = 32;

  /// Picture pixels per latent pixel on each axis: 8.
  std::int64_t fold() const { return std::int64_t{1} << (channels.size() - 1); }
};
VaeConfig vae_config(const Json& json);

/// latent f32 [n,h,w,4], divided by the scaling factor, -> picture f32 [n,8h,8w,3], about -1..1.
Value vae_decoder(const Scope& s, const VaeConfig& config, Value latent, DType dtype);
/// picture f32 [n,8h,8w,3] in -1..1 -> moments f32 [n,h,w,8]: mean, then log variance, before
/// scaling.
Value vae_encoder(const Scope& s, const VaeConfig& config, Value picture, DType dtype);

}  // namespace semblance
