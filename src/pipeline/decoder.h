// The last stage: decodes a latent to a picture.
#pragma once

#include <span>
#include <stop_token>
#include <vector>

#include "image/image.h"
#include "pipeline/opened_models.h"
#include "runtime/workspace.h"

namespace semblance {

struct DecodeOptions {
  /// Decodes overlapping tiles of the VAE's own size and blends them, as diffusers'
  /// AutoencoderKL.enable_vae_tiling does. This is less work in attention, but gives a different
  /// picture: each tile is normalised separately, so brightness may change from tile to tile. A
  /// picture no larger than one tile is decoded whole. Memory: the picture, the work on one tile,
  /// and strips of a quarter tile along the tiles above and to the left.
  bool tiling = false;
  OtherMemory beside = {};
};

/// Memory for decoding in tiles, besides the latent: the picture as f32, a tile as f32, strips of a
/// quarter tile above and to the left; at the end, the picture's bytes.
OtherMemory tile_memory(const VaeConfig& vae, Size size);

/// Throws Error(kCorrupt) if the VAE's sample_size, the side of a tile, is not a multiple of 32.
void check_tiling(const VaeConfig& vae);

/// latent f32 [c,h/8,w/8] as the sampler leaves it -> picture f32 [h,w,3], about -1..1. Throws
/// Error(kCancelled), and with tiling what check_tiling throws.
std::vector<float> decode_latent(const OpenedModels& models, const Workspace& workspace,
                                 std::span<const float> latent, Size size, DType dtype,
                                 std::stop_token stop, const DecodeOptions& options = {});

/// decode_latent() and to_image() in one, without an f32 copy of the picture, which would be four
/// times the size of the result.
Image decode_picture(const OpenedModels& models, const Workspace& workspace,
                     std::span<const float> latent, Size size, DType dtype, std::stop_token stop,
                     const DecodeOptions& options = {});

/// Converts -1..1 to 8 bits, rounding as diffusers' image processor does; values outside are
/// clamped. `picture` is [h,w,3] of `dtype`.
Image to_image(DType dtype, std::span<const std::byte> picture, Size size);

}  // namespace semblance
