// The last stage: a latent becomes a picture.
#pragma once

#include <span>
#include <stop_token>
#include <vector>

#include "image/image.h"
#include "pipeline/opened_models.h"
#include "runtime/workspace.h"

namespace semblance {

struct DecodeOptions {
  /// Decode overlapping tiles of the VAE's own size and blend them, as diffusers'
  /// AutoencoderKL.enable_vae_tiling does. Less work in attention, and another picture: each tile
  /// is normalised by itself, so that light may change from one to the next. A picture that is no
  /// larger than one tile is decoded whole. Memory: the picture, the work on one tile, and a strip
  /// of a quarter tile along its upper and left neighbours.
  bool tiling = false;
  HeldBeside beside = {};
};

/// What decoding in tiles holds beside the latent: the picture as f32, a tile as f32, strips of a
/// quarter tile above and beside; at the end the picture's bytes.
HeldBeside tiles_beside(const VaeConfig& vae, Size size);

/// Throws Error(kCorrupt) when the VAE's sample_size, the side of a tile, is no multiple of 32.
void check_tiling(const VaeConfig& vae);

/// latent f32 [c,h/8,w/8] as the sampler leaves it -> picture f32 [h,w,3], about -1..1. Throws
/// what check_tiling throws where tiling is asked for, and Error(kCancelled).
std::vector<float> decode_latent(const OpenedModels& models, const Workspace& workspace,
                                 std::span<const float> latent, Size size, DType dtype,
                                 std::stop_token stop, const DecodeOptions& options = {});

/// The same as to_image() makes of it, without a copy of the picture as f32: that is four times the
/// result, beside all that the decoder holds.
Image decode_picture(const OpenedModels& models, const Workspace& workspace,
                     std::span<const float> latent, Size size, DType dtype, std::stop_token stop,
                     const DecodeOptions& options = {});

/// -1..1 to 8 bits, as diffusers' image processor rounds; what is outside is cut off. `picture` is
/// [h,w,3] of `dtype`.
Image to_image(DType dtype, std::span<const std::byte> picture, Size size);

}  // namespace semblance
