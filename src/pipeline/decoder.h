// The last stage: a latent becomes a picture.
#pragma once

#include <span>
#include <stop_token>

#include "image/image.h"
#include "pipeline/opened_models.h"
#include "runtime/session.h"

namespace semblance {

/// latent f32 [c,h/8,w/8] as the sampler leaves it -> a session that has computed "picture",
/// [1,h,w,3], about -1..1.
Session decode_latent(const OpenedModels& models, const Backend& backend,
                      std::span<const float> latent, Size size, DType dtype, std::stop_token stop);

/// -1..1 to 8 bits, as diffusers' image processor rounds; what is outside is cut off. `picture` is
/// [h,w,3] of `dtype`, and is read in small parts: as f32 it would be four times the result.
Image to_image(DType dtype, std::span<const std::byte> picture, Size size);

}  // namespace semblance
